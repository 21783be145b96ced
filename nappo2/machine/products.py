"""Matrix products of compiled programs, by oneDNN where that is faster than MKL.

torch has both libraries, and calls MKL. On processors of other makers than Intel, MKL leaves AVX-512 out, and
oneDNN does not: products of 256 x 256 x 256 then take half of the time.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

PROCESSORS = Path("/proc/cpuinfo")
LEAST = 2**20  # multiplications: of fewer the call itself takes longer
LEAST_SIZE = 16  # of each dimension: thinner products are bound by memory, and MKL moves less


@cache
def onednn_is_faster() -> bool:
    """Tests whether MKL leaves out instructions that this processor has, and oneDNN uses them."""
    has = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    if not has or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    return PROCESSORS.exists() and "GenuineIntel" not in PROCESSORS.read_text()


def by_onednn(graph: Any) -> None:
    """Makes products of oneDNN of the large ``mm`` and ``addmm`` in a graph of float32 on the CPU."""
    aten = torch.ops.aten
    for target in (aten.mm.default, aten.addmm.default):
        for node in graph.find_nodes(op="call_function", target=target):
            *bias, left, right = node.args
            if node.kwargs or not is_large(left.meta["val"], right.meta["val"]):
                continue
            with graph.inserting_before(node):
                result = _product(graph, left, right)
                if bias:
                    result = _call(graph, aten.add.Tensor, (result, *bias), node.meta["val"])
            node.replace_all_uses_with(result)
            graph.erase_node(node)


def is_large(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Tests whether a product [M, K] x [K, N] of float32 is one that oneDNN takes less time for."""
    sizes = (*left.shape, right.shape[-1])
    if left.dtype != torch.float32 or not left.is_cpu or not all(isinstance(x, int) for x in sizes):
        return False
    rows, inner, columns = sizes
    return min(sizes) >= LEAST_SIZE and rows * inner * columns >= LEAST


def _product(graph: Any, left: Any, right: Any) -> Any:
    """``left @ right``, of which the one is copied that is smaller if rows of ``left`` are not in a row."""
    x, y = left.meta["val"], right.meta["val"]
    if x.stride(1) == 1 or len(x) <= y.shape[1]:
        return _call(graph, product(), (left, right), x.new_empty(len(x), y.shape[1]))
    turned = _product(graph, _turned(graph, right), _turned(graph, left))
    return _turned(graph, turned)


def _turned(graph: Any, node: Any) -> Any:
    return _call(graph, torch.ops.aten.permute.default, (node, [1, 0]), node.meta["val"].t())


def _call(graph: Any, function: Callable, arguments: tuple, value: torch.Tensor) -> Any:
    node = graph.call_function(function, arguments)
    node.meta["val"] = value
    return node


LIBRARY = torch.library.Library("nappo2", "FRAGMENT")


@cache
def product() -> Callable:
    """The operation ``(a [M, K], b [K, N]) -> a @ b`` whose compiled form calls oneDNN."""
    from torch._inductor import ir
    from torch._inductor.lowering import permute, register_lowering
    from torch._inductor.mkldnn_ir import LinearUnary, _create_output_node

    LIBRARY.define("product(Tensor a, Tensor b) -> Tensor")
    LIBRARY.impl("product", torch.mm, "CompositeExplicitAutograd")
    torch.library.register_fake(
        "nappo2::product", lambda a, b: a.new_empty(len(a), b.shape[1]), lib=LIBRARY
    )
    operation = torch.ops.nappo2.product.default

    @register_lowering(operation, type_promotion_kind=None)
    def lowered(a, b):
        kernel = ir.ExternKernel
        rows = kernel.require_contiguous(kernel.realize_input(a))
        columns = kernel.realize_input(permute(b, [1, 0]))
        size = [a.get_size()[0], b.get_size()[1]]
        layout = ir.FixedLayout(device=a.get_device(), dtype=a.get_dtype(), size=size)
        linear = LinearUnary(layout, [rows, columns], [None, "none", [-1], ""])
        return ir.TensorBox.create(_create_output_node(linear))

    return operation

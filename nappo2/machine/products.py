"""Matrix products of compiled programs, in tiles of our own where torch's library leaves AVX-512 out.

torch multiplies matrices by MKL, which takes AVX-512 on processors of Intel alone. On others, tiles that use
it take a third to a half of the time, whether matrices are small (128 x 64 x 64: 4 of 11 us) or large
(256 x 256 x 256: 129 of 301 us), and also as much as batches of them, of which oneDNN has none.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PROCESSORS = Path("/proc/cpuinfo")
LEAST_ROWS, LEAST_COLUMNS = 4, 2  # of fewer, most of a tile would be empty


@cache
def mkl_leaves_avx512_out() -> bool:
    """Tests whether this processor has AVX-512, and MKL does not use it."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.backends.mkl.is_available():
        return False
    return PROCESSORS.exists() and "GenuineIntel" not in PROCESSORS.read_text()


def in_tiles(graph: Any) -> None:
    """Takes the products in a graph in tiles, of one matrix or a batch of them, with a bias or without.

    These are ``mm``, ``addmm``, ``bmm`` and ``baddbmm`` of float32 on the CPU.
    """
    from nappo2.machine.tiles import product

    aten = torch.ops.aten
    for target in (aten.mm, aten.addmm, aten.bmm, aten.baddbmm):
        for node in graph.find_nodes(op="call_function", target=target.default):
            *bias, left, right = node.args
            if node.kwargs or not is_tiled(left.meta["val"], right.meta["val"]):
                continue
            with graph.inserting_before(node):
                result = graph.call_function(product, (left, right))
                if bias:
                    result.meta["val"] = node.meta["val"]
                    result = graph.call_function(aten.add.Tensor, (result, *bias))
            result.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(result)
            graph.erase_node(node)


def is_tiled(left: Tensor, right: Tensor) -> bool:
    """Tests whether a product [..., M, K] x [..., K, N] is one that tiles take less time for."""
    *_, rows, terms, columns = sizes = (*left.shape, right.shape[-1])
    known = all(isinstance(x, int) for x in (*sizes, *left.stride(), *right.stride()))
    if left.dtype != torch.float32 or not left.is_cpu or not known:
        return False
    return rows >= LEAST_ROWS and columns >= LEAST_COLUMNS and terms > 0

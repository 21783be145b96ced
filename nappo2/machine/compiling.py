"""Compiles functions with ``torch.compile``, and falls back to eager ones where that fails.

Compiling takes up to half a minute, once per network, loss and shape; inductor stores its code on
disk, in ``TORCHINDUCTOR_CACHE_DIR``, for the next start and for other processes.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from re import split
from typing import Any

import torch
from torch import Tensor

from nappo2.machine.products import in_tiles, mkl_leaves_avx512_out
from nappo2.machine.stop import check_interrupt, interruptible_at_once
from nappo2.trees import walk

SCANS = ("scan", "while_loop")
OPTIONS = {
    "cpp_wrapper": True,  # calls kernels from C++: a scan's step takes 0.6 of what it takes from Python
    "cpp_wrapper_build_separate": True,  # -O3 for kernels alone: a third of the compiler's time
    "compile_threads": 1,  # no pool of compilers, which would stay after compiling
    "cpp.vec_isa_ok": True,  # or else each process starts others to test the instructions of the CPU
    # graphs with one are cached on disk too: the key has the body
    "unsafe_marked_cacheable_functions": {f"torch.ops.higher_order.{x}": "1" for x in SCANS},
}


@cache
def passes() -> Callable:
    """The pass over a graph of what takes less time on a CPU: ``tanh_by_sigmoid``, and ``in_tiles``."""
    from torch._inductor.custom_graph_pass import CustomGraphPass

    class Passes(CustomGraphPass):
        def __call__(self, graph):
            tanh_by_sigmoid(graph)
            if mkl_leaves_avx512_out():
                in_tiles(graph)

        def uuid(self):
            if not mkl_leaves_avx512_out():
                return "nappo2: tanh by sigmoid"
            from nappo2.machine.tiles import VERSION

            return (
                f"nappo2: tanh by sigmoid, products {VERSION} by {torch.get_num_threads()} threads"
            )

    return Passes()


def tanh_by_sigmoid(graph: Any) -> None:
    """Makes of each tanh of float32 in a graph ``2 sigmoid(2x) - 1``, within 2e-7.

    That takes less than half as long on a CPU. Gradients are then those of tanh, of its result alone: those
    of the formula would keep the sigmoid beside it.
    """
    aten = torch.ops.aten
    formula = (
        (aten.mul.Tensor, 2),
        (aten.sigmoid.default,),
        (aten.mul.Tensor, 2),
        (aten.sub.Tensor, 1),
    )
    for node in graph.find_nodes(op="call_function", target=aten.tanh.default):
        if node.meta["val"].dtype != torch.float32 or not node.meta["val"].is_cpu:
            continue
        (x,) = node.args
        with graph.inserting_before(node):
            for function, *constants in formula:
                x = graph.call_function(function, (x, *constants))
                x.meta = dict(node.meta)
        node.replace_all_uses_with(x)
        graph.erase_node(node)


def compiled(fn: Callable) -> Callable:
    """A function that compiles ``fn`` as a whole at its first call, apart from all other compiled code.

    Later calls look at their arguments alone. What else ``fn`` reads, such as the functions of a network,
    does not change: to look at all of it takes longer than a step of many a scan.
    """
    names = frozenset(signature(fn).parameters)

    def of_arguments(guards: Sequence) -> list[bool]:
        return [guard.name == "" or split(r"[.\[]", guard.name)[0] in names for guard in guards]

    hooks = {"post_grad_custom_pre_pass": passes(), "guard_filter_fn": of_arguments}
    return torch.compile(
        fn, fullgraph=True, dynamic=False, isolate_recompiles=True, options=OPTIONS | hooks
    )


def mark_dynamic_length(xs: Any) -> Any:
    """Marks the first dimension of tensors [K, ...], so that another K > 1 is not compiled anew."""
    for _, x in walk({"": xs} if isinstance(xs, Tensor) else xs):
        if len(x) > 1:
            torch._dynamo.mark_dynamic(x, 0)
    return xs


def with_fallback(compiled: Callable, eager: Callable, what: str) -> Callable:
    """A function that calls ``compiled`` until that fails, and from then on ``eager``.

    An error of the arguments, not of compiling, is raised by ``eager`` again.

    Args:
        compiled: a compiled function.
        eager: the same function, not compiled.
        what: its name in the warning.

    Returns:
        A function of the same positional arguments.
    """
    failed = []  # a fact of this machine, not of the run, so it is in no state

    def run(*args):
        if not failed:
            try:
                with interruptible_at_once():
                    return compiled(*args)
            except Exception as error:
                check_interrupt()  # as the compiler may have been interrupted
                failed.append(error)
                reason = str(error).strip().split("\n")[0]
                warnings.warn(
                    f"{what} cannot be compiled here, so it goes on without: "
                    f"{type(error).__name__}: {reason}",
                    stacklevel=2,
                )
        return eager(*args)

    return run

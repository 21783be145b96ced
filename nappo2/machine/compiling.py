"""Compiling: what is the same for all that is compiled.

It takes up to half a minute, once per network, loss and shape; inductor keeps what it made on
disk, in ``TORCHINDUCTOR_CACHE_DIR``, for the next start and for other processes.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nappo2.machine.stop import check_interrupt, interruptible_at_once
from nappo2.trees import walk

SCANS = ("scan", "while_loop")
OPTIONS = {
    "cpp_wrapper": True,  # calls kernels from C++: a scan's step takes 0.6 of what it takes from Python
    "compile_threads": 1,  # no pool of compilers, which would outlive its use
    "cpp.vec_isa_ok": True,  # or else each process starts others to see that the CPU has what it says
    # a graph that holds one is kept on disk too: its body is a part of the key
    "unsafe_marked_cacheable_functions": {f"torch.ops.higher_order.{x}": "1" for x in SCANS},
}


def compiled(fn: Callable) -> Callable:
    """``fn``, compiled as a whole when it is called first, whatever else was compiled before."""
    return torch.compile(
        fn, fullgraph=True, dynamic=False, isolate_recompiles=True, options=OPTIONS
    )


def mark_dynamic_length(xs: Any) -> Any:
    """Tensors [K, ...], for which another K is the same program, if K is not 1."""
    for _, x in walk({"": xs} if isinstance(xs, Tensor) else xs):
        if len(x) > 1:
            torch._dynamo.mark_dynamic(x, 0)
    return xs


def with_fallback(compiled: Callable, eager: Callable, what: str) -> Callable:
    """``compiled``, until it fails for the first time; from then on, after a warning, ``eager``.

    What went wrong with the arguments, and not with compiling, goes wrong in ``eager`` too.
    """
    failed = []  # of this machine, not of the run: nothing that a state should know

    def run(*args):
        if not failed:
            try:
                with interruptible_at_once():
                    return compiled(*args)
            except Exception as error:
                check_interrupt()  # which a compiler may have heard, too
                failed.append(error)
                reason = str(error).strip().split("\n")[0]
                warnings.warn(
                    f"{what} cannot be compiled here, so it goes on without: "
                    f"{type(error).__name__}: {reason}",
                    stacklevel=2,
                )
        return eager(*args)

    return run

"""Workers that meet within a step: how ``all_reduce`` gathers, and how one process takes turns.

Each worker of a cut runs in its own thread or process, and finds its group in a context variable.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """The workers of a cut, as one of them meets them.

    Attributes:
        gather: ``tensor -> tensors``: those that all workers pass, in the order of the workers.
        size: number of workers.
    """

    gather: Callable[[Tensor], list[Tensor]]
    size: int


_alone = Group(lambda x: [x], 1)
_group: ContextVar[Group] = ContextVar("group", default=_alone)


def group() -> Group:
    """The group of this worker: all that ``all_reduce`` knows of the enclosing cut."""
    return _group.get()


def gather_bytes(data: bytes) -> list[bytes]:
    """The bytes of all workers of this group, in their order, of any lengths."""
    gather = group().gather
    lengths = [int(x) for x in gather(torch.tensor([len(data)]))]
    padded = bytearray(data.ljust(max(lengths), b"\0"))  # as all tensors of a gather have one shape
    tensors = gather(torch.frombuffer(padded, dtype=torch.uint8))
    return [x[:n].cpu().numpy().tobytes() for x, n in zip(tensors, lengths, strict=True)]


def enter(group: Group) -> None:
    """Puts this thread into ``group``."""
    _group.set(group)


def in_turns(fns: Sequence[Callable[[], Any]]) -> list:
    """Results of ``fns``, each run up to where it gathers, then the next one.

    Raises:
        RuntimeError: if some of them gather more often than others.
        BaseException: the first error of one of them.
    """
    resume = [_coroutine(fn, len(fns)) for fn in fns]
    answers: list = [None] * len(fns)
    while True:
        events = [go(answer) for go, answer in zip(resume, answers, strict=True)]
        kinds, values = zip(*events, strict=True)
        errors = [value for kind, value in events if kind == "raised"]
        if errors:
            for go, kind in zip(resume, kinds, strict=True):
                if kind == "gathers":
                    go(errors[0])  # so that no thread waits for an answer forever
            raise errors[0]
        if set(kinds) == {"returned"}:
            return list(values)
        if set(kinds) != {"gathers"}:
            raise RuntimeError("some workers of a cut reduce more often than others")
        answers = [list(values)] * len(fns)


def _coroutine(fn: Callable, size: int) -> Callable:
    """A function that runs ``fn`` up to its next gather, or to its end; the thread is only its stack."""
    answers, events = SimpleQueue(), SimpleQueue()

    def gather(x):
        events.put(("gathers", x))
        answer = answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def body():
        answers.get()
        torch.set_num_threads(torch.get_num_threads())  # or its first backward costs 3 ms
        enter(Group(gather, size))
        try:
            events.put(("returned", fn()))
        except BaseException as error:
            events.put(("raised", error))

    def go(answer):
        answers.put(answer)
        return events.get()

    Thread(target=copy_context().run, args=[body], daemon=True).start()
    return go

"""Workers that meet within a step: how ``all_reduce`` gathers, and how one process takes turns."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """The workers of a cut, as one of them sees them.

    Attributes:
        gather: of what each of them passes, all, in the order of the workers.
        size: how many there are.
    """

    gather: Callable[[Tensor], list[Tensor]]
    size: int


_alone = Group(lambda x: [x], 1)
_group: ContextVar[Group] = ContextVar("group", default=_alone)


def group() -> Group:
    """The workers of the enclosing cut: the one thing that ``all_reduce`` knows of it."""
    return _group.get()


def enter(group: Group) -> None:
    """Makes this thread one of ``group``."""
    _group.set(group)


def in_turns(fns: Sequence[Callable[[], Any]]) -> list:
    """Results of ``fns``, each run up to where it gathers, then the next one."""
    resume = [_coroutine(fn, len(fns)) for fn in fns]
    answers: list = [None] * len(fns)
    while True:
        said = [go(answer) for go, answer in zip(resume, answers, strict=True)]
        kinds = {kind for kind, _ in said}
        errors = [value for kind, value in said if kind == "raised"]
        if errors:
            for go, (kind, _) in zip(resume, said, strict=True):
                if kind == "asks":
                    go(errors[0])  # so that no thread waits for an answer forever
            raise errors[0]
        if kinds == {"returned"}:
            return [value for _, value in said]
        if kinds != {"asks"}:
            raise RuntimeError("some workers of a cut reduce more often than others")
        answers = [[value for _, value in said]] * len(fns)


def _coroutine(fn: Callable, size: int) -> Callable:
    """A function that runs ``fn`` up to its next question or its end; the thread is only its stack."""
    to, back = SimpleQueue(), SimpleQueue()

    def ask(x):
        back.put(("asks", x))
        answer = to.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def body():
        to.get()
        torch.set_num_threads(torch.get_num_threads())  # or its first backward costs 3 ms
        enter(Group(ask, size))
        try:
            back.put(("returned", fn()))
        except BaseException as error:
            back.put(("raised", error))

    def go(answer):
        to.put(answer)
        return back.get()

    Thread(target=copy_context().run, args=[body], daemon=True).start()
    return go

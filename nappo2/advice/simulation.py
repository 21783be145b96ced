"""Processes that share the cores of a machine, simulated: what takes how long if all want a core at once.

A process is a generator that yields what it does next: ``Work``, ``Idle`` or ``Until``. Those that work
share the cores evenly.
"""

from collections.abc import Callable, Generator, Iterable
from math import inf
from typing import Any, NamedTuple


class Work(NamedTuple):
    """So many seconds of a core that nothing else slows down."""

    seconds: float


class Idle(NamedTuple):
    """So many seconds in which no core is needed, such as a simulator that waits for a device."""

    seconds: float


class Until(NamedTuple):
    """Waits until something holds, which another process brings about."""

    holds: Callable[[], bool]


Steps = Generator[Work | Idle | Until, None, Any]
"""What a process does; a function of the same kind is called by ``yield from``."""


class Process:
    """A process and what it is at.

    Attributes:
        steps: what it does.
        now: what it is at; None once it is over.
        left: seconds of it.
        worked: seconds in which it had something to compute.
    """

    def __init__(self, steps: Steps):
        self.steps, self.worked = steps, 0.0
        self.advance()

    def advance(self) -> None:
        """Goes on to the next thing that takes time."""
        self.now = next(self.steps, None)
        self.left = getattr(self.now, "seconds", inf)

    @property
    def works(self) -> bool:
        """Whether it wants a core."""
        return isinstance(self.now, Work)


class Cores(NamedTuple):
    """The cores of a machine.

    Attributes:
        num: how many there are.
        slowdown: how much longer work takes where all of them work than where one does, as cores share
            caches and units.
    """

    num: int
    slowdown: float = 1.0

    def rate(self, num_working: int) -> float:
        """Seconds of work that each of so many processes does per second."""
        busy = min(num_working, self.num)
        share = (busy - 1) / (self.num - 1) if self.num > 1 else 0.0
        return busy / num_working / (1 + share * (self.slowdown - 1))


def simulate(cores: Cores, processes: Iterable[Process], over: Callable[[], bool]) -> float:
    """Runs processes until ``over()``, which is asked whenever one has finished something.

    Args:
        cores: that they share.
        processes: which go on from where they are.
        over: whether it is enough.

    Returns:
        Seconds that pass.

    Raises:
        RuntimeError: if all of them wait for each other.
    """
    processes, seconds = list(processes), 0.0
    while not over():
        if sum(_released(process) for process in processes):
            continue  # as one may have freed another
        rate = cores.rate(max(1, sum(process.works for process in processes)))
        times = [each.left / rate if each.works else each.left for each in processes]
        step = min(times)
        if step == inf:
            raise RuntimeError("all processes of the simulation wait for each other")
        for process, time in zip(processes, times, strict=True):
            _pass(process, step, rate, is_done=time <= step)
        seconds += step
    return seconds


def _released(process: Process) -> bool:
    """Lets a process go on if what it waits for holds; returns whether it does."""
    if isinstance(process.now, Until) and process.now.holds():
        process.advance()
        return True
    return False


def _pass(process: Process, seconds: float, rate: float, is_done: bool) -> None:
    if process.works:
        process.worked += seconds
    if is_done:
        process.advance()
    elif process.left < inf:
        process.left -= seconds * rate if process.works else seconds

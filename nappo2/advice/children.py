"""CPU time of the processes that this one has started, and of those that these started."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Child(NamedTuple):
    """A process: its number, its parent's, and the seconds of a core that it has taken."""

    pid: int
    parent: int
    seconds: float


def core_seconds_of_children() -> float:
    """Seconds of a core that all descendants of this process have taken; 0 where /proc does not say."""
    processes = list(_processes())
    parents, seconds = {os.getpid()}, 0.0
    while True:
        children = {x for x in processes if x.parent in parents and x.pid not in parents}
        if not children:
            return seconds
        parents |= {x.pid for x in children}
        seconds += sum(x.seconds for x in children)


def _processes() -> Iterator[Child]:
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it has ended
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            yield Child(int(path.name), int(fields[1]), ticks / os.sysconf("SC_CLK_TCK"))

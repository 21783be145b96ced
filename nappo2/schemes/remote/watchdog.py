"""A process that outlives its parent only to end what the parent started.

Ray's daemons end with the driver, as the kernel sees to. Processes that they started notice it by
themselves: a worker that is still importing looks for its node for a minute before it gives up, and
Ray's agents report the loss to a server that is gone, for as long. So the children of a Ray of
our own carry a mark in their environment, and when the driver is gone, whoever carries it is
ended. An agent may have written its title over the mark, so that who was started by a carrier is
remembered while its parent lives. If the driver has not ended in order, as Ray's C++ code ends it
when a daemon of Ray is gone, that is said on its standard error. Run as a script, with the standard
library alone, so that it takes little.
"""

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

NAME = "NAPPO2_RAY"
CHECK_SECONDS = 60.0
DAEMONS = ("raylet", "gcs_server")
IN_ORDER = b"in order"  # what a driver leaves in its pipe when it ends

LAST_WORDS = """
nappo2: {reason}. The checkpoints of the run are good: \
`nappo2 train --resume LOG_DIR`, or learner.resume(LOG_DIR), goes on from the last one.
"""


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Ends processes that are started within when this one ends, however it ends; on Linux."""
    if not hasattr(os, "pidfd_open"):
        yield
        return
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    reader, writer = os.pipe()
    subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), mark],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C at the terminal is for the driver
    )
    os.close(reader)
    before = os.environ.get(NAME)
    os.environ[NAME] = mark
    try:
        yield
    finally:  # what else the driver starts is no concern of ours
        os.environ.pop(NAME) if before is None else os.environ.update({NAME: before})
        atexit.register(os.write, writer, IN_ORDER)


def main(parent: int, mark: str) -> None:
    """Waits until the parent is gone, then ends all who carry the mark, until there are none."""
    entry, known, wait = f"{NAME}={mark}".encode(), set(), 1.0
    with contextlib.suppress(ProcessLookupError):  # it was faster
        watch = os.pidfd_open(parent)
        if os.getppid() == parent:
            while not select.select([watch], [], [], wait)[0]:
                pids = carriers(entry)
                if not pids and wait == CHECK_SECONDS:
                    return  # Ray was shut down, and nothing is left to watch over
                known |= children(pids)
                wait = min(2 * wait, CHECK_SECONDS)  # agents are started at first
    if not ended_in_order():
        say_last_words(names(carriers(entry)))
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # whoever reads it need not wait
    while pids := [*carriers(entry), *(pid for pid, start in known & alive())]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def ended_in_order() -> bool:
    """Tests whether the driver came to the end of its program, by an error or without."""
    os.set_blocking(sys.stdin.fileno(), False)
    with contextlib.suppress(BlockingIOError):
        return os.read(sys.stdin.fileno(), len(IN_ORDER)) == IN_ORDER
    return False


def say_last_words(running: set[str]) -> None:
    """Writes to the driver's standard error why it may have ended, by which daemons are running."""
    gone = [name for name in DAEMONS if name not in running]
    reason = "the process was ended from outside"
    if gone:
        reason = f"the process was ended, as Ray ends it when its {' and '.join(gone)} is gone"
    with contextlib.suppress(OSError):  # there may be nobody who reads it
        os.write(sys.stderr.fileno(), LAST_WORDS.format(reason=reason).encode())


def names(pids: list[int]) -> set[str]:
    """The names of the programs that these processes run."""
    programs = set()
    for pid in pids:
        with contextlib.suppress(OSError):  # gone
            programs.add(Path(f"/proc/{pid}/comm").read_text().strip())
    return programs


def carriers(entry: bytes) -> list[int]:
    """The processes that have this entry in the environment they were started with."""
    pids = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone, or somebody else's
            if entry in (path / "environ").read_bytes().split(b"\0"):
                pids.append(int(path.name))
    return pids


def children(parents: list[int]) -> set[tuple[int, int]]:
    """Processes that one of these started: number and start time."""
    return {(pid, start) for pid, start, parent in processes() if parent in parents}


def alive() -> set[tuple[int, int]]:
    """All processes: number and start time, as numbers are used again."""
    return {(pid, start) for pid, start, _ in processes()}


def processes() -> Iterator[tuple[int, int, int]]:
    """Number, start time in ticks and parent's number of each process."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone
            state, parent, *rest = (path / "stat").read_text().rpartition(")")[2].split()
            if state != "Z":
                yield int(path.name), int(rest[17]), int(parent)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

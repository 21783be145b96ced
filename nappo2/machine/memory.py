"""Memory: how much can be allocated, and how much glibc keeps when it is freed."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
MAX_PART, MAX_FREED = 64 * 2**20, 512 * 2**20  # bytes


def keep_freed_memory() -> bool:
    """Tunes glibc malloc to keep up to 512 MB of freed memory; returns whether that worked.

    By default it returns parts larger than 32 MB, or all beyond twice that, to the system, which
    clears them before it gives them back: that took a fifth of learning from 1,024 environments.
    Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(
        mallopt and mallopt(MMAP_THRESHOLD, MAX_PART) and mallopt(TRIM_THRESHOLD, MAX_FREED)
    )


def available_memory(root: Path = ROOT) -> float:
    """The number of bytes that can be allocated.

    This is the estimate of the kernel, or what is left within the limits of the control groups of
    this process (version 1 or 2), which containers and batch systems set.
    """
    return min(_of_the_machine(root), *_of_groups(root))


def _of_the_machine(root: Path) -> float:
    try:
        return 1024 * _numbers((root / "proc/meminfo").read_text())["MemAvailable:"]
    except (OSError, KeyError):  # not on Linux
        return float("inf")


def _of_groups(root: Path) -> Iterator[float]:
    """The bytes that each control group of the process leaves, and each group around these."""
    yield float("inf")
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mount = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        if controllers and "memory" not in controllers.split(","):
            continue
        inner = mount / path.lstrip("/")  # in a container it may be out of sight
        names = V1 if controllers else V2
        yield from (
            _left(group, *names) for group in {inner, *inner.parents} if group.is_relative_to(mount)
        )


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def _left(group: Path, limit: str, usage: str, cache: str) -> float:
    """The limit of a group, less the memory in use that is no cache."""
    try:
        most, used = (
            float((group / name).read_text().replace("max", "inf")) for name in (limit, usage)
        )
        return most - used + _numbers((group / "memory.stat").read_text()).get(cache, 0.0)
    except OSError:
        return float("inf")


def _numbers(text: str) -> dict[str, float]:
    """The first number of each line, by its first word."""
    return {
        words[0]: float(words[1]) for line in text.splitlines() if len(words := line.split()) > 1
    }

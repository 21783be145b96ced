"""Limits of memory, for what is allocated at once."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def available_memory(root: Path = ROOT) -> float:
    """Bytes that could be allocated.

    As the kernel estimates them, or what is left within the limits of this process's control
    groups, of version 1 or 2, as containers and batch systems set them.
    """
    return min(_of_the_machine(root), *_of_groups(root))


def _of_the_machine(root: Path) -> float:
    try:
        return 1024 * _numbers((root / "proc/meminfo").read_text())["MemAvailable:"]
    except (OSError, KeyError):  # not on Linux
        return float("inf")


def _of_groups(root: Path) -> Iterator[float]:
    """What each control group leaves, with those that it is in."""
    yield float("inf")
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mounted = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        if controllers and "memory" not in controllers.split(","):
            continue
        inner = mounted / path.lstrip("/")  # in a container it may be out of sight
        names = V1 if controllers else V2
        yield from (
            _left(group, *names)
            for group in {inner, *inner.parents}
            if group.is_relative_to(mounted)
        )


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def _left(group: Path, limit: str, usage: str, cache: str) -> float:
    """Its limit, less what is used and could not be dropped."""
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

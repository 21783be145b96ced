"""Processes of this machine: those of a run, what they listen to, and waiting for them."""

import ipaddress
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

MARK = "NAPPO2_TEST_MARK"
"""The variable of the environment by which the processes of a run are known."""


PATIENCE = 200.0
"""Seconds in which what is waited for comes on a machine that does much else; a test may take 300."""


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Waits for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def environ_with(mark: object) -> dict[str, str]:
    """The environment of a process that is to be known, with all that it starts, by a mark."""
    return os.environ | {MARK: str(mark)}


def marked(mark: object) -> list[psutil.Process]:
    """The processes that carry the mark."""
    return [process for process in psutil.process_iter() if _mark(process) == str(mark)]


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except psutil.Error:  # somebody else's, or gone
        return None


def birth(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None if it ended.

    Linux gives the number of one that ended to others, also to a thread, which began later.
    """
    try:
        _, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return None
    state, began = fields.split()[0], fields.split()[19]
    return None if state in "ZX" else began


def check_all_gone(mark: object, seconds: float = PATIENCE) -> None:
    """Waits until nobody carries the mark; whoever still does is killed, and an error."""
    try:
        until(lambda: not marked(mark), seconds)
    finally:
        for process in marked(mark):
            process.kill()


def listening() -> dict[int, set[str]]:
    """The addresses at which processes of this machine listen, by the inode of the socket."""
    hosts = {}
    lines = [line for name in ("tcp", "tcp6") for line in _rows_of(f"/proc/net/{name}")]
    for _, local, _, state, *_, inode in lines:
        if state == "0A":
            hosts.setdefault(int(inode), set()).add(_address(local.split(":")[0]))
    return hosts


def _rows_of(path: str) -> list[list[str]]:
    with open(path) as file:
        return [line.split()[:10] for line in list(file)[1:]]


def _address(words: str) -> str:
    """An address as Linux writes it: words of four bytes, each in reverse."""
    packed = b"".join(bytes.fromhex(words[i : i + 8])[::-1] for i in range(0, len(words), 8))
    address = ipaddress.ip_address(packed)
    return str(getattr(address, "ipv4_mapped", None) or address)


def sockets_of(pids: Iterable[int]) -> set[int]:
    """The inodes of the sockets that some processes have open."""
    return {inode for pid in pids for inode in _sockets_of(pid)}


def _sockets_of(pid: int) -> list[int]:
    inodes = []
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            name = os.readlink(link)
            if name.startswith("socket:["):
                inodes.append(int(name[8:-1]))
    except OSError:  # gone, or somebody else's
        pass
    return inodes

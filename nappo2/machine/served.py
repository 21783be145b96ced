"""A process that makes an object and answers calls of its methods; ``machine.servers`` starts it.

Run as a script that imports the standard library alone, so that it begins within a tenth of a second.
Arrays of answers may lie in memory that both processes share. It ends with its parent, even while
a call hangs.
"""

import importlib
import importlib.util
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any

CHUNK = 1 << 16  # bytes that are read at once
ALIGNMENT = 64  # bytes, of arrays in the shared memory
HEAD = struct.Struct("<QB")  # of an answer: number of the call, number of arrays


class Channel:
    """Messages over a socket: their length in eight bytes, then the bytes themselves."""

    def __init__(self, stream: socket.socket):
        self.stream, self.rest = stream, b""

    def send(self, data: bytes) -> None:
        """Sends a message; TimeoutError if nobody takes it within the timeout of the socket."""
        self.stream.sendall(len(data).to_bytes(8, "little") + data)

    def receive(self) -> bytes:
        """The next message.

        Raises:
            EOFError: if the other process is gone.
            TimeoutError: after the timeout of the socket.
        """
        while len(self.rest) < 8:
            self.rest += self._more()
        size = 8 + int.from_bytes(self.rest[:8], "little")
        if size > len(self.rest):
            self._fill(size)
        message, self.rest = self.rest[8:size], self.rest[size:]
        return message

    def look(self, seconds: float) -> None:
        """Looks for a message for so long, before ``receive`` would sleep until there is one.

        To wake a process takes the kernel up to half a millisecond on a virtual machine, as much as a
        step of a simulator. Meanwhile whoever else can use the core has it.
        """
        end = perf_counter() + seconds
        while not self.rest and perf_counter() < end:
            try:
                self.stream.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                return
            except BlockingIOError:
                os.sched_yield()

    def _fill(self, size: int) -> None:
        parts, length = [self.rest], len(self.rest)
        while length < size:
            parts.append(self._more())
            length += len(parts[-1])
        self.rest = b"".join(parts)

    def _more(self) -> bytes:
        data = self.stream.recv(CHUNK)
        if not data:
            raise EOFError
        return data


def packed_answer(number: int, answer: Any, memory: mmap.mmap, shared: bool) -> bytes:
    """An answer as bytes; where ``shared``, with its arrays in ``memory`` as far as they fit there.

    Args:
        number: of the call.
        answer: any value that can be pickled.
        memory: that both processes see.
        shared: whether the arrays need not outlive the next call.

    Returns:
        The message.
    """
    places, end = [], 0

    def keep(buffer: pickle.PickleBuffer) -> bool:
        """Copies an array into the memory; True says that it stays in the message."""
        nonlocal end
        try:
            data = buffer.raw()
        except BufferError:  # not in one piece
            return True
        if end + data.nbytes > len(memory) or len(places) == 510:
            return True
        memory[end : end + data.nbytes] = data
        places.extend((end, data.nbytes))
        end += -(-data.nbytes // ALIGNMENT) * ALIGNMENT
        return False

    data = pickle.dumps(answer, 5, buffer_callback=keep if shared else None)
    return b"".join(
        (HEAD.pack(number, len(places) // 2), struct.pack(f"<{len(places)}Q", *places), data)
    )


def unpacked_answer(message: bytes, memory: memoryview) -> Any:
    """The answer in a message of ``packed_answer``; its shared arrays are views of ``memory``."""
    _, num = HEAD.unpack_from(message)
    if not num:
        return pickle.loads(message[HEAD.size :])
    places = struct.unpack_from(f"<{2 * num}Q", message, HEAD.size)
    buffers = [
        memory[start : start + size] for start, size in zip(places[::2], places[1::2], strict=True)
    ]
    return pickle.loads(memoryview(message)[HEAD.size + 16 * num :], buffers=buffers)


def number_of(message: bytes) -> int:
    """The number of the call that a message answers."""
    return HEAD.unpack_from(message)[0]


class Failed:
    """The exception of a call, with its traceback as a text."""

    def __init__(self, error: BaseException):
        self.text = "".join(traceback.format_exception(error))
        try:
            self.data = pickle.dumps(error)
            pickle.loads(self.data)
        except Exception:  # one that keeps what cannot be pickled
            self.data = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))

    def __reduce__(self):
        return tuple, ((b"failed", self.data, self.text),)


def light(name: str) -> None:
    """Puts a package in place whose own code runs when an attribute of it is first asked for.

    Its modules can be imported without it.

    Raises:
        AttributeError: later, if it has no such attribute.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)

    def attribute(key: str) -> Any:
        if key.startswith("__") or not hasattr(module, "__getattr__"):
            raise AttributeError(f"module {name!r} has no attribute {key!r}")
        if importlib.util.find_spec(f"{name}.{key}"):
            return importlib.import_module(f"{name}.{key}")
        del module.__getattr__
        spec.loader.exec_module(module)
        return getattr(module, key)

    module.__getattr__ = attribute
    sys.modules[name] = module


def end_with(lifeline: int) -> None:
    """Has the kernel end this process when nobody holds the other end of a pipe any more."""
    import fcntl  # which not every system has

    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def serve(channel: Channel, memory: mmap.mmap) -> None:
    """Makes the object of the first message, then answers calls until the other process is gone."""
    first = pickle.loads(channel.receive())
    served, patience = _served(first), first["patience"] * hasattr(os, "sched_yield")
    while True:
        channel.look(patience)
        number, method, args, shared = pickle.loads(channel.receive())
        try:
            answer = getattr(served(), method)(*args)
            message = packed_answer(number, answer, memory, shared)
        except Exception as error:
            message = packed_answer(number, Failed(error), memory, False)
        except SystemExit as error:
            message = packed_answer(number, Failed(RuntimeError(repr(error))), memory, False)
        channel.send(message)


def _served(first: dict[str, Any]) -> Callable[[], Any]:
    """A function that returns the object, which its first call makes."""
    sys.path[:] = first["path"]
    os.chdir(first["folder"])
    for name in first["light"]:
        light(name)
    made: list[Any] = []

    def served() -> Any:
        if not made:
            made.append(pickle.loads(first["make"])())
        return made[0]

    return served


def main(stream: int, lifeline: int, shared: int, size: int) -> None:
    """Serves until the other process is gone.

    Args:
        stream: the descriptor of a socket.
        lifeline: of a pipe, whose other end the other process holds.
        shared: of the memory that both share.
        size: of that memory, in bytes.
    """
    end_with(lifeline)
    warnings.simplefilter("ignore")  # its parent has made such an object before, and warned
    with suppress(EOFError, ConnectionError):
        serve(Channel(socket.socket(fileno=stream)), mmap.mmap(shared, size))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

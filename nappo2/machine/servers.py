"""Processes that each hold an object and call its methods, as the code of this process asks them to.

They are started anew, not forked, know the import path of this process, and end with it. Functions and
classes of a notebook or a script travel by value.
"""

import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import cloudpickle

from nappo2.machine import served
from nappo2.machine.clock import waitable

CLOSE_SECONDS = 5.0
MIN_MEMORY = 1 << 12


class ServerLost(RuntimeError):
    """A process that ended, or gave no answer in time."""


class Server:
    """A process that holds an object.

    Attributes:
        pid: of the process.
    """

    def __init__(
        self,
        make: bytes,
        memory_bytes: int,
        light: Sequence[str],
        deadline: float,
        patience: float = 0.0,
    ):
        """Starts the process; the object is made by its first call.

        Args:
            make: ``() -> object``, pickled by ``sendable``.
            memory_bytes: of the memory in which arrays are shared.
            light: packages whose own code runs in the process only if it is needed.
            deadline: seconds after which a call that gave no answer is given up, or infinity.
            patience: seconds in which the process looks for the next call before it sleeps.
        """
        size = max(memory_bytes, MIN_MEMORY)
        shared, (read, write) = _memory(size), os.pipe()
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = theirs.fileno(), read, shared
            self._process = subprocess.Popen(
                [sys.executable, "-P", served.__file__, *map(str, (*descriptors, size))],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=_error_output(),  # the standard output is for the result of a run
                start_new_session=True,  # a Ctrl-C at the terminal is for its parent
            )
        os.close(read)
        self._memory = memoryview(mmap.mmap(shared, size))
        os.close(shared)
        deadline = waitable(deadline)
        ours.settimeout(deadline)
        self.pid, self._deadline = self._process.pid, deadline
        self._channel, self._number = served.Channel(ours), 0
        self._end = weakref.finalize(self, _end, self._process, ours, write)
        first = {"path": sys.path, "folder": os.getcwd(), "light": list(light), "make": make}
        self._send(pickle.dumps(first | {"patience": patience}))

    def send(self, method: str, *args: Any, shared: bool = False) -> None:
        """Sends a call, whose answer is that of the next ``receive``.

        Args:
            method: of the object.
            *args: of the call.
            shared: whether arrays of the answer may lie in memory that the next call writes to.

        Raises:
            ServerLost: if the process is gone or takes nothing.
        """
        self._number += 1
        self._send(_pickled((self._number, method, args, shared)))

    def receive(self, deadline: float | None = None) -> Any:
        """The answer of the last call.

        Args:
            deadline: another one for this call; None for the process's own.

        Returns:
            The answer.

        Raises:
            ServerLost: if the process ended, or gave none within the deadline.
            Exception: that of the method.
        """
        self._channel.stream.settimeout(self._deadline if deadline is None else waitable(deadline))
        message = self._receive()
        while served.number_of(message) != self._number:  # of a call that was interrupted
            message = self._receive()
        answer = served.unpacked_answer(message, self._memory)
        if type(answer) is tuple and len(answer) == 3 and answer[0] == b"failed":
            error = pickle.loads(answer[1])
            error.add_note(f"In process {self.pid}:\n{answer[2]}")
            raise error
        return answer

    def call(self, method: str, *args: Any) -> Any:
        """Calls a method and waits for the answer; raises as ``send`` and ``receive`` do."""
        self.send(method, *args)
        return self.receive()

    def begin_close(self) -> None:
        """Asks the process to call the object's own ``close`` and to end."""
        with suppress(Exception):
            self.send("close")
            self._channel.stream.shutdown(socket.SHUT_WR)  # after which it ends by itself

    def close(self) -> None:
        """Waits until the process that was asked to has ended, and ends it after 5 s."""
        if self._end.alive:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_SECONDS)
            self._end()

    def kill(self) -> None:
        """Ends the process at once."""
        self._end()

    def _send(self, data: bytes) -> None:
        self._channel.stream.settimeout(self._deadline)
        try:
            self._channel.send(data)
        except (OSError, EOFError) as error:
            raise self._lost(error) from error

    def _receive(self) -> bytes:
        try:
            return self._channel.receive()
        except (OSError, EOFError) as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> ServerLost:
        if isinstance(error, TimeoutError):
            return ServerLost(f"gave no answer for {self._channel.stream.gettimeout():g} s")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return ServerLost(f"ended {_ending(self._process.returncode)}")


def sendable(value: Any, name: str) -> bytes:
    """A value as bytes for another process.

    Raises:
        ValueError: if it holds what cannot be sent; says it of ``name``.
    """
    try:
        return cloudpickle.dumps(value)
    except Exception as error:
        raise ValueError(
            f"{name} cannot be sent to another process, as it holds what cannot be pickled: {error}"
        ) from error


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value, 5)
    except Exception:  # of a class of a notebook
        return cloudpickle.dumps(value)


def _memory(size: int) -> int:
    """A descriptor of memory that is gone with the last process that has it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("nappo2")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def _error_output() -> int:
    try:
        os.fstat(2)
    except OSError:  # closed
        return subprocess.DEVNULL
    return 2


def _end(process: subprocess.Popen, stream: socket.socket, lifeline: int) -> None:
    """Ends a process that may be hung, and waits for that."""
    stream.close()
    with suppress(OSError):
        os.close(lifeline)
    process.kill()
    process.wait()


def _ending(code: int | None) -> str:
    if code is None:
        return "its connection"
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

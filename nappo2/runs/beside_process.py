"""The process beside a run: it takes tasks from a socket, and answers with their results."""

import os
import pickle
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

from nappo2.checks.words import shown
from nappo2.params import Params, in_one_vector
from nappo2.runs.beside import Beside, Place
from nappo2.runs.evaluate import Evaluation
from nappo2.saving.packing import Packed
from nappo2.saving.unpacking import unpack

START_SECONDS = 120.0
START = "import sys; from nappo2.runs.beside_process import serve; serve(int(sys.argv[1]))"


class Task(NamedTuple):
    """Jobs that are due at once.

    Attributes:
        params: a copy, as plain data.
        place: where the run was.
        due: which of the jobs.
    """

    params: Packed
    place: Place
    due: frozenset[int]


class Result(NamedTuple):
    """What a job has made of the params of a task."""

    task: Task
    value: Evaluation | Path | None


class Failed(NamedTuple):
    """The error of a job, as text."""

    text: str


class JobError(RuntimeError):
    """Raised where a job has failed in the process."""


class ProcessDied(RuntimeError):
    """Raised if the process ended before it answered, or was ended as it took too long."""


class Process:
    """Does tasks in a process, which is started by the first one, and again after it died.

    Attributes:
        results: of tasks, in their order.
    """

    def __init__(self, beside: Beside):
        self.results: deque[Result] = deque()
        self._beside, self._closed = beside, False
        self._process: subprocess.Popen | None = None
        self._connection: Connection | None = None

    def work(self, task: Task) -> None:
        """Does a task, and adds the results of its jobs.

        Raises:
            ProcessDied: if the process died or was ended; the next task starts another one. One that
                died since the last task is told of after this one, which another process has done.
            JobError: if a job failed.
        """
        if self._closed:
            return
        died = self._process is not None and self._process.poll() is not None
        code = self.kill() if died else None
        try:
            values = self._ask(task)
        except (EOFError, OSError) as error:
            if self._closed:
                return
            raise ProcessDied(f"its process ended with exit code {self.kill()}") from error
        self.results += [Result(task, x) for x in values if not isinstance(x, Failed)]
        for value in values:
            if isinstance(value, Failed):
                raise JobError(value.text)
        if died:
            raise ProcessDied(
                f"its process ended with exit code {code}, and another one was started"
            )

    def _ask(self, task: Task) -> list[Any]:
        if self._process is None:
            self._start()
        send(self._connection, task)
        return self._answer(self._beside.seconds)

    def _answer(self, seconds: float) -> Any:
        if not self._connection.poll(seconds):
            self.kill()
            raise ProcessDied(f"it took more than {seconds:g} s, and was ended")
        return receive(self._connection)

    def _start(self) -> None:
        if self._connection is not None:
            self._connection.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # as some simulators print
                env=os.environ | {"PYTHONPATH": os.pathsep.join(x or os.curdir for x in sys.path)},
                start_new_session=True,  # so that Ctrl-C is for the run alone
            )
        self._connection = Connection(ours.detach())
        self._connection.send_bytes(self._beside.pickled)
        self._answer(START_SECONDS)

    def kill(self) -> int | None:
        """Ends the process; returns its exit code, None if none was started."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        return process.wait()

    def close(self) -> None:
        """Ends the process for good, also from another thread."""
        self._closed = True
        self.kill()


def serve(descriptor: int) -> None:
    """The process: does one task after the other until the run closes the socket, or ends."""
    import torch

    torch.set_num_threads(1)
    connection, tasks = Connection(descriptor), Queue()
    jobs = pickle.loads(connection.recv_bytes())
    threading.Thread(target=_queue_tasks, args=(connection, tasks), daemon=True).start()
    send(connection, "ready")
    while True:
        task = tasks.get()
        params = in_one_vector(unpack(task.params))
        results = [_result(jobs[i], params, task.place) for i in sorted(task.due)]
        with suppress(OSError):  # the run has ended meanwhile
            send(connection, results)


def send(connection: Connection, value: Any) -> None:
    """Sends a value; tensors whole, where ``Connection.send`` would share their memory."""
    connection.send_bytes(pickle.dumps(value))


def receive(connection: Connection) -> Any:
    """Waits for a value of ``send``."""
    return pickle.loads(connection.recv_bytes())


def _queue_tasks(connection: Connection, tasks: Queue) -> None:
    """Receives tasks; ends the process with the run, whatever it does then."""
    try:
        while True:
            tasks.put(receive(connection))
    except (EOFError, OSError):
        os._exit(0)


def _result(run: Callable[[Params, Place], Any], params: Params, place: Place) -> Any:
    try:
        value = run(params, place)
        if isinstance(value, (Evaluation, str, Path, type(None))):
            return value
        raise ValueError(
            f"a job gives an Evaluation, the path of a file, or None, not {shown(value)}"
        )
    except Exception as error:
        return Failed(f"{type(error).__name__}: {error}")

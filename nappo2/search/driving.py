"""Takes the jobs of a board one after the other, in this process or in several side by side."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from nappo2.machine.children import ending_with_parent
from nappo2.machine.stop import Interrupted
from nappo2.runs.interrupts import Signals
from nappo2.schemes.picklable import check_picklable
from nappo2.search.board import Board
from nappo2.search.jobs import Job, Rung, Training

SECONDS = 0.5  # between two looks at signals
CODE = "import sys; from nappo2.search.worker import main; main(int(sys.argv[1]))"


def drive(
    training: Training, job: Job, judge: Callable[[Rung], bool], interrupted: Callable[[], bool]
) -> str:
    """Takes a job to its end.

    Args:
        training: makes its rungs.
        job: to be taken.
        judge: says of each rung whether to go on.
        interrupted: whether to stop.

    Returns:
        Why the job failed; empty if it did not.

    Raises:
        Interrupted: if it was interrupted.
    """
    rungs, go_on = training(job, interrupted), None
    try:
        while True:
            go_on = judge(rungs.send(go_on))
    except StopIteration:
        return ""
    except Exception as error:  # of anybody's recipe
        return f"{type(error).__name__}: {error}"
    finally:
        rungs.close()


def one_by_one(
    training: Training, board: Board, signals: Signals, show: Callable[[], None]
) -> None:
    """Takes all jobs in this process.

    Args:
        training: of a job.
        board: whose jobs they are.
        signals: the first of which ends the job in order.
        show: called after each job.
    """

    def interrupted() -> bool:
        return signals.number != 0

    while not interrupted() and (job := board.next_job()) is not None:

        def judge(rung: Rung, job: Job = job) -> bool:
            return board.judge(job, rung)

        try:
            error = drive(training, job, judge, interrupted)
        except Interrupted:
            return
        if error:
            board.fail(job, error)
        show()


class Worker(NamedTuple):
    """A process that takes jobs.

    Attributes:
        process: of the worker.
        connection: to it.
    """

    process: subprocess.Popen
    connection: Connection

    def send(self, message: Any) -> None:
        """Sends a message, functions within by value."""
        from ray import cloudpickle

        with suppress(OSError):  # it is gone, as the next answer says
            self.connection.send_bytes(cloudpickle.dumps(message))


def started(training: Training) -> Worker:
    """Starts a worker in a session of its own, so that a terminal's Ctrl-C reaches it through us alone.

    Raises:
        ValueError: if the function that makes recipes cannot be sent to it; names the part to blame.
    """
    from ray import cloudpickle

    data = check_picklable(training, "make", cloudpickle.dumps, limit=sys.maxsize)
    ours, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # its reader wants one line, and that is ours
        start_new_session=True,
        preexec_fn=ending_with_parent(signal.SIGKILL),
    )
    theirs.close()
    ours.send_bytes(pickle.dumps(sys.path))
    ours.send_bytes(data)
    return Worker(process, ours)


def side_by_side(
    training: Training, board: Board, signals: Signals, show: Callable[[], None], processes: int
) -> None:
    """Takes jobs in processes; one that dies has failed at its job alone.

    Args:
        training: of a job.
        board: whose jobs they are; this process alone enters results.
        signals: the first of which is handed on, and ends all jobs in order.
        show: called after each job.
        processes: how many there are at once.
    """
    idle = [started(training) for _ in range(min(processes, board.budget.trials))]
    busy: dict[Connection, tuple[Worker, Job]] = {}
    workers, signalled = [*idle], False
    try:
        while True:
            while idle and not signals.number and (job := board.next_job()) is not None:
                worker = idle.pop()
                worker.send(job)
                busy[worker.connection] = worker, job
            if not busy:
                return
            if signals.number and not signalled:
                signalled = True
                for worker, _ in busy.values():
                    worker.process.send_signal(signal.SIGINT)
            for connection in wait(list(busy), SECONDS):
                worker, job = busy[connection]
                if (answer := answered(worker, job, board)) is None:
                    continue
                del busy[connection]
                if not signals.number:  # after that, a process may end before it is told why
                    if not answer.alive:
                        workers.append(worker := started(training))
                    idle.append(worker)
                    if answer.error:
                        board.fail(job, answer.error)
                show()
    finally:
        for worker in workers:
            worker.connection.close()
            worker.process.kill()
            worker.process.wait()


class Answer(NamedTuple):
    """How a job ended.

    Attributes:
        error: why it failed; empty if it did not.
        alive: whether its process takes another one.
    """

    error: str = ""
    alive: bool = True


def answered(worker: Worker, job: Job, board: Board) -> Answer | None:
    """Reads a message of a worker, and answers a rung.

    Args:
        worker: whose message is there.
        job: that it has.
        board: which judges.

    Returns:
        How its job ended; None while it goes on.
    """
    try:
        message = worker.connection.recv()
        if isinstance(message, Rung):
            worker.connection.send(board.judge(job, message))
            return None
    except (EOFError, OSError):
        return Answer(f"its process ended with {worker.process.wait()}", alive=False)
    return Answer(message or "")

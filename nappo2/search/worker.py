"""The process of a search that takes jobs from a connection, and sends what they reach."""

import pickle
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

from nappo2.machine.stop import Interrupted, Stop, stopped_by
from nappo2.runs.interrupts import Signals, interruptible
from nappo2.search.driving import drive
from nappo2.search.jobs import Job, Rung


def main(descriptor: int) -> None:
    """Takes jobs until nobody sends any.

    The first messages are the path on which modules are found, and the training of jobs. Then each is
    a job; its rungs are sent, each answered by whether to go on, and at its end a text: why it failed,
    or nothing.
    """
    connection = Connection(descriptor)
    sys.path[:] = pickle.loads(connection.recv_bytes())
    with interruptible() as signals:
        stop = Stop(lambda share: signals.over(), lambda: None, interrupted=signals.over)
        with stopped_by(stop):
            _serve(connection, signals)


def _serve(connection: Connection, signals: Signals) -> None:
    training = connection.recv_bytes()

    def judge(rung: Rung) -> bool:
        connection.send(rung)
        return connection.recv()

    while True:
        try:
            job = pickle.loads(connection.recv_bytes())
            connection.send(_taken(training, job, judge, signals))
        except (EOFError, OSError):
            return


def _taken(training: bytes, job: Job, judge: Callable[[Rung], bool], signals: Signals) -> str:
    """Why a job failed, or nothing: also where this process cannot import what makes its recipe."""
    try:
        loaded = pickle.loads(training)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    try:
        return drive(loaded, job, judge, lambda: signals.number != 0)
    except Interrupted:
        return ""

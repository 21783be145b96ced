"""The process of a search that takes jobs from a connection, and sends what they reach."""

import pickle
import sys
from multiprocessing.connection import Connection

from nappo2.machine.stop import Interrupted, Stop, stopped_by
from nappo2.runs.interrupts import Signals, interruptible
from nappo2.search.jobs import Rung


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
    from nappo2.search.driving import drive

    training = pickle.loads(connection.recv_bytes())

    def judge(rung: Rung) -> bool:
        connection.send(rung)
        return connection.recv()

    while True:
        try:
            job = pickle.loads(connection.recv_bytes())
            connection.send(drive(training, job, judge, lambda: signals.number != 0))
        except Interrupted:
            connection.send("")
        except (EOFError, OSError):
            return

"""When the stages of a run took their steps, in a file that ``trace(run)`` makes a picture of.

An entry is a text, which those behind it name by its number; spans; or what a row tells. Times are in
microseconds since 1970.
"""

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from time import time

from nappo2.checks import checked
from nappo2.reports import Span
from nappo2.runs.loggers.logger import LoggerMaker, Run
from nappo2.runs.metrics import Row
from nappo2.saving.entries import whole_of
from nappo2.saving.entry_file import EntryFile

NAME = "trace.bin"
MAGIC = b"nappo2 trace 2\n"
BETWEEN = "\n"  # the names of workers within each other


class Kind(IntEnum):
    """The kind of an entry, and what follows it in the tuple."""

    TEXT = 0  # number and text; where a run went on, numbers begin anew
    SPANS = 1  # for each span (worker, name, start, microseconds)
    EVENT = 2  # time and text
    LAGS = (
        3  # time, and of collection and gradients in thousandths of an update, plus 1; 0 for none
    )


@checked
def trace() -> LoggerMaker:
    """Writes when each stage took a step, in all processes, to trace.bin: see ``nappo2.trace``.

    A span takes some 13 bytes; a step of a pipeline has one for each stage, and two for a cut.

    Returns:
        The logger, for ``Learner(loggers=[...])``.
    """
    return LoggerMaker("trace", _made, needs_log_dir=True)


def _made(run: Run) -> "TraceFile":
    return TraceFile(run.log_dir / NAME)


class TraceFile:
    """A logger of spans and events.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path):
        self._file, self._numbers = EntryFile(path, MAGIC), {}

    def log(self, row: Row) -> None:
        """Writes the event and the lags of a row."""
        now = _micros(time())
        if row.get("event"):
            self._file.append((int(Kind.EVENT), now, whole_of(row["event"])))
        lags = [row.get(f"{name}_lag") for name in ("collection", "gradient")]
        if any(lag is not None for lag in lags):
            self._file.append((int(Kind.LAGS), now, *(_thousandths(lag) for lag in lags)))

    def spans(self, spans: Sequence[Span]) -> None:
        """Writes the spans of a row."""
        numbers = [
            (
                self._number(BETWEEN.join(span.worker)),
                self._number(span.name),
                _micros(span.start),
                _micros(span.seconds),
            )
            for span in spans
        ]
        if numbers:
            self._file.append((int(Kind.SPANS), *numbers))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _number(self, text: str) -> int:
        """The number of a text, which is written when it comes for the first time."""
        if text not in self._numbers:
            self._numbers[text] = len(self._numbers)
            self._file.append((int(Kind.TEXT), self._numbers[text], whole_of(text)))
        return self._numbers[text]


def _micros(seconds: float) -> int:
    return max(0, round(1e6 * seconds))


def _thousandths(lag: float | None) -> int:
    return 0 if lag is None or not 0 <= lag < float("inf") else 1 + round(1e3 * lag)

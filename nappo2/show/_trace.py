"""``trace``: the times of all processes of a run, for the viewers of Chrome's trace events."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.reports import Span
from nappo2.runs.loggers._trace import BETWEEN, MAGIC, NAME, Kind
from nappo2.saving.entries import Entry, bytes_of
from nappo2.saving.entry_file import read_entries
from nappo2.saving.log_dir import folder_of
from nappo2.saving.outputs import check_output, whole_file

LEARNER = "learner"  # the process of the Learner, as it is called in a trace


class Traced(NamedTuple):
    """What is in a trace.bin.

    Attributes:
        spans: of all stages and processes, in the order in which they were reported.
        events: times in seconds since 1970, and texts.
        lags: times, and lags of collection and gradients in updates by name.
    """

    spans: list[Span]
    events: list[tuple[float, str]]
    lags: list[tuple[float, dict[str, float]]]


class TraceReport(NamedTuple):
    """A trace that was written.

    Attributes:
        path: of the file.
        num_spans: how many steps of stages it has.
        workers: the processes in it.
    """

    path: Path
    num_spans: int
    workers: tuple[str, ...]

    def __repr__(self):
        names = ", ".join(self.workers)
        return f"{self.path}: {self.num_spans:,} spans of {names}; https://ui.perfetto.dev opens it"


@checked
def trace(run: str | Path | Any, path: str | Path | None = None) -> TraceReport:
    """Writes when all stages of a run took their steps, in all processes, as Chrome's trace events.

    https://ui.perfetto.dev and chrome://tracing open the file. The run had
    ``Learner(loggers=["trace"], log_dir=...)``, or ``nappo2 train --log trace``. Each worker is a
    process there; within a step stages stand in each other, as they wrap each other. Events of the
    run, workers that were lost and lags are there too.

    Args:
        run: its folder, or its Learner.
        path: of the file, compressed if it ends with ``.gz``; by default trace.json in the folder.

    Returns:
        The path, and what is in it.

    Raises:
        FileNotFoundError: if the run has no trace.bin.
        ValueError: if that is damaged, the Learner has no log_dir, or there can be no file at ``path``.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> options = {"target_steps": 64, "log_dir": tempfile.mkdtemp() + "/run", "loggers": ["trace"]}
        >>> Learner(scheme("3cs", recipe), recipe.init(0), progress=False, **options).run().close()
        >>> trace(options["log_dir"]).workers
        ('learner',)
    """
    folder = _folder(run)
    path = check_output(path) if path is not None else folder / "trace.json"
    traced = read_trace(folder)
    text = "[\n" + ",\n".join(map(json.dumps, trace_events(traced))) + "\n]\n"
    opened = gzip.open if path.suffix == ".gz" else open
    with whole_file(path) as unfinished, opened(unfinished, "wt") as file:
        file.write(text)
    return TraceReport(path, len(traced.spans), tuple(map(_title, workers_of(traced.spans))))


def _folder(run: Any) -> Path:
    """The folder of a run, of its path or its Learner."""
    if isinstance(run, (str, Path)):
        return folder_of(run)
    if getattr(run, "log_dir", None) is None:
        raise ValueError("trace takes the folder of a run, or a Learner with a log_dir")
    if hasattr(run, "files"):
        run.files.finish()
    return Path(run.log_dir)


def read_trace(folder: Path) -> Traced:
    """Reads trace.bin.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    if not (folder / NAME).exists():
        raise FileNotFoundError(
            f'there is no {NAME} in {folder}: a run is traced with Learner(loggers=["trace"]), or '
            "nappo2 train --log trace"
        )
    return traced_of([x.entry for x in read_entries(folder / NAME, MAGIC)])


def traced_of(entries: Sequence[Entry]) -> Traced:
    """The trace that entries of trace.bin make."""
    texts: dict[int, str] = {}
    traced = Traced([], [], [])
    for kind, *values in entries:
        if kind == Kind.TEXT:
            texts[values[0]] = bytes_of(values[1]).decode()
        elif kind == Kind.SPANS:
            traced.spans.extend(_span(texts, *numbers) for numbers in values)
        elif kind == Kind.EVENT:
            traced.events.append((values[0] / 1e6, bytes_of(values[1]).decode()))
        elif kind == Kind.LAGS:
            names = zip(("collection", "gradient"), values[1:], strict=True)
            traced.lags.append((values[0] / 1e6, {k: (x - 1) / 1e3 for k, x in names if x}))
    return traced


def _span(texts: Mapping[int, str], worker: int, name: int, start: int, micros: int) -> Span:
    path = texts[worker]
    return Span(texts[name], start / 1e6, micros / 1e6, tuple(path.split(BETWEEN)) if path else ())


def workers_of(spans: Sequence[Span]) -> list[tuple[str, ...]]:
    """The workers of spans, the Learner's process first, and each before those within it."""
    return sorted({span.worker for span in spans} | {()}, key=lambda x: [_by_number(y) for y in x])


def _by_number(name: str) -> tuple[str, int]:
    """A name such as ``collectors 10``, to be sorted behind ``collectors 9``."""
    word, _, number = name.rpartition(" ")
    return word, int(number) if number.isdecimal() else 0


def trace_events(traced: Traced) -> Iterator[dict[str, Any]]:
    """Chrome's trace events: the names of processes, spans, events of the run, and lags."""
    numbers = {worker: i for i, worker in enumerate(workers_of(traced.spans))}
    for worker, pid in numbers.items():
        yield _about(pid, "process_name", name=_title(worker))
        yield _about(pid, "process_sort_index", sort_index=pid)
    for name, start, seconds, worker in traced.spans:
        place = {"pid": numbers[worker], "tid": 0, "ts": _micros(start)}
        if seconds:
            yield {"ph": "X", "name": name, "cat": "stage", "dur": _micros(seconds), **place}
        else:
            yield {"ph": "i", "name": name, "cat": "event", "s": "p", **place}
    for when, text in traced.events:
        yield {
            "ph": "i",
            "name": text,
            "cat": "event",
            "s": "g",
            "pid": 0,
            "tid": 0,
            "ts": _micros(when),
        }
    for when, lags in traced.lags:
        yield {"ph": "C", "name": "lag (updates)", "pid": 0, "ts": _micros(when), "args": lags}


def _about(pid: int, name: str, /, **args: Any) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": pid, "tid": 0, "args": args}


def _title(worker: tuple[str, ...]) -> str:
    return " / ".join(worker) or LEARNER


def _micros(seconds: float) -> float:
    return round(1e6 * seconds, 1)

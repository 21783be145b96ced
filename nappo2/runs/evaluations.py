"""The evaluations of a run: those that are due, in its loop or beside it, and their results."""

import math
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from nappo2.machine.stop import Interrupted
from nappo2.params import Params
from nappo2.reports import evaluation_column
from nappo2.runs.background import Background, Seconds
from nappo2.runs.beside import Beside, Place
from nappo2.runs.beside_process import Process, Result, Task
from nappo2.runs.evaluate import Evaluation, as_evaluation
from nappo2.runs.files import RunFiles
from nappo2.runs.metrics import Row, counters_of, position
from nappo2.runs.recorder import Recorder
from nappo2.saving.checkpoint import save_params
from nappo2.saving.packing import pack
from nappo2.saving.unpacking import unpack

Evaluate = Callable[[Params], Evaluation] | Beside
"""How params are evaluated: by a function in the loop, or beside it."""


class Evaluated(NamedTuple):
    """The result of an evaluation.

    Attributes:
        columns: of a row of metrics.
        params: that were evaluated.
        env_steps: at which they were taken.
    """

    columns: Row
    params: Params
    env_steps: int


def is_due(every: int, before: int, now: int) -> bool:
    """Tests whether a multiple of ``every`` was reached since the row before.

    Args:
        every: env steps.
        before: env steps at the row before.
        now: env steps.

    Returns:
        Whether one is above ``before`` and at most ``now``.
    """
    return before // every < now // every


class Evaluations:
    """Begins the evaluations of a run that are due, and adds their results to its rows.

    Args:
        files: of the run.
        recorder: of its rows.
    """

    def __init__(self, files: RunFiles, recorder: Recorder):
        self._files, self._recorder = files, recorder
        self._done: deque[Evaluated] = deque()
        self._workers: dict[int, Worker] = {}

    def begin(self, evaluate: Evaluate | None, every: int, params: Params, before: int) -> None:
        """Evaluates params, or begins to, if that is due.

        Args:
            evaluate: a function, which is called here; or what ``beside`` returns.
            every: env steps between evaluations.
            params: the latest.
            before: env steps at the row before.
        """
        now = self._recorder.position
        if isinstance(evaluate, Beside):
            intervals = enumerate(x or every for x in evaluate.every)
            due = frozenset(i for i, interval in intervals if is_due(interval, before, now))
            self._worker(evaluate).send(due, params, Place(now, self._files.log_dir))
        elif evaluate is not None and is_due(every, before, now):
            with suppress(Interrupted):
                columns = evaluation_row(as_evaluation(evaluate(params)))
                self._done.append(Evaluated(columns, params, now))

    def add_to(self, row: Row) -> bool:
        """Adds the oldest result that is there to the last row.

        Returns:
            Whether it is the best so far, and of the params of this row.
        """
        self._sort_results()
        if not self._done:
            return False
        result = self._done.popleft()
        return self._add(row, result) and result.env_steps == position(row)

    def finish(self, wait: bool) -> None:
        """Adds results that come after the last row to the last rows without one.

        With ``wait``, evaluations under way are waited for, as long as they say.
        """
        for worker in self._workers.values():
            worker.wait(wait)
        self._sort_results()
        rows = [row for row in self._recorder.metrics if "evaluation_return" not in row]
        for row, result in zip(reversed(rows), reversed(self._done), strict=False):
            self._add(row, result)
            changed = {**counters_of(row), **result.columns}
            self._files.write_again(self._recorder.metrics, changed)
        self._done.clear()

    def close(self) -> None:
        """Ends the process beside the run, whatever it does."""
        for worker in self._workers.values():
            worker.close()

    def _add(self, row: Row, result: Evaluated) -> bool:
        """Adds a result to a row; writes the params to best.npz if they are the best so far."""
        is_best = result.columns["evaluation_return"] >= self._recorder.best_score
        row |= result.columns
        if is_best and self._files.log_dir is not None:
            path = self._files.log_dir / "best.npz"
            self._files.attempt(path.name, lambda: save_params(result.params, path))
        return is_best

    def _worker(self, beside: Beside) -> "Worker":
        if id(beside) not in self._workers:
            self._workers[id(beside)] = Worker(beside)
        return self._workers[id(beside)]

    def _sort_results(self) -> None:
        """Takes what the processes have answered: evaluations for rows, and files for loggers."""
        for task, value in (result for x in self._workers.values() for result in x.take()):
            steps = task.place.env_steps
            if isinstance(value, Evaluation):
                columns = evaluation_row(value) | {"evaluation_env_steps": steps}
                self._done.append(Evaluated(columns, unpack(task.params), steps))
            elif value is not None:
                self._files.show(Path(value), steps)


class Worker:
    """The process beside a run, and the task that waits for it: the newest alone."""

    def __init__(self, beside: Beside):
        self.beside, self._waiting = beside, None
        self._process = process = Process(beside)
        seconds = Seconds(calling=math.inf, closing=2.0)
        self._background = Background("evaluate", lambda: process, seconds)

    def send(self, due: frozenset[int], params: Params, place: Place) -> None:
        """Begins the jobs that are due, or has them wait; those that wait are replaced by newer ones.

        Args:
            due: which of the jobs.
            params: the latest.
            place: where the run is.
        """
        if due:
            waiting = self._waiting.due if self._waiting else frozenset()
            self._waiting = Task(pack(params), place, due | waiting)
        self._begin()

    def _begin(self) -> None:
        self._background.warn()
        if self._waiting is not None and self._background.idle():
            self._background.send("work", self._waiting)
            self._waiting = None

    def take(self) -> list[Result]:
        """The results since the last time."""
        self._begin()
        results = self._process.results
        return [results.popleft() for _ in range(len(results))]

    def wait(self, wait: bool) -> None:
        """Waits until nothing is under way, or as long as ``beside`` says; not without ``wait``."""
        end = monotonic() + (self.beside.wait if wait else 0.0)
        while not self._background.wait(end - monotonic()) or self._waiting is not None:
            self._begin()
            if monotonic() >= end:
                if wait:
                    warnings.warn(
                        f"the last evaluation is under way still, after {self.beside.wait:g} s, and the "
                        "loop ends without it",
                        stacklevel=5,
                    )
                return

    def close(self) -> None:
        """Ends the process."""
        self._process.close()
        self._background.close()


def evaluation_row(evaluation: Evaluation) -> Row:
    """The columns of metrics for an evaluation."""
    infos = {name: float(x.nanmean()) for name, x in evaluation.infos.items()}
    return {
        "evaluation_return": float(evaluation.returns.mean()),
        "evaluation_std": float(evaluation.returns.std(correction=0)),
        "evaluation_length": float(evaluation.lengths.mean()),
        **{evaluation_column(name): x for name, x in infos.items() if not math.isnan(x)},
    }

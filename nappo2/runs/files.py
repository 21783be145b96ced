"""The files of a run: opened when it begins; one that cannot be written ends nothing."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nappo2.runs.metrics import CsvFile, Logger, Row, tensorboard_logger
from nappo2.saving.checkpoint import Checkpoints
from nappo2.saving.log_dir import Claim, made, set_aside


class RunFiles:
    """What a run writes to its ``log_dir``; without one, nothing.

    Attributes:
        log_dir: a directory that no other run writes to.
        loggers: by name, each given all rows so far.
        checkpoints: those of the run.

    Raises:
        ValueError: if ``log_dir`` is a file, or a run of another process writes to it.
    """

    def __init__(self, log_dir: str | Path | None, tensorboard: bool = False):
        self.log_dir = None if log_dir is None else made(Path(log_dir))
        self.loggers: dict[str, Logger] = {}
        self._claim = self.log_dir and Claim(self.log_dir)
        self.checkpoints = self.log_dir and Checkpoints(self.log_dir / "checkpoints")
        self._tensorboard, self._begun = tensorboard, self.log_dir is None
        self._warned: set[str] = set()

    def begin(self, aside: bool = True) -> None:
        """Opens the files, if that was not done; those of an earlier run are set aside.

        Raises:
            ValueError: if the directory was given free, or another run was begun there.
        """
        if self._claim is not None:
            self._claim.check()
        if self._begun:
            return
        self._begun = True
        if aside:
            set_aside(self.log_dir)
        self.loggers = {"metrics.csv": CsvFile(self.log_dir / "metrics.csv").write} | self.loggers
        if self._tensorboard:
            self.loggers["tensorboard"] = tensorboard_logger(self.log_dir)

    def write(self, rows: list[Row]) -> None:
        """Tells all loggers; of one that fails the first time, that is said."""
        self.begin()
        for name, logger in self.loggers.items():
            try:
                logger(rows)
            except Exception as error:
                if name not in self._warned:
                    text = f"{name} failed, and the run goes on without: {error!r}"
                    warnings.warn(text, stacklevel=2)
                self._warned.add(name)

    def write_again(self, rows: list[Row]) -> None:
        """Writes all rows anew, as an event was added to the last one."""
        if "metrics.csv" in self.loggers:
            self.attempt("metrics.csv", lambda: self.loggers["metrics.csv"](rows))

    def attempt(self, what: str, write: Callable[[], Any]) -> None:
        """Writes a file; whatever goes wrong with it is warned of, and ends nothing."""
        try:
            write()
        except Exception as error:
            warnings.warn(f"{what} was not written, and the run goes on: {error}", stacklevel=3)

    def release(self) -> None:
        """Gives the directory free for another run."""
        if self._claim is not None:
            self._claim.release()

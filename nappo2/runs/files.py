"""The files of a run: opened when it begins; the run goes on if one of them cannot be written."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nappo2.runs.metrics import CsvFile, Logger, Row, tensorboard_logger
from nappo2.saving.checkpoint import Checkpoints
from nappo2.saving.log_dir import Claim, made, set_aside


class RunFiles:
    """Writes the files of a run to its ``log_dir``; nothing without one.

    Attributes:
        log_dir: a folder to which no other run writes.
        loggers: by name, each called with all rows so far.
        checkpoints: of the run.

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

    @property
    def is_open(self) -> bool:
        """Whether there are files, and they were opened."""
        return self._begun and self.log_dir is not None

    def begin(self, aside: bool = True) -> bool:
        """Opens the files, unless they are open; returns whether it did.

        Those of an earlier run are set aside, unless ``aside`` is false.

        Raises:
            ValueError: if the folder was released, or another run has begun there.
        """
        if self._claim is not None:
            self._claim.check()
        if self._begun:
            return False
        self._begun = True
        if aside:
            set_aside(self.log_dir)
        self.loggers = {"metrics.csv": CsvFile(self.log_dir / "metrics.csv").write} | self.loggers
        if self._tensorboard:
            self.loggers["tensorboard"] = tensorboard_logger(self.log_dir)
        return True

    def write(self, rows: list[Row]) -> None:
        """Calls all loggers with all rows; warns of one that fails for the first time."""
        for name, logger in self.loggers.items():
            try:
                logger(rows)
            except Exception as error:
                if name not in self._warned:
                    text = f"{name} failed, and the run goes on without: {error!r}"
                    warnings.warn(text, stacklevel=2)
                self._warned.add(name)

    def write_again(self, rows: list[Row]) -> None:
        """Writes metrics.csv again, after an event was added to the last row."""
        if "metrics.csv" in self.loggers:
            self.attempt("metrics.csv", lambda: self.loggers["metrics.csv"](rows))

    def attempt(self, what: str, write: Callable[[], Any]) -> None:
        """Calls ``write``, and warns of any error, naming the file ``what``."""
        try:
            write()
        except Exception as error:
            warnings.warn(f"{what} was not written, and the run goes on: {error}", stacklevel=3)

    def release(self) -> None:
        """Releases the folder for another run."""
        if self._claim is not None:
            self._claim.release()

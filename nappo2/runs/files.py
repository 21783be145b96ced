"""The files and loggers of a run: opened when it begins; the run goes on if one of them fails."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nappo2.reports import Span
from nappo2.runs.background import Background
from nappo2.runs.loggers import LoggerMaker, Run, makers
from nappo2.runs.metrics import CsvFile, Row
from nappo2.saving.checkpoint import Checkpoints
from nappo2.saving.log_dir import Claim, made, set_aside
from nappo2.schemes.timing_file import NAME as TIMING
from nappo2.schemes.timing_file import TimingFile


class RunFiles:
    """Writes the files of a run to its ``log_dir``, none without one, and its rows to loggers.

    Args:
        log_dir: a folder to which no other run writes; None for no files.
        loggers: names, makers, or anything with ``log(row)``.

    Attributes:
        log_dir: the folder.
        checkpoints: of the run.

    Raises:
        ValueError: if ``log_dir`` is a file, a run of another process writes to it, or a logger is none.
        ImportError: if the package of a logger is missing.
    """

    def __init__(
        self,
        log_dir: str | Path | None,
        loggers: Sequence[Any] = (),
    ):
        self._makers = makers(loggers, None if log_dir is None else Path(log_dir))
        self.log_dir = None if log_dir is None else made(Path(log_dir))
        self._claim = self.log_dir and Claim(self.log_dir)
        self.checkpoints = self.log_dir and Checkpoints(self.log_dir / "checkpoints")
        self._csv = self.log_dir and CsvFile(self.log_dir / "metrics.csv")
        self._timing = self.log_dir and TimingFile(self.log_dir)
        self._loggers: list[Background] = []
        self._begun, self._warned = False, set()

    @property
    def is_open(self) -> bool:
        """Whether there are files, and they were opened."""
        return self._begun and self.log_dir is not None

    def begin(self, aside: bool = True) -> bool:
        """Opens the files, unless they are open; returns whether a run begins that writes anything.

        Files of an earlier run are set aside, unless ``aside`` is false.

        Raises:
            ValueError: if the folder was released, or another run has begun there.
        """
        if self._claim is not None:
            self._claim.check()
        if self._begun:
            return False
        self._begun = True
        if aside and self.log_dir is not None:
            set_aside(self.log_dir)
        return self.log_dir is not None or len(self._makers) > 0

    def made_again(self) -> bool:
        """Makes the folder again if it is gone, so that the rest of the run is kept; returns whether it did.

        As after it was renamed, or removed, while the run writes to it.
        """
        if not self.is_open or self.log_dir.is_dir():
            return False
        try:
            self.log_dir.mkdir(parents=True)
            self._claim = Claim(self.log_dir)
        except (OSError, ValueError) as error:
            self._warn_once(str(self.log_dir), error)
            return False
        text = f"{self.log_dir} was removed or renamed, and is made again for what comes"
        warnings.warn(text, stacklevel=4)
        return True

    def open_loggers(self, settings: Mapping[str, Any]) -> None:
        """Makes the loggers, and tells them the settings of the run."""
        log_dir = self.log_dir and self.log_dir.absolute()
        run = Run(log_dir and log_dir.name, log_dir, settings)
        self._loggers = [in_background(maker, run) for maker in self._makers]

    def write(self, rows: list[Row]) -> None:
        """Writes the last row; warns of a file that fails for the first time."""
        self._write_csv(rows)
        self._log(rows[-1])

    def write_spans(self, spans: Sequence[Span]) -> None:
        """Sends the spans of the last row to the loggers that take them."""
        for logger in self._loggers:
            logger.send("spans", spans)

    def write_again(self, rows: list[Row], changed: Row) -> None:
        """Writes the rows again, after the columns ``changed`` were added to one of them.

        Loggers get a row of these columns, with the ``env_steps`` that must be among them.
        """
        self._write_csv(rows)
        self._log(changed)

    def _write_csv(self, rows: list[Row]) -> None:
        if self._csv is not None:
            try:
                self._csv.write(rows)
            except Exception as error:
                self._warn_once("metrics.csv", error)

    def note_timing(self, note: Callable[[TimingFile], None]) -> None:
        """Adds to timing.bin, until that fails once: a record with a gap is none."""
        if self._timing is not None and TIMING not in self._warned:
            try:
                note(self._timing)
            except Exception as error:
                self._warn_once(TIMING, error)

    def _warn_once(self, name: str, error: Exception) -> None:
        if name not in self._warned:
            text = f"{name} failed, and the run goes on without: {error!r}"
            warnings.warn(text, stacklevel=4)
        self._warned.add(name)

    def _log(self, row: Row) -> None:
        for logger in self._loggers:
            logger.send("log", dict(row))

    def show(self, path: Path, env_steps: int) -> None:
        """Sends a picture or a film to the loggers that take files."""
        for logger in self._loggers:
            logger.send("file", path.absolute(), env_steps)

    def attempt(self, what: str, write: Callable[[], Any]) -> None:
        """Calls ``write``, and warns of any error, naming the file ``what``."""
        try:
            write()
        except Exception as error:
            warnings.warn(f"{what} was not written, and the run goes on: {error}", stacklevel=3)

    def finish(self) -> None:
        """Waits until all is written, for a while."""
        if self.checkpoints is not None:
            self.checkpoints.finish()
        for logger in self._loggers:
            logger.wait()

    def close(self) -> None:
        """Closes the loggers, and releases the folder for another run."""
        for logger in self._loggers:
            logger.close()
        if self._timing is not None:
            self._timing.close()
        if self._claim is not None:
            self._claim.release()


def in_background(maker: LoggerMaker, run: Run) -> Background:
    """A logger in a thread of its own."""
    return Background(maker.name, lambda: maker.make(run))

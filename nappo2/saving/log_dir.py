"""The directory that a run writes to: one run alone, whose older files are set aside."""

import fcntl
import os
import weakref
from pathlib import Path

FILES = (
    "metrics.csv",
    "params.npz",
    "curve.png",
    "run.json",
    "best.npz",
    "tensorboard",
    "wandb",
    "videos",
    "checkpoints",
    "monitor",
    "timing.bin",
    "first.npz",
    "trace.bin",
    "trace.json",
)


def made(log_dir: Path) -> Path:
    """Makes the directory, unless it exists; returns its absolute path.

    So that a run writes to one directory, whichever one its process works in later.

    Raises:
        ValueError: if it is a file, or cannot be made.
    """
    if log_dir.exists() and not log_dir.is_dir():
        raise ValueError(f"log_dir is a directory; {log_dir} is a file")
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"log_dir {log_dir} cannot be made: {reason}") from error
    return log_dir.absolute()


class Claim:
    """A lock on a directory, so that one run alone writes to it: until it is released or its process ends.

    Within a process the latest one counts, as when a cell is run again: it releases the earlier one.

    Raises:
        ValueError: if a run of another process writes there.
    """

    def __init__(self, log_dir: Path):
        self.log_dir = log_dir.resolve()
        if self.log_dir in CLAIMS:
            CLAIMS[self.log_dir].release()
        descriptor = os.open(self.log_dir, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ValueError(
                f"another run writes to {log_dir}, and would mix its files with those of this one; "
                "another log_dir keeps them apart"
            ) from None
        except OSError:
            pass  # this file system has no locks
        self.release = weakref.finalize(self, os.close, descriptor)
        CLAIMS[self.log_dir] = self

    def check(self) -> None:
        """Refuses to write once the claim is released.

        Raises:
            ValueError: if it is.
        """
        if not self.release.alive:
            raise ValueError(
                f"this Learner writes to {self.log_dir} no longer: it was closed, or another one was "
                "made for this log_dir"
            )


CLAIMS: weakref.WeakValueDictionary[Path, Claim] = weakref.WeakValueDictionary()
"""The claims of this process, by directory."""


def unused(path: Path) -> Path:
    """Makes a new directory of this name, or with a number behind it.

    Raises:
        ValueError: if a million of these exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for i in range(1, 10**6):
        candidate = path if i == 1 else path.with_name(f"{path.name}-{i}")
        try:
            candidate.mkdir()
            return candidate
        except FileExistsError:
            continue
    raise ValueError(f"all names like {path} are taken")


def set_aside(log_dir: Path, *folders: Path) -> None:
    """Moves the files of an earlier run, and ``folders`` of others, to ``earlier-1``, ``earlier-2``, ..."""
    old = [*(log_dir / name for name in FILES if (log_dir / name).exists()), *folders]
    if old:
        aside = earlier(log_dir)
        for path in old:
            os.replace(path, aside / path.name)


def earlier(log_dir: Path) -> Path:
    """Makes a new directory for files that are set aside."""
    aside = next(p for i in range(1, 10**6) if not (p := log_dir / f"earlier-{i}").exists())
    aside.mkdir()
    return aside


def parents(path: str | Path) -> list[Path]:
    """A path and all folders around it."""
    path = Path(path).absolute()
    return [path, *path.parents]


def from_here(path: Path) -> Path:
    """A path as one would type it: relative to the working directory, if it is within."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def write_whole(path: Path, text: str) -> None:
    """Writes a text to ``path`` all at once, and never through a link that stands there."""
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.unlink(missing_ok=True)
    unfinished.write_text(text)
    os.replace(unfinished, path)


def folder_of(path: str | Path) -> Path:
    """The folder of a run, of it or of a file within it."""
    path = Path(path)
    return path.parent if path.is_file() else path

"""Runs and params on disk: plain arrays in .npz archives, which execute nothing when they are read."""

import logging
import math
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.params import Params, non_finite
from nappo2.saving.archive import (
    Damaged,
    clear_leftovers,
    damaged,
    read_archive,
    sync,
    write_archive,
)
from nappo2.saving.log_dir import earlier
from nappo2.saving.outputs import check_output
from nappo2.saving.packing import Packed
from nappo2.saving.plain import read_tree, write_tree
from nappo2.saving.unpacking import unpack

log = logging.getLogger("nappo2")
KEPT = 3  # the newest checkpoints, beside the best

BRANCHES = ("weights", "target", "normalizer", "version", "hyper")


@checked
def save_params(params: Params, path: str | Path) -> Path:
    """Writes params to ``path``, whole or not at all; an older file stays until then.

    Raises:
        ValueError: if there can be no file at this path, or there is one already, and some of the params
            are not finite.
        OSError: if the disk refuses.

    Example:
        >>> import tempfile
        >>> params = make_params(mlp(4, 8, 2).init(0), gamma=0.99)
        >>> path = save_params(params, tempfile.mkdtemp() + "/params.npz")
        >>> load_params(path)["hyper", "gamma"]
        tensor(0.9900)
    """
    path, name = check_output(path), non_finite(params)
    if name is not None and path.exists():
        raise ValueError(f"{name} is not finite, and {path} stays as it was")
    write_tree(params, path)
    return path


@checked
def load_params(path: str | Path) -> Params:
    """Reads params that ``save_params`` wrote.

    Raises:
        ValueError: if it is no such file, or it is damaged.
        FileNotFoundError: if there is none.

    Example:
        >>> import tempfile
        >>> params = make_params(mlp(4, 8, 2).init(0), gamma=0.5)
        >>> path = save_params(params, tempfile.mkdtemp() + "/params.npz")
        >>> load_params(path)["hyper", "gamma"]
        tensor(0.5000)
    """
    tree = read_tree(path, "params", ("weights", "version", "hyper"))
    return TensorDict({name: tree.get(name, TensorDict()) for name in BRANCHES})


class Checkpoints:
    """Writes the checkpoints of a run in a thread, and keeps the last three and the best.

    The thread is given a copy, so that it shares nothing with the run. If the disk refuses, there is a
    warning, and earlier checkpoints stay as they are.
    """

    def __init__(self, folder: Path):
        self.folder, self._thread, self._error = folder, None, None

    def begin(self, packed: Packed, position: int, best: bool) -> None:
        """Begins to write a checkpoint, when the one before it is done.

        Args:
            packed: the run, as plain data.
            position: how far the run is, for the name of the file: env steps, and updates from
                recorded data.
            best: whether it becomes the best one, too.
        """
        self.finish()
        self._thread = threading.Thread(target=self._write, args=(packed, position, best))
        self._thread.start()

    def finish(self) -> None:
        """Waits until all is on the disk, and warns if it is not."""
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._error:
            error, self._error = self._error, None
            warnings.warn(f"no checkpoint was written, and the run goes on: {error}", stacklevel=3)

    def _write(self, packed: Packed, position: int, best: bool) -> None:
        try:
            if not self.folder.exists():
                self.folder.mkdir()
            clear_leftovers(self.folder)
            path = self.folder / f"steps-{position:012d}.npz"
            write_archive(packed, path)
            if best:
                _link(path, self.folder / "best.npz")
            older = [other for other in checkpoints_in(self.folder) if other < path]
            for old in older[KEPT - 1 :]:
                old.unlink()
        except Exception as error:  # ``finish`` warns of it in the thread of the run
            self._error = error


def _link(path: Path, name: Path) -> None:
    """Gives a file a second name, by a link where the disk has links."""
    other = name.with_suffix(".new")
    other.unlink(missing_ok=True)
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)
    os.replace(other, name)
    sync(name.parent)


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    return sorted(folder.glob("steps-*.npz"), reverse=True)


def position_of(counters: Mapping[str, Any]) -> int:
    """How far a run was, by the counters in a checkpoint: env steps, and updates from recorded data."""
    return counters["env_steps"] + int(counters["sums"].get("recorded_updates", 0))


def set_aside_after(log_dir: Path, position: int, version: int) -> None:
    """Sets checkpoints and the best params aside that are later than where a run goes on.

    Otherwise the newest by name would be of another branch than the run. Files of that branch which
    the run will write anew are copied beside them.

    Args:
        log_dir: of the run.
        position: of the checkpoint from which it goes on.
        version: of its params.
    """
    folder = log_dir / "checkpoints"
    newer = [path for path in checkpoints_in(folder) if _position(path) > position]
    best = folder / "best.npz"
    if best.exists() and _position_inside(best) > position:
        newer.append(best)
    if _version_inside(log_dir / "best.npz") > version:
        newer.append(log_dir / "best.npz")
    if newer:
        aside = earlier(log_dir)
        (aside / folder.name).mkdir()
        for name in ("metrics.csv", "params.npz", "curve.png", "run.json"):
            if (log_dir / name).exists():
                shutil.copyfile(log_dir / name, aside / name)
        for path in newer:
            os.replace(path, aside / path.relative_to(log_dir))


def _position(path: Path) -> float:
    """How far the run of a checkpoint was, by its name."""
    digits = path.stem.removeprefix("steps-")
    return int(digits) if digits.isdecimal() else math.inf


def _position_inside(path: Path) -> float:
    """How far the run of a checkpoint was, by its content; infinite if it cannot be read."""
    try:
        return position_of(unpack(dict(read_archive(path).items())["learner"]))
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return math.inf


def _version_inside(path: Path) -> float:
    """The version of params in a file; -1 if there is none, infinite if it cannot be read."""
    try:
        return int(load_params(path)["version"]) if path.exists() else -1
    except ValueError:
        return math.inf


T = TypeVar("T")


def read_checkpoint(path: str | Path, use: Callable[[dict[str, Packed]], T]) -> T:
    """Reads the checkpoint at ``path``, or the newest good one in a run's folder, with ``use``.

    Every byte of a file is verified before ``use`` is called with its parts. If ``use`` raises, the file
    is not good, so that it must not change anything that is in use.

    Raises:
        ValueError: if none is good; names each file and the reason.
        FileNotFoundError: if there is none at all.
    """
    errors = []
    for candidate in _candidates(Path(path)):
        try:
            with damaged(candidate, "does not fit this Learner"):
                result = use(dict(read_archive(candidate).items()))
        except (ValueError, FileNotFoundError) as error:
            errors.append(error)
            continue
        if errors:
            refused = "; ".join(map(str, errors))
            warnings.warn(f"{refused}; going on from {candidate}", stacklevel=3)
        return result
    raise errors[0] if len(errors) == 1 else Damaged("; ".join(map(str, errors)))


def _candidates(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    if path.is_file():
        yield path
        return
    folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    checkpoints = checkpoints_in(folder)
    if not checkpoints:
        raise FileNotFoundError(
            f"there is no checkpoint in {folder}: a Learner writes them with checkpoint_every=50_000, "
            "nappo2 train unless with --checkpoint-every 0"
        )
    yield from checkpoints

"""Runs and params on disk: plain arrays in .npz archives, which execute nothing when they are read."""

import logging
import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from tensordict import TensorDict

from nappo2.archive import Damaged, clear_leftovers, read_archive, sync, write_archive
from nappo2.packing import Packed, unpack
from nappo2.params import Params, nested, walk

log = logging.getLogger("nappo2")
KEPT = 3  # the newest checkpoints, beside the best

BRANCHES = ("weights", "target", "normalizer", "version", "hyper")


def save_params(params: Params, path: str | Path) -> Path:
    """Writes params to ``path``: all of them or nothing, and the old file stays until then."""
    path = Path(path)
    arrays = {"/".join(names): leaf.detach().cpu().numpy() for names, leaf in walk(params)}
    unfinished = path.with_name(f".{path.name}.tmp")
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    return path


def load_params(path: str | Path) -> Params:
    """Reads what ``save_params`` wrote.

    Raises:
        ValueError: if it is no such file, or it is damaged.
        FileNotFoundError: if there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [tuple(name.split("/")) for name in file.files]
            leaves = [torch.from_numpy(np.array(file[name])) for name in file.files]
    except (BadZipFile, ValueError, TypeError, EOFError, AttributeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} holds no params of nappo2, or is damaged: {error}") from error
    tree = nested(tuple(names), leaves)
    missing = {"weights", "version", "hyper"} - set(tree)
    if missing:
        raise ValueError(f"{path} holds no params of nappo2: it lacks {', '.join(sorted(missing))}")
    return TensorDict({name: tree.get(name, TensorDict()) for name in BRANCHES})


class Checkpoints:
    """Writes the checkpoints of a run while it goes on, and keeps the last three and the best.

    What is written is a copy that was handed over, so that the thread shares nothing. A disk that
    refuses is warned of, and the checkpoints before stay as they are.
    """

    def __init__(self, folder: Path):
        self.folder, self._thread, self._error = folder, None, None

    def begin(self, packed: Packed, env_steps: int, best: bool) -> None:
        """Begins to write one, after ``env_steps``, when the one before it is done."""
        self.finish()
        self._thread = threading.Thread(target=self._write, args=(packed, env_steps, best))
        self._thread.start()

    def finish(self) -> None:
        """Waits until all is on the disk, and warns if it is not."""
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._error:
            error, self._error = self._error, None
            warnings.warn(f"no checkpoint was written, and the run goes on: {error}", stacklevel=3)

    def _write(self, packed: Packed, env_steps: int, best: bool) -> None:
        try:
            if not self.folder.exists():
                self.folder.mkdir()
            clear_leftovers(self.folder)
            path = self.folder / f"steps-{env_steps:012d}.npz"
            write_archive(packed, path)
            if best:
                _link(path, self.folder / "best.npz")
            for old in checkpoints_in(self.folder)[KEPT:]:
                old.unlink()
        except Exception as error:  # told where the run can hear it
            self._error = error


def _link(path: Path, name: Path) -> None:
    """Gives a file another name, which takes no room where the disk knows links."""
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


def read_checkpoint(path: str | Path, like: Params) -> dict[str, Packed]:
    """The parts of the checkpoint at ``path``, or of the newest good one in a run's folder.

    All of a file is verified before anything of it is used: every byte, and that its params have
    the structure of ``like`` and are finite.

    Raises:
        ValueError: if there is none that is good; names each and what is wrong with it.
        FileNotFoundError: if there is none at all.
    """
    wrong = []
    for candidate in _candidates(Path(path)):
        try:
            found = _verified(candidate, like)
        except ValueError as error:
            wrong.append(error)
            continue
        if wrong:
            told = "; ".join(map(str, wrong))
            warnings.warn(f"{told}; going on from {candidate}", stacklevel=3)
        return found
    raise wrong[0] if len(wrong) == 1 else ValueError("; ".join(map(str, wrong)))


def _candidates(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    if path.is_file():
        yield path
        return
    folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    found = checkpoints_in(folder)
    if not found:
        raise FileNotFoundError(f"there is no checkpoint in {folder}")
    yield from found


def _verified(path: Path, like: Params) -> dict[str, Packed]:
    parts = read_archive(path)
    try:
        found = dict(parts.items())
        params = unpack(found["params"])
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, RecursionError) as error:
        raise Damaged(f"{path} is no checkpoint of nappo2: {error!r}") from error
    ours, theirs = _shapes(like), _shapes(params)
    if ours != theirs:
        name = next(n for n in (*ours, *theirs) if ours.get(n) != theirs.get(n))
        raise ValueError(
            f"{path} has other params: {name} is {theirs.get(name, 'not in it')}, and here "
            f"{ours.get(name, 'there is none')}"
        )
    for names, leaf in walk(params):
        if leaf.is_floating_point() and not leaf.isfinite().all():
            raise Damaged(f"{path} has params that are not finite: {'/'.join(names)}")
    return found


def _shapes(params: Params) -> dict[str, str]:
    return {"/".join(names): f"{leaf.dtype} {list(leaf.shape)}" for names, leaf in walk(params)}

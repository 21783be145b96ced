"""Packed values on disk: a .npz that any numpy opens, with a digest of every byte.

Not torchrl.checkpoint's archive, which pickles what is no tensor, takes 0.7 s to import, and does
not ask the disk whether it has written.
"""

import contextlib
import hashlib
import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np

from nappo2.packing import Packed

FORMAT = "nappo2 checkpoint 1"
STAGED = ".staged"  # the suffix of what is not finished
DIGEST_SIZE = 64  # hexadecimal digits, in the comment at the very end of the file


class Damaged(ValueError):
    """Raised for a file that is not what was written, or nothing of nappo2's."""


def write_archive(packed: Packed, path: Path) -> None:
    """Writes ``path``: all of it or nothing, and what was there stays until then.

    Raises:
        OSError: if the disk does not take it; nothing is left behind.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}{STAGED}")
    try:
        with open(staged, "w+b") as file:
            _write_zip(packed, file)
            digest = _digest(file)
            file.seek(-DIGEST_SIZE, os.SEEK_END)
            file.write(digest)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    except BaseException:
        with contextlib.suppress(OSError):
            staged.unlink()
        raise
    sync(path.parent)


def sync(folder: Path) -> None:
    """Has the disk keep the names in a folder, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_zip(packed: Packed, file) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("format.txt", FORMAT)
        archive.writestr("skeleton.json", json.dumps(packed.skeleton))
        for i, array in enumerate(packed.arrays):
            with archive.open(f"{i}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.comment = b"0" * DIGEST_SIZE


def _digest(file) -> bytes:
    """Of all bytes but the digest itself."""
    left = file.seek(0, os.SEEK_END) - DIGEST_SIZE
    file.seek(0)
    found = hashlib.sha256()
    while left > 0 and (part := file.read(min(left, 1 << 20))):
        found.update(part)
        left -= len(part)
    return found.hexdigest().encode()


def read_archive(path: Path) -> Packed:
    """Reads what ``write_archive`` wrote, if every byte of it is the same.

    Raises:
        Damaged: if it is not; names the file, and what is wrong with it.
        FileNotFoundError: if there is none.
    """
    with open(path, "rb") as file:
        digest = _digest(file)
        if file.read() != digest:
            raise Damaged(f"{path} is damaged, or no checkpoint of nappo2: its digest is another")
        try:
            with zipfile.ZipFile(file) as archive:
                return _read_zip(archive, path)
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
            if isinstance(error, Damaged):
                raise
            raise Damaged(f"{path} is damaged, or no checkpoint of nappo2: {error}") from error


def _read_zip(archive: zipfile.ZipFile, path: Path) -> Packed:
    found = archive.read("format.txt").decode()
    if found != FORMAT:
        raise Damaged(f"{path} is a {found!r}; this version of nappo2 reads a {FORMAT!r}")
    skeleton = json.loads(archive.read("skeleton.json"))
    arrays = []
    for i in range(len(archive.namelist()) - 2):
        with archive.open(f"{i}.npy") as member:
            arrays.append(np.lib.format.read_array(member, allow_pickle=False))
    return Packed(skeleton, arrays)


def clear_leftovers(folder: Path, seconds: float = 3600.0) -> None:
    """Removes what killed writers have left: older than so much, or of a process that is gone."""
    for path in folder.glob(f".*{STAGED}"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.name.removesuffix(STAGED).rpartition(".")[2])
            if not Path(f"/proc/{pid}").exists() or time.time() - path.stat().st_mtime > seconds:
                path.unlink()

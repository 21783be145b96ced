"""Packed values on disk: a .npz that any numpy opens, with a digest of every byte.

torchrl.checkpoint's archive pickles what is no tensor, takes 0.7 s to import, and does not sync the
disk: hence this one.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nappo2.saving.packing import Packed

FORMAT = "nappo2 checkpoint 2"
STAGED = ".staged"  # suffix of unfinished files
DIGEST_SIZE = 64  # hexadecimal digits, in the comment at the very end of the file


class Damaged(ValueError):
    """Raised for a file that was changed since it was written, or is no checkpoint of nappo2."""


def write_archive(packed: Packed, path: Path) -> None:
    """Writes a file whole or not at all; an older one stays until then.

    Raises:
        OSError: if the disk refuses; no part of the file stays.
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
    """Syncs a folder, so that the names in it are on the disk, too."""
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
    """The digest of all bytes but those of the digest itself."""
    remaining = file.seek(0, os.SEEK_END) - DIGEST_SIZE
    file.seek(0)
    digest = hashlib.sha256()
    while remaining > 0 and (part := file.read(min(remaining, 1 << 20))):
        digest.update(part)
        remaining -= len(part)
    return digest.hexdigest().encode()


def read_archive(path: Path) -> Packed:
    """Reads a file of ``write_archive``, and verifies every byte.

    Takes no more memory than a few times the size of the file.

    Raises:
        Damaged: if a byte is another, or it cannot be read; names the file and the reason.
        FileNotFoundError: if there is none.
    """
    with damaged(path, "is damaged, or no checkpoint of nappo2"), open(path, "rb") as file:
        digest = _digest(file)
        if file.read() != digest:
            raise Damaged(f"{path} is damaged, or no checkpoint of nappo2: its digest is another")
        with zipfile.ZipFile(file) as archive:
            return _read_zip(archive, path)


@contextlib.contextmanager
def damaged(path: str | Path, what: str) -> Iterator[None]:
    """Turns any error within into ``Damaged`` with the name of the file.

    Even a lack of memory or too deep a recursion: a file can claim any size and any depth.

    Raises:
        Damaged: for any other error but a missing file.
    """
    try:
        yield
    except (Damaged, FileNotFoundError):
        raise
    except Exception as error:
        raise Damaged(f"{path} {what}: {str(error) or repr(error)}") from error


def _read_zip(archive: zipfile.ZipFile, path: Path) -> Packed:
    check_sizes(archive, path)
    version = read_member(archive, "format.txt").decode()
    if version != FORMAT:
        raise Damaged(f"{path} is a {version!r}; this version of nappo2 reads a {FORMAT!r}")
    skeleton = json.loads(read_member(archive, "skeleton.json"))
    arrays = [read_array(archive, f"{i}.npy") for i in range(len(archive.namelist()) - 2)]
    return Packed(skeleton, arrays)


def check_sizes(archive: zipfile.ZipFile, path: str | Path) -> None:
    """Refuses a file whose members would take more memory than the file takes on disk.

    Raises:
        ValueError: if several members share bytes of the file.
    """
    size = os.stat(path).st_size
    if sum(member.file_size for member in archive.infolist()) > size:
        raise ValueError(f"its members claim more than the {size} bytes that it has")


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of an uncompressed member, which takes as much memory as on disk.

    Raises:
        ValueError: if it is compressed: a small file could then fill any memory.
    """
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise ValueError(f"{name} is compressed, which nappo2 does not write")
    return archive.read(member)


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """The array in a member; its header is verified.

    Raises:
        ValueError: if it is no array of numbers, or has another size than it claims.
    """
    data = io.BytesIO(read_member(archive, name))
    version = np.lib.format.read_magic(data)
    if version not in HEADERS:
        raise ValueError(f"{name} is an array of version {version}")
    shape, fortran, dtype = HEADERS[version](data)
    if dtype.hasobject:
        raise ValueError(f"{name} is an array of objects, which could run code")
    rest = data.getbuffer()[data.tell() :]
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"{name} claims the shape {shape}, and has {len(rest)} bytes")
    order = "F" if fortran else "C"
    return np.frombuffer(rest, dtype, math.prod(shape)).reshape(shape, order=order).copy("K")


HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def clear_leftovers(folder: Path, seconds: float = 3600.0) -> None:
    """Removes unfinished files of processes that are gone, or older than so many seconds."""
    for path in folder.glob(f".*{STAGED}"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.name.removesuffix(STAGED).rpartition(".")[2])
            if not Path(f"/proc/{pid}").exists() or time.time() - path.stat().st_mtime > seconds:
                path.unlink()

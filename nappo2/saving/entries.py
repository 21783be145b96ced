"""A file of entries that is only ever appended to: what was written before a process ended stays.

An entry is a tuple of whole numbers of at least 0, and of such tuples. Each stands behind its length and
its CRC-32; the last one, if the process ended while it was written, is dropped.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from nappo2.saving.archive import Damaged

HEADER = struct.Struct("<II")  # length and CRC-32 of what follows
MAGIC = b"nappo2 timing 1\n"
MOST_DEPTH = 64

Entry = tuple["int | Entry", ...]
"""Numbers, and tuples of numbers."""


class EntryFile:
    """Appends entries to a file, which is made with the first one.

    Args:
        path: of the file; whole entries that are there stay.
    """

    def __init__(self, path: Path):
        self.path, self._file = path, None

    def append(self, entry: Entry) -> None:
        """Writes an entry, which survives the process from then on.

        Raises:
            OSError: if the disk refuses.
        """
        if self._file is None:
            self._file = _opened(self.path)
        data = encoded(entry)
        self._file.write(HEADER.pack(len(data), zlib.crc32(data)) + data)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _opened(path: Path):
    """The file without a torn entry, open behind its last whole one."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    file = os.fdopen(descriptor, "r+b", buffering=0)
    data = file.read()
    end = len(data) if data else 0
    if data:
        end = max((last for last, _ in _entries(data, path)), default=len(MAGIC))
        file.truncate(end)
        file.seek(end)
    else:
        file.write(MAGIC)
    return file


def read_entries(path: Path) -> list[Entry]:
    """The entries of a file, without a last one that is torn.

    Raises:
        Damaged: if it is no such file, or something else than its end was changed.
        FileNotFoundError: if there is none.
    """
    return [decoded(data, path) for _, data in _entries(path.read_bytes(), path)]


def _entries(data: bytes, path: Path) -> Iterator[tuple[int, bytes]]:
    """The bytes of each entry, with where it ends."""
    if not data.startswith(MAGIC):
        raise Damaged(f"{path} is no record of timing that this version of nappo2 reads")
    start = len(MAGIC)
    while start + HEADER.size <= len(data):
        length, crc = HEADER.unpack_from(data, start)
        end = start + HEADER.size + length
        entry = data[start + HEADER.size : end]
        if end > len(data):
            return  # torn
        if zlib.crc32(entry) != crc:
            if end == len(data):
                return
            raise Damaged(f"{path} is damaged: the entry at byte {start} is another")
        yield end, entry
        start = end


def encoded(entry: "int | Entry") -> bytes:
    """A number or a tuple as bytes: twice the number, or twice the length plus 1 and what is in it."""
    if isinstance(entry, tuple):
        return _number(2 * len(entry) + 1) + b"".join(map(encoded, entry))
    return _number(2 * int(entry))


def _number(value: int) -> bytes:
    """A number of at least 0, seven bits a byte; the highest bit says that more follow."""
    parts = []
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def decoded(data: bytes, path: Path | str) -> Entry:
    """The entry of ``encoded``; ``path`` is where it stands.

    Raises:
        Damaged: if it is none.
    """
    value, end = _decoded(data, 0, path)
    if end != len(data) or not isinstance(value, tuple):
        raise Damaged(f"{path} has an entry that is none")
    return value


def _decoded(
    data: bytes, start: int, path: Path | str, depth: int = 0
) -> tuple["int | Entry", int]:
    """A value and where it ends."""
    number, shift, end = 0, 0, start
    while True:
        if end >= len(data) or depth > MOST_DEPTH:
            raise Damaged(f"{path} has an entry that is none")
        number |= (data[end] & 127) << shift
        shift, end = shift + 7, end + 1
        if data[end - 1] < 128:
            break
    if not number & 1:
        return number >> 1, end
    values = []
    for _ in range(number >> 1):
        value, end = _decoded(data, end, path, depth + 1)
        values.append(value)
    return tuple(values), end

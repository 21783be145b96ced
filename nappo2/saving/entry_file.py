"""A file of entries that is only ever appended to, in which an entry that comes again takes a byte or two.

It begins with a magic. Each entry begins with a byte: its highest seven bits are the first check of the
entry, and the lowest one says whether the rest is what it was the last time after the same entry. If
not, a number follows: 0 before a new entry that may come again, 1 before one that will not, and otherwise
2 more than the place among those that came before. A new entry has its length, its bytes, and the CRC-32
of all bytes of the file up to there. The further checks come last, a byte each. What a process wrote
before it was killed stays; an entry that is torn at the end is dropped.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nappo2.saving.archive import Damaged
from nappo2.saving.entries import Entry, decoded, encoded, encoded_number

MOST_KNOWN = 1 << 16  # entries that are kept in mind
CHECKS = 127  # the largest check


class Checked(NamedTuple):
    """An entry, and numbers of at most 127 by which two that are equal may be told apart."""

    entry: Entry
    checks: tuple[int, ...] = ()


class Coder:
    """Table of the entries so far, which whoever writes a file and whoever reads it build alike.

    Attributes:
        known: entries that may come again, in bytes, in the order in which they came.
        codes: the place of each among them.
        follows: for each place the one that came after it the last time.
        last: the place of the last of them; -1 before the first.
        crc: of all bytes so far.
    """

    def __init__(self, magic: bytes):
        self.known: list[bytes] = []
        self.codes: dict[bytes, int] = {}
        self.follows: dict[int, int] = {}
        self.last, self.crc = -1, zlib.crc32(magic)

    def encode(self, checked: Checked, again: bool) -> bytes:
        """The bytes of an entry; ``again`` says whether it may come again."""
        data = encoded((len(checked.checks), checked.entry))
        first, *others = checked.checks or (0,)
        code = self.codes.get(data)
        if code is None:
            again = again and len(self.known) < MOST_KNOWN
            start = bytes([first << 1]) + new(data, again)
            start += self.crc_after(start)
            if again:
                code = self.learn(data)
        elif self.follows.get(self.last) == code:
            start = bytes([first << 1 | 1])
        else:
            start = bytes([first << 1]) + encoded_number(code + 2)
        self.took(code, written := start + bytes(others))
        return written

    def crc_after(self, data: bytes) -> bytes:
        """The CRC-32 of all bytes so far and of ``data``."""
        return zlib.crc32(data, self.crc).to_bytes(4, "little")

    def learn(self, data: bytes) -> int:
        """Keeps a new entry in mind; returns its place."""
        self.codes[data] = len(self.known)
        self.known.append(data)
        return self.codes[data]

    def took(self, code: int | None, data: bytes) -> None:
        """Notes that an entry was written as ``data``; ``code`` is None if it will not come again."""
        self.crc = zlib.crc32(data, self.crc)
        if code is not None:
            self.follows[self.last] = code
            self.last = code

    def decode(self, data: bytes, start: int, path: Path) -> tuple[Checked, int]:
        """Reads an entry.

        Args:
            data: of the whole file.
            start: where the entry begins.
            path: of the file, for errors.

        Returns:
            The entry, and where it ends.

        Raises:
            IndexError: if the file ends before it does.
            Damaged: if it is none.
        """
        end, code = start + 1, self.follows.get(self.last)
        if data[start] & 1:
            if code is None:
                raise _damaged(path, start)
            known = self.known[code]
        else:
            number, end = _number(data, end)
            if number < 2:
                known, end = self._new(data, start, end, path)
                code = self.learn(known) if number == 0 else None
            elif number - 2 < len(self.known):
                known = self.known[code := number - 2]
            else:
                raise _damaged(path, start)
        num, entry = decoded(known, path)
        checks = (data[start] >> 1, *_part(data, end, end + max(0, num - 1)))[:num]
        end += len(checks[1:])
        self.took(code, data[start:end])
        return Checked(entry, checks), end

    def _new(self, data: bytes, start: int, end: int, path: Path) -> tuple[bytes, int]:
        length, end = _number(data, end)
        entry, crc = _part(data, end, end + length), _part(data, end + length, end + length + 4)
        if crc != self.crc_after(data[start : end + length]):
            raise _damaged(path, start)
        return entry, end + length + 4


class EntryFile:
    """Appends entries to a file, which is made with the first one.

    Args:
        path: of the file; whole entries that are there stay.
        magic: with which it begins.
    """

    def __init__(self, path: Path, magic: bytes):
        self.path, self.magic = path, magic
        self._file, self._coder = None, Coder(magic)

    def append(self, entry: Entry) -> None:
        """Writes an entry that will not come again, which survives the process from then on.

        Raises:
            OSError: if the disk refuses.
        """
        self._write(Checked(entry), again=False)

    def repeat(self, entry: Entry, checks: Sequence[int] = ()) -> None:
        """Writes an entry that may come again, with checks, likewise."""
        self._write(Checked(entry, tuple(checks)), again=True)

    def _write(self, checked: Checked, again: bool) -> None:
        if self._file is None:
            self._file = self._opened()
        self._file.write(self._coder.encode(checked, again))

    def _opened(self):
        """The file without a torn entry, open behind its last whole one."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        if data := file.read():
            ends = [end for _, end in _entries(data, self.path, self.magic, self._coder)]
            end = ends[-1] if ends else len(self.magic)
            file.truncate(end)
            file.seek(end)
        else:
            file.write(self.magic)
        return file

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_entries(path: Path, magic: bytes) -> list[Checked]:
    """The entries of a file that begins with ``magic``, without a last one that is torn.

    Raises:
        Damaged: if it is no such file, or something else than its end was changed.
        FileNotFoundError: if there is none.
    """
    return [entry for entry, _ in _entries(path.read_bytes(), path, magic, Coder(magic))]


def _entries(data: bytes, path: Path, magic: bytes, coder: Coder) -> Iterator[tuple[Checked, int]]:
    """Each entry, with where it ends."""
    if not data.startswith(magic):
        what = magic.split()[1].decode()
        raise Damaged(f"{path} is no record of {what} that this version of nappo2 reads")
    end = len(magic)
    while end < len(data):
        try:
            entry, end = coder.decode(data, end, path)
        except IndexError:
            return  # torn
        yield entry, end


def new(data: bytes, again: bool) -> bytes:
    """A new entry, without the CRC-32 behind it."""
    return encoded_number(0 if again else 1) + encoded_number(len(data)) + data


def _number(data: bytes, start: int) -> tuple[int, int]:
    """A number of ``encoded_number``, and where it ends."""
    number, shift = 0, 0
    while True:
        byte = data[start]
        number |= (byte & 127) << shift
        start, shift = start + 1, shift + 7
        if byte < 128:
            return number, start


def _part(data: bytes, start: int, end: int) -> bytes:
    """The bytes from ``start`` to ``end``.

    Raises:
        IndexError: if there are fewer.
    """
    if end > len(data):
        raise IndexError
    return data[start:end]


def _damaged(path: Path, start: int) -> Damaged:
    return Damaged(f"{path} is damaged: the entry at byte {start} is another")

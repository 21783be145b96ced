"""Tuples of whole numbers of at least 0, and of such tuples, as bytes."""

from pathlib import Path

from nappo2.saving.archive import Damaged

MOST_DEPTH = 64

Entry = tuple["int | Entry", ...]
"""Numbers, and tuples of numbers."""


def whole_of(text: str | bytes) -> int:
    """A text, or bytes, as a number; a 1 before them keeps their length."""
    return int.from_bytes(b"\1" + (text.encode() if isinstance(text, str) else text))


def bytes_of(number: int) -> bytes:
    """The bytes that ``whole_of`` made a number of."""
    return number.to_bytes((number.bit_length() + 7) // 8)[1:]


def encoded(entry: "int | Entry") -> bytes:
    """A number or a tuple as bytes: twice the number, or twice the length plus 1 and what is in it."""
    if isinstance(entry, tuple):
        return encoded_number(2 * len(entry) + 1) + b"".join(map(encoded, entry))
    return encoded_number(2 * int(entry))


def encoded_number(value: int) -> bytes:
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

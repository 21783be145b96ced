"""The file of a run's record, ``timing.bin``, as it is written."""

import struct
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path

from nappo2.params import Params
from nappo2.saving.entries import Entry, bytes_of, whole_of
from nappo2.saving.entry_file import EntryFile
from nappo2.schemes.observed import Event, digest

NAME = "timing.bin"
MAGIC = b"nappo2 timing 2\n"
MOST_UNCHECKED = 128  # steps, of which the last has a digest of the params
DOUBLE = struct.Struct("<d")


class Kind(IntEnum):
    """The kind of an entry, and what follows it in the tuple."""

    BEGUN = 0  # the seed, and the version of the params
    STEP = 1  # updates in it, and the notes of the steps of the last cut; its checks are those of items
    SET = 2  # names and values of hyper-parameters
    SAVED = 3  # position of a checkpoint, by which its file is called, and the digest of its params
    RESUMED = 4  # position of the checkpoint from which the run goes on
    BROKEN = 5  # a step was broken off, or the pipeline was changed
    PARAMS = 6  # the digest of the params


class TimingFile:
    """Writes the record of a run, ``timing.bin``.

    Args:
        log_dir: the run's folder.
    """

    def __init__(self, log_dir: Path):
        self._file = EntryFile(log_dir / NAME, MAGIC)
        self._version, self._unchecked = 0, 0

    def begun(self, seed: int, params: Params) -> None:
        """Notes the seed, and the params before the first step."""
        self._version = int(params["version"])
        self._file.append((int(Kind.BEGUN), seed, self._version))

    def step(self, params: Params, notes: Sequence[Entry]) -> None:
        """Notes a step of the Learner: the params after it, and what its last cut noted."""
        before, self._version = self._version, int(params["version"])
        self._file.repeat(*step_entry(self._version - before, notes))
        self._unchecked += 1
        if self._unchecked >= MOST_UNCHECKED:
            self.params(params)

    def params(self, params: Params) -> None:
        """Notes the digest of the params, if there was a step since the last one."""
        if self._unchecked:
            self._file.append((int(Kind.PARAMS), digest(params)))
            self._unchecked = 0

    def set(self, hyper: Mapping[str, float]) -> None:
        """Notes that hyper-parameters were set."""
        pairs = ((whole_of(name), whole_of(DOUBLE.pack(x))) for name, x in hyper.items())
        self._file.append((int(Kind.SET), *pairs))

    def saved(self, position: int, params: Params) -> None:
        """Notes a checkpoint, whose file is called by its position."""
        self._file.append((int(Kind.SAVED), position, digest(params)))
        self._unchecked = 0

    def resumed(self, position: int, params: Params) -> None:
        """Notes that the run goes on from a checkpoint."""
        self._version, self._unchecked = int(params["version"]), 0
        self._file.append((int(Kind.RESUMED), position))

    def broken(self) -> None:
        """Notes that a step was broken off, or that the pipeline was changed."""
        self._file.append((int(Kind.BROKEN),))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def step_entry(updates: int, notes: Sequence[Entry]) -> tuple[Entry, list[int]]:
    """The entry of a step of a Learner, equal to others of its kind, and the checks of its items."""
    checks: list[int] = []

    def take(check: int) -> int:
        checks.append(check)
        return 0

    return (int(Kind.STEP), updates, *with_checks(notes, take)), checks


def with_noted(notes: Sequence[Entry], checks: Sequence[int]) -> tuple[Entry, ...]:
    """The notes of ``step_entry``, with the checks of their items."""
    left = iter(checks)
    return with_checks(notes, lambda _: next(left))


def numbers_of(pairs: Sequence[tuple[int, int]]) -> dict[str, float]:
    """The hyper-parameters of ``set_entry``."""
    return {bytes_of(name).decode(): DOUBLE.unpack(bytes_of(x))[0] for name, x in pairs}


def with_checks(steps: Sequence[Entry], check: Callable[[int], int]) -> tuple[Entry, ...]:
    """Notes of steps, with other checks.

    Args:
        steps: of a cut.
        check: of an item, instead of the one that is noted; called in a fixed order, also of the items
            of inner cuts.

    Returns:
        The notes.
    """

    def of_answer(answer):
        if len(answer) < 4:
            return answer
        code, noted, stops, inner = answer
        return code, check(noted), stops, with_checks(inner, check)

    def of_event(event):
        kind, *answers = event
        return (kind, *map(of_answer, answers)) if kind == Event.ANSWERED else event

    return tuple(tuple(map(of_event, step)) for step in steps)

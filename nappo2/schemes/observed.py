"""The timing of a cut, as it happens and is noted.

A step of a cut is a function of the pipeline, params and seeds, but for six kinds of events, which
depend on the clock and on other processes: which calls were ready, what became of each, which lives
began, who answered, how workers met again, and who left. Each event is a tuple of whole numbers and of such
tuples, that begins with its kind; a step is the tuple of its events, in their order. ``Observed`` asks
a backend and notes the events; ``obeying.Obeyed`` has the same methods, and takes events from notes.
"""

import zlib
from collections.abc import Callable, Sequence
from enum import IntEnum
from time import monotonic
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict

from nappo2.machine.stop import Stop, current_stop, pause, stopped_by
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.saving.entries import Entry, decoded, encoded
from nappo2.saving.entry_file import CHECKS
from nappo2.schemes.backend import UNBOUNDED, Backend, Delivered, Lost, Parted, reduces
from nappo2.schemes.group import gather_bytes, group
from nappo2.trees import walk


class Event(IntEnum):
    """The kind of an event, and what follows it in the tuple."""

    BEGAN = 0  # the indices of workers whose lives began
    READY = 1  # the positions, among the pending calls, of those that were ready
    ANSWERED = 2  # for each of these calls its ``Answer``, alone or with check, stops and steps
    ASKED = 3  # the ``Answer`` of one worker
    MET = 4  # the ``Answer`` of each worker of a group
    LEFT = 5  # the indices of workers that left, where their number may change


class Answer(IntEnum):
    """What became of a call."""

    DELIVERED = 0
    RAISED = 1
    DIED = 2
    PARTED = 3


class Noted(NamedTuple):
    """A report, with what is noted of the call that it came from.

    Attributes:
        report: of the step.
        check: of the item, as ``check_of`` gives it.
        stops: for each rollout the step in it that was the last, because the worker was told to stop;
            0 if it was complete. Complete ones at the end are left out.
        steps: of the cut within the worker.
        group: the stops and the steps of all workers that met in the step; () if none did.
    """

    report: Report
    check: int
    stops: tuple[int, ...]
    steps: tuple[tuple, ...]
    group: tuple[tuple, ...] = ()


def digest(item: TensorDict) -> int:
    """The CRC-32 of all bytes of an item, by which two are compared."""
    value = 0
    for names, leaf in sorted(walk(item), key=lambda pair: pair[0]):
        value = zlib.crc32("/".join(names).encode(), value)
        data = leaf.detach().cpu().contiguous().reshape(-1)
        value = zlib.crc32(data.view(torch.uint8).numpy(), value) if len(data) else value
    return value


def check_of(item: TensorDict) -> int:
    """The lowest seven bits of an item's digest, which a record keeps: of 128 other items it passes one."""
    return digest(item) & CHECKS


def noting(source: Pipeline) -> Pipeline:
    """``source`` for a worker, whose reports are ``Noted``.

    Workers that meet tell each other what they note: one of them may be lost before it delivers.
    """
    meets = reduces(source)

    def step(params, state):
        rollouts = Rollouts(current_stop())
        with stopped_by(rollouts.stop()):
            state, item, report = source.step(params, state)
        state, steps = taken(state)
        notes = (rollouts.stops(), steps or ())
        of_all = notes_of_all(notes) if meets and group().size > 1 else ()
        return state, item, Noted(report, check_of(item), *notes, of_all)

    return source._replace(step=step)


def notes_of_all(notes: Entry) -> tuple[Entry, ...]:
    """What all workers of this group note, in their order."""
    return tuple(decoded(x, "what a worker notes") for x in gather_bytes(encoded(notes)))


def taken(state: dict[str, Any]) -> tuple[dict[str, Any], tuple[tuple, ...] | None]:
    """Takes the notes out of a pipeline's state.

    Args:
        state: after steps of the pipeline.

    Returns:
        The state without notes; and the notes of each step of the last cut since they were taken before,
        or None if it notes nothing.
    """
    for name, value in state.items():
        if getattr(value, "notes", None) is not None:
            return state | {name: value._replace(notes=())}, value.notes
    return state, None


class Rollouts:
    """Counts the steps of rollouts within a call, and where a worker was told to stop."""

    def __init__(self, outer: Stop):
        self.outer, self.count, self.last, self.complete = outer, 0, 0, []

    def stop(self) -> Stop:
        """The outer flag, with counters."""
        return self.outer._replace(asked=self._asked, arrived=self._arrived)

    def stops(self) -> tuple[int, ...]:
        """The last step of each rollout that was told to stop, and 0 of others, up to the last such."""
        last = max((i for i, stop in enumerate(self.complete, 1) if stop), default=0)
        return tuple(self.complete[:last])

    def _asked(self, share: float) -> bool:
        self.count += 1
        stops = self.outer.asked(share)
        if stops:
            self.last = self.count
        return stops

    def _arrived(self) -> None:
        self.complete.append(self.last)
        self.count, self.last = 0, 0
        self.outer.arrived()


class Observed:
    """The timing of one step of a cut, as it happens.

    Attributes:
        events: so far.
    """

    def __init__(self, backend: Backend):
        self.backend, self.events = backend, []

    def rest(self, due: float) -> None:
        """Waits until a life may begin, by ``time.monotonic``."""
        pause(due - monotonic())

    def begins(
        self, due: dict[int, float], idle: bool, room: Callable[[], int] = lambda: UNBOUNDED
    ) -> list[int]:
        """The workers whose lives begin now.

        Args:
            due: when the life of each worker that is lost or absent may begin.
            idle: whether nobody is at work, so that one is waited for.
            room: for how many there is room; asked if one is due.

        Returns:
            Their indices.
        """
        if not due:
            return []
        if idle:
            self.rest(min(due.values()))
        indices = [i for i, when in due.items() if when <= monotonic()]
        indices = indices[: max(0, room())] if indices else []
        self._note(Event.BEGAN, *indices)
        return indices

    def leaves(self, workers: dict[int, Any], num: int, before: Sequence[int]) -> list[int]:
        """The workers that leave, as they have no place any more.

        Args:
            workers: that are there, by their indices.
            num: how many may leave.
            before: indices of those that have left since the last step.

        Returns:
            The indices of all who have left.
        """
        positions = self.backend.leaving(list(workers.values()))
        indices = [*before, *(list(workers)[i] for i in positions[: max(0, num)])]
        self._note(Event.LEFT, *indices)
        return indices

    def wait(self, refs: list, num: int) -> list:
        """The first ``num`` calls to be ready, in order of the calls."""
        there = [ref for ref in refs if isinstance(ref, Delivered)][:num]
        others = [ref for ref in refs if not isinstance(ref, Delivered)]
        if len(there) < num:
            there += self.backend.wait(others, num - len(there))
        ready = [ref for ref in refs if ref in there]
        places = {id(ref): i for i, ref in enumerate(refs)}
        self._note(Event.READY, *(places[id(ref)] for ref in ready))
        return ready

    def get(self, ready: list, pending: list) -> list:
        """The answers of ready calls: ``(item, report)``, or ``Lost``."""
        others = [ref for ref in ready if not isinstance(ref, Delivered)]
        results = iter(self.backend.get(others) if others else ())
        answers = [x.result if isinstance(x, Delivered) else next(results) for x in ready]
        noted = [x[1] if not isinstance(x, Lost) else x for x in answers]
        self._note(Event.ANSWERED, *map(_answer, noted, notes_of_lost(ready, pending, noted)))
        return [
            (x[0], report.report) if isinstance(report, Noted) else x
            for x, report in zip(answers, noted, strict=True)
        ]

    def ask(self, worker: Any, fn: Callable) -> Any:
        """What a worker answers, as ``Backend.ask`` does.

        Raises:
            Exception: if it does not.
        """
        try:
            answer = self.backend.ask(worker, fn)
        except Exception:
            self._note(Event.ASKED, Answer.DIED)
            raise
        self._note(Event.ASKED, Answer.DELIVERED)
        return answer

    def regroup(self, workers: Sequence[Any], fns: Sequence[Callable]) -> list:
        """Has workers meet again: for each what its ``fn`` gives, or ``Lost``."""
        answers = self.backend.regroup(workers, fns)
        self._note(Event.MET, *(x for answer in answers for x in _answer(answer)))
        return answers

    def _note(self, kind: Event, *values: Any) -> None:
        self.events.append((int(kind), *values))


def notes_of_lost(ready: list, pending: list, noted: list) -> list[Entry]:
    """What is known of each ready call if it was lost: what the others of its group were told.

    Args:
        ready: calls.
        pending: all calls of the group, in its order.
        noted: of each ready call ``Noted``, a plain report, or ``Lost``.

    Returns:
        For each ready call no check (0), its stops and steps; () if nothing is known.
    """
    of_all = next((x.group for x in noted if isinstance(x, Noted) and x.group), ())
    if len(of_all) != len(pending):
        return [()] * len(ready)
    notes = {id(call): (0, *x) for call, x in zip(pending, of_all, strict=True)}
    return [notes[id(call)] for call in ready]


def _answer(answer: Any, if_lost: Entry = ()) -> tuple:
    """An answer in notes."""
    if isinstance(answer, Noted):
        return int(Answer.DELIVERED), answer.check, answer.stops, answer.steps
    if not isinstance(answer, Lost):
        return (int(Answer.DELIVERED),)
    if isinstance(answer.error, Parted):
        return int(Answer.PARTED), *if_lost
    return int(Answer.DIED if answer.died else Answer.RAISED), *if_lost

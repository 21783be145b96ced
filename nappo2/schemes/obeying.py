"""The timing of a cut, as it was noted in another run: workers in this process obey.

Each call of a worker that delivered is taken again, with the stops and the inner steps that are noted
of it. A call that was lost is not, as nothing of it was used; the next life of its worker begins where
it did.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from nappo2 import trees
from nappo2.machine.stop import Stop, current_stop, stopped_by
from nappo2.schemes.backend import (
    Backend,
    Delivered,
    Lost,
    Parted,
    SerialCall,
    Worker,
    reduces,
    serial,
)
from nappo2.schemes.group import in_turns
from nappo2.schemes.observed import Answer, Event, Noted, check_of

MOST_RESTARTS = 10**9  # whoever gave up did so in the run that was recorded


class RecordEnded(ValueError):
    """Raised where a step is to be taken of which nothing was noted."""


class OtherRun(ValueError):
    """Raised where a run is not the one that was noted: something differs that should not."""


class Orders(NamedTuple):
    """Steps of a cut that are to be taken again.

    Attributes:
        steps: the events of each.
        position: of the next one.
    """

    steps: Sequence[tuple]
    position: int = 0


def obeying(steps: Sequence[tuple]) -> Backend:
    """A backend in this process that obeys notes.

    Args:
        steps: of the last cut of a line, as ``taken`` gives them.

    Returns:
        The backend, for each cut of the line.
    """
    return serial._replace(
        preempt=lambda calls, share: None, max_restarts=MOST_RESTARTS, orders=Orders(steps)
    )


class Obeyed:
    """The timing of one step of a cut, as it was noted; the methods are those of ``Observed``.

    Args:
        orders: whose next step is taken.

    Attributes:
        events: none, as nothing is decided here.
        orders: from the step behind it on.

    Raises:
        RecordEnded: if there is no further step.
    """

    def __init__(self, orders: Orders):
        if orders.position >= len(orders.steps):
            raise RecordEnded(
                f"the record ends here: it has {len(orders.steps)} steps of this cut, and this would "
                "be another one"
            )
        self.events: list = []
        self.orders = orders._replace(position=orders.position + 1)
        self._left: Iterator[tuple] = iter(orders.steps[orders.position])

    def rest(self, due: float) -> None:
        """Waits for nothing."""

    def begins(self, due: dict[int, float], idle: bool, room: Any = None) -> list[int]:
        """The workers whose lives began.

        Args:
            due: of whom; those that were lost or absent.
            idle: of no meaning here.
            room: likewise.

        Returns:
            Their indices.
        """
        return list(self._next(Event.BEGAN)) if due else []

    def leaves(self, workers: dict[int, Any], num: int, before: Sequence[int]) -> list[int]:
        """The workers that left.

        Args:
            workers: of no meaning here.
            num: likewise.
            before: likewise.

        Returns:
            Their indices.
        """
        return list(self._next(Event.LEFT))

    def wait(self, refs: list, num: int) -> list:
        """The calls that were ready.

        Raises:
            OtherRun: if fewer are pending than were in the run that was noted.
        """
        places = self._next(Event.READY)
        if any(place >= len(refs) for place in places):
            raise OtherRun(f"{len(refs)} calls are pending, and the record has more: {OTHER}")
        return [refs[place] for place in places]

    def get(self, ready: list, pending: list) -> list:
        """The results of calls that delivered, and ``Lost`` for others."""
        answers = self._next(Event.ANSWERED)
        pairs = list(zip(ready, answers, strict=True))
        delivered = [call for call, answer in pairs if answer[0] == Answer.DELIVERED]
        if delivered and len(pending) > 1 and all(map(_meets, pending)):
            together(pending, pairs)
        return [
            taken_again(call, *answer[1:]) if answer[0] == Answer.DELIVERED else lost(answer[0])
            for call, answer in pairs
        ]

    def ask(self, worker: Worker, fn: Callable) -> Any:
        """What a worker answers.

        Raises:
            ConnectionError: if it did not in the run that was noted.
        """
        (code,) = self._next(Event.ASKED)
        if code != Answer.DELIVERED:
            raise lost(code).error
        return worker.ask(fn)

    def regroup(self, workers: Sequence[Worker], fns: Sequence[Callable]) -> list:
        """Has workers begin anew, unless one was lost meanwhile, after which all of them do so again."""
        codes = self._next(Event.MET)
        if any(code != Answer.DELIVERED for code in codes):
            return [None if code == Answer.DELIVERED else lost(code) for code in codes]
        answers = [worker.ask(fn) for worker, fn in zip(workers, fns, strict=True)]
        for worker in workers:  # they share what all of them have begun with, and write to it
            worker.state = trees.map(_cloned, worker.state, is_leaf=_is_whole)
        return answers

    def _next(self, kind: Event) -> tuple:
        event = next(self._left, None)
        if event is None or event[0] != kind:
            raise OtherRun(f"this step does other things than the record says: {OTHER}")
        return event[1:]


OTHER = "it is that of another pipeline, of other params or of another seed"


class ObeyedStops:
    """The stop flag of a call, which is raised at the steps that were noted."""

    def __init__(self, stops: Sequence[int]):
        self.count, self.stops = 0, iter(stops)
        self.last = next(self.stops, 0)

    def stop(self, outer: Stop) -> Stop:
        """The flag; interrupts are those of ``outer``."""
        return outer._replace(asked=self._asked, arrived=self._arrived)

    def _asked(self, share: float) -> bool:
        self.count += 1
        return self.count == self.last or current_stop().interrupted()

    def _arrived(self) -> None:
        self.count, self.last = 0, next(self.stops, 0)


def taken_again(
    call: SerialCall | Delivered,
    expected: int | None = None,
    stops: Sequence[int] = (),
    steps: Any = (),
) -> tuple:
    """The result of a call, as it was delivered.

    Args:
        call: a step of a worker, or one whose result is there.
        expected: check of the item; None if none was noted.
        stops: of its rollouts.
        steps: of the cut within the worker.

    Returns:
        ``(item, report)``.

    Raises:
        OtherRun: if the item is another one.
    """
    if hasattr(call, "result"):  # as one of a group, or of a checkpoint
        item, report = call.result
    else:
        item, report = _step(call, stops, steps)
    if expected is not None and check_of(item) != expected:
        where = ""
        if isinstance(call, SerialCall):
            version, pipeline = int(call.params["version"]), call.worker.pipeline
            where = f" with params of version {version} a worker of {pipeline!r} delivers it;"
        raise OtherRun(
            f"an item is another than the one that was recorded:{where} an environment or a stage is "
            "not a function of its seed, or something was changed"
        )
    return item, report.report if isinstance(report, Noted) else report


def _meets(call: Any) -> bool:
    return isinstance(call, SerialCall) and reduces(call.worker.pipeline)


def _step(call: SerialCall, stops: Sequence[int], steps: Sequence[tuple] | None) -> tuple:
    worker = call.worker
    worker.state = ordered(worker.state, None if steps is None else Orders(steps))
    flag = ObeyedStops(stops).stop(current_stop()._replace(each_rollout=call.each_rollout))
    with stopped_by(flag):
        return worker.step(call.params)


def ordered(state: dict[str, Any], orders: Orders | None) -> dict[str, Any]:
    """A pipeline's state, whose cut obeys these orders if it obeys any."""
    return {
        name: value._replace(orders=orders) if getattr(value, "orders", None) is not None else value
        for name, value in state.items()
    }


def together(pending: Sequence[SerialCall], pairs: Sequence[tuple[SerialCall, tuple]]) -> None:
    """Takes the calls of a group in turns, once; also those of workers that were lost after they had met."""
    if any(hasattr(call, "result") for call in pending):
        return
    noted = {id(call): answer[2:] for call, answer in pairs}
    unknown = ((), None)  # of a call that is answered later

    def fn(call):
        return lambda: _step(call, *(noted.get(id(call)) or unknown))

    results = in_turns([fn(call) for call in pending])
    for call, result in zip(pending, results, strict=True):
        call.result = result


def lost(code: int) -> Lost:
    """The answer of a call that was lost in the run that was noted."""
    if code == Answer.PARTED:
        return Lost(Parted("another worker of the group was lost"), died=False)
    return Lost(ConnectionError("lost in the run that is replayed"), died=code == Answer.DIED)


def _cloned(leaf: Any) -> Any:
    return leaf.clone() if isinstance(leaf, torch.Tensor) or trees.is_tensordict(leaf) else leaf


def _is_whole(node: Any) -> bool:
    """Tests for a node that is no plain tree, such as the workers of an inner cut."""
    return hasattr(node, "ask") or trees.is_tensordict(node)

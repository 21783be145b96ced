"""Calls of actors: which are ready, what they returned, and which are lost.

Ray waits in C++, where no signal is heard: so these functions wait a tenth of a second at a time.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from nappo2.machine.stop import SLICE_SECONDS, check_interrupt, current_stop
from nappo2.schemes.backend import Lost
from nappo2.schemes.remote.cluster import has_process, without_process
from nappo2.schemes.transfer import unpack

log = logging.getLogger("nappo2")
SLOW_SECONDS = 10.0  # after which it is said what an answer may wait for
HURRY_SECONDS = 0.5  # for an answer, while a run ends
WAITS_SECONDS = 1.0  # in which an actor says whether it waits for the others of its group


class RemoteCall(NamedTuple):
    """A pending call of an actor."""

    object: ray.ObjectRef
    actor: Any
    call: int
    since: float  # by time.monotonic, when the deadline begins to count
    grouped: bool  # whether it may have to wait for the calls of others


class Handle:
    """An actor and the driver's books of it.

    Args:
        actor: the actor.
        grouped: whether it is one of a group.
        num_actors: number of actors, with those of its own inner cuts.

    Attributes:
        calls: number of its steps.
    """

    def __init__(self, actor: Any, grouped: bool, num_actors: int = 1):
        self.actor, self.grouped, self.num_actors = actor, grouped, num_actors
        self.calls, self._placed = 0, False

    def placed(self) -> bool:
        """Whether the actor has found a place and a process."""
        self._placed = self._placed or has_process(self.actor)
        return self._placed


def wait_until(refs: list[RemoteCall], num: int, deadline: float) -> list[RemoteCall]:
    """Waits for the first calls to be ready or overdue.

    Args:
        refs: pending calls, in order of the calls.
        num: how many are wanted.
        deadline: seconds after which a call is overdue, from the end of the one before it.

    Returns:
        At most ``num`` calls, in order of the calls, so that sums are reproducible.
    """
    by_object = {ref.object: ref for ref in refs}
    calls = {ref.actor: 0 for ref in refs}
    ends = {}
    for ref in refs:  # a call begins when the one before it has ended
        calls[ref.actor] += 1
        ends[ref] = ref.since + deadline * calls[ref.actor]
    while True:
        check_interrupt()
        left = max(0.0, min(ends.values()) - monotonic())
        seconds = min(left, SLICE_SECONDS)
        ready, _ = ray.wait(list(by_object), num_returns=num, timeout=seconds, fetch_local=False)
        late = [ref for ref in refs if monotonic() >= ends[ref] and ref.object not in ready]
        waiting = [ref for ref in late if ref.grouped and waits(ref.actor)]
        ends |= {ref: ends[ref] + deadline for ref in waiting}  # the one it waits for is overdue
        overdue = [ref.object for ref in late if ref not in waiting]
        chosen = {*ready, *overdue}
        if len(ready) >= num or overdue:
            first = [ref for ref in refs if ref.object in ready] + [
                ref for ref in refs if ref.object in chosen and ref.object not in ready
            ]
            return earliest(refs, first[:num])


def earliest(refs: Sequence[RemoteCall], chosen: Sequence[RemoteCall]) -> list[RemoteCall]:
    """The first calls of each actor, as many as are ``chosen`` of it.

    An actor takes its calls in order, but of two that are ready Ray may name the second. Results that
    are taken in order can be computed again in order.
    """
    left = Counter(ref.actor for ref in chosen)
    calls = []
    for ref in refs:
        if left[ref.actor]:
            left[ref.actor] -= 1
            calls.append(ref)
    return calls


def waits(actor: Any) -> bool:
    """Asks an actor whether it waits for the others of its group."""
    try:
        return ray.get(actor.waits.remote(), timeout=WAITS_SECONDS)
    except RayError:
        return False


def get(refs: list[RemoteCall], deadline: float) -> list:
    """The results of ready calls, or ``Lost``."""
    late = TimeoutError(f"a step took more than {deadline} s")
    return [result(ref.object, late) for ref in refs]


def result(ref: ray.ObjectRef, late: Exception) -> Any:
    """The result of a call, or ``Lost``: ``late`` if it is not ready."""
    ready, _ = ray.wait([ref], timeout=0, fetch_local=False)  # it may be on another node
    if not ready:
        return Lost(late, died=True)
    try:
        return unpack(ray.get(ref))
    except RayTaskError as error:
        cause = error.cause
        cause.__cause__ = error  # which has the traceback of the worker
        return Lost(cause, died=False)
    except RayError as error:
        return Lost(error, died=True)


def answers(
    refs: Sequence[ray.ObjectRef],
    actors: Sequence[Any],
    seconds: float,
    late: Exception,
    patience: float = math.inf,
) -> list:
    """Waits for all of these calls.

    Args:
        refs: the calls.
        actors: the actors that were called.
        seconds: in which they are to answer.
        late: the error of those that do not.
        patience: seconds in which the others are to answer once one is lost, if they may wait for it.

    Returns:
        For each call its result, or ``Lost``.
    """
    end, pending, slow = monotonic() + seconds, list(refs), Slow(actors)
    while pending and monotonic() < end:
        check_interrupt()
        slow.warn_once()
        ready, pending = ray.wait(pending, timeout=SLICE_SECONDS, fetch_local=False)
        if any(isinstance(result(ref, late), Lost) for ref in ready):
            end = min(end, monotonic() + patience)
    return [result(ref, late) for ref in refs]


def answer(
    ref: ray.ObjectRef, actor: Any, seconds: float, check: Callable[[], None] = lambda: None
) -> Any:
    """Waits for the result of a call.

    Args:
        ref: the call.
        actor: the actor that was called.
        seconds: in which it is to answer; fewer once the run is interrupted.
        check: called while there is no answer, to break off.

    Returns:
        The result.

    Raises:
        TimeoutError: if there is none within ``seconds``.
    """
    end, hurried, slow = monotonic() + seconds, False, Slow([actor])
    while True:
        try:
            return unpack(ray.get(ref, timeout=max(0.0, min(end - monotonic(), SLICE_SECONDS))))
        except RayTaskError as error:
            raise error.cause from error
        except GetTimeoutError:
            if monotonic() >= end:
                reason = f"; {words}" if (words := without_process([actor])) else ""
                raise TimeoutError(
                    f"a worker did not answer within {seconds:g} s{reason}"
                ) from None
            check()
            slow.warn_once()
            if current_stop().interrupted() and not hurried:
                end, hurried = min(end, monotonic() + HURRY_SECONDS), True


class Slow:
    """Warns once of actors that do not answer for long because they have no process yet."""

    def __init__(self, actors: Sequence[Any]):
        self.actors, self.due = actors, monotonic() + SLOW_SECONDS

    def warn_once(self) -> None:
        """Warns if the time has come and some actors have no process."""
        if monotonic() >= self.due:
            self.due = math.inf
            if words := without_process(self.actors):
                log.warning("after %g s %s", SLOW_SECONDS, words)

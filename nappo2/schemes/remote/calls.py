"""Calls of actors: which are ready, what they gave, and which are lost."""

from time import monotonic
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError, RayTaskError

from nappo2.schemes.backend import Lost
from nappo2.schemes.parcels import unpack


class Ref(NamedTuple):
    """A call on its way."""

    object: ray.ObjectRef
    actor: Any
    call: int
    since: float  # by time.monotonic, when the deadline begins to count


class Handle:
    """An actor, and how many steps it was called for."""

    def __init__(self, actor: Any):
        self.actor, self.calls = actor, 0


def wait_until(refs: list[Ref], num: int, deadline: float) -> list[Ref]:
    """The first ``num`` calls to be ready or overdue, in call order, so that sums are reproducible."""
    by_object = {ref.object: ref for ref in refs}
    calls = {ref.actor: 0 for ref in refs}
    ends = {}
    for ref in refs:  # a call begins when the one before it has ended
        calls[ref.actor] += 1
        ends[ref] = ref.since + deadline * calls[ref.actor]
    while True:
        left = max(0.0, min(ends.values()) - monotonic())
        ready, _ = ray.wait(list(by_object), num_returns=num, timeout=left, fetch_local=False)
        overdue = [ref.object for ref in refs if monotonic() >= ends[ref]]
        chosen = {*ready, *overdue}
        if len(ready) >= num or overdue:
            first = [ref for ref in refs if ref.object in ready] + [
                ref for ref in refs if ref.object in chosen and ref.object not in ready
            ]
            return [ref for ref in refs if ref in first[:num]]


def get(refs: list[Ref], deadline: float) -> list:
    """What the calls gave, or why they are lost."""
    return [_result(ref, deadline) for ref in refs]


def _result(ref: Ref, deadline: float) -> Any:
    ready, _ = ray.wait([ref.object], timeout=0, fetch_local=False)  # it may be on another node
    if not ready:
        return Lost(TimeoutError(f"a step took more than {deadline} s"), died=True)
    try:
        return unpack(ray.get(ref.object))
    except RayTaskError as error:
        cause = error.cause
        cause.__cause__ = error  # which has the traceback of the worker
        return Lost(cause, died=False)
    except RayError as error:
        return Lost(error, died=True)

"""A number of workers that may change: workers join when there is room, and leave when there is none.

Who is absent is a member without a worker, as one between two lives is. So to join is a life that begins,
from ``fold_in(seed, its number)``, and is decided and noted where the lives of lost workers are; a lost
worker for whom there is no room is absent. Who has no place any more leaves at the beginning of a step.
"""

from collections.abc import Callable, Sequence
from typing import Any

from nappo2.pipeline import Between
from nappo2.schemes.backend import Backend


def bounds_of(num_workers: int | Between) -> tuple[int, int]:
    """The fewest and the most workers of a number, which may change."""
    if isinstance(num_workers, Between):
        return num_workers.least, num_workers.most
    return num_workers, num_workers


def where_states(
    members: Sequence[Any],
    states: Sequence[Any],
    least: int,
    backend: Backend,
    begin: Callable[[int], Any],
) -> tuple[tuple, tuple[int, ...]]:
    """Workers where others had states, and nowhere else, as far as there is room for them.

    Args:
        members: of a cut that begins.
        states: by the numbers of workers; empty where there was none.
        least: the fewest workers there may be; with fewer states, the members stay.
        backend: where the workers are.
        begin: ``index -> worker``.

    Returns:
        The members, and the indices of those for whom there is no room.
    """
    wanted = [i for i, state in enumerate(states[: len(members)]) if state]
    if len(wanted) < least:
        return tuple(members), ()
    kept = [m if i in wanted else _ended(m, backend) for i, m in enumerate(members)]
    there = [member.worker for member in kept if member.worker is not None]
    missing = [i for i in wanted if kept[i].worker is None]
    num = max(0, least - len(there), backend.room(there))
    for i in missing[:num]:
        kept[i] = kept[i]._replace(worker=begin(i))
    return tuple(kept), tuple(missing[num:])


def _ended(member: Any, backend: Backend) -> Any:
    """A member without a worker."""
    if member.worker is not None:
        backend.stop([member.worker])
    return member._replace(worker=None)

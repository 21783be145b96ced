"""How the driver lets the actors of a cut meet, at first and when one of them was lost."""

from collections.abc import Callable, Sequence

from ray import cloudpickle

from nappo2.schemes.backend import Lost
from nappo2.schemes.remote.calls import Handle, answers

JOIN_SECONDS = 5.0  # in which the others of a group notice that one was lost while they met


def join_group(workers: Sequence[Handle], seconds: float) -> list[Lost | None]:
    """Lets workers meet.

    Args:
        workers: of a cut, in their order.
        seconds: in which each is to answer.

    Returns:
        For each None, or ``Lost``.
    """
    late = TimeoutError("a worker did not meet the others of its group in time")
    actors = [worker.actor for worker in workers]
    for _ in range(2):  # while some start, others may be lost
        nodes = answers([actor.node.remote() for actor in actors], actors, seconds, late)
        if any(isinstance(node, Lost) for node in nodes):
            return [node if isinstance(node, Lost) else None for node in nodes]
    (place,) = answers([actors[0].meet.remote(nodes)], actors[:1], seconds, late)
    if isinstance(place, Lost):
        return [place, *[None] * (len(actors) - 1)]
    joined = [actor.join.remote(place, i, len(actors)) for i, actor in enumerate(actors)]
    return answers(joined, actors, seconds, late, patience=JOIN_SECONDS)


def regroup(
    workers: Sequence[Handle], fns: Sequence[Callable], join_seconds: float, seconds: float
) -> list:
    """Has workers meet again, and then asks each its ``fn``, as ``Backend.regroup`` does.

    Args:
        workers: of a cut, in their order.
        fns: a function for each.
        join_seconds: in which each is to meet the others.
        seconds: in which it is to answer.

    Returns:
        For each what its function gave, or ``Lost``.
    """
    if any(lost := join_group(workers, join_seconds)):
        return lost
    late = TimeoutError(f"a worker did not begin anew within {seconds:g} s")
    actors = [worker.actor for worker in workers]
    refs = [actor.ask.remote(cloudpickle.dumps(fn)) for actor, fn in zip(actors, fns, strict=True)]
    return answers(refs, actors, seconds, late)

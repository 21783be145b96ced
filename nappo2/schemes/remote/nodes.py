"""What workers need, what the nodes of a cluster have, and the sentence where these do not meet."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import ray

from nappo2.checks import explained
from nappo2.pipeline import Pipeline
from nappo2.schemes.backend import UNBOUNDED

Needs = Mapping[str, float]
"""Resources of a worker by name, as Ray calls them: CPU, GPU, and one's own."""
MOST_NODES = 6  # of which a sentence tells


class Node(NamedTuple):
    """A node of the cluster.

    Attributes:
        id: of it, in Ray.
        name: by which people know it: its address, unless it was given another one.
        whole: all of its resources.
        free: those that nobody has reserved.
    """

    id: str
    name: str
    whole: Mapping[str, float]
    free: Mapping[str, float]


def needs_of(num_cpus: float, num_gpus: float, resources: Needs | None) -> dict[str, float]:
    """The resources of a worker.

    Args:
        num_cpus: of a worker.
        num_gpus: of a worker.
        resources: further ones by name.

    Returns:
        Those of which it needs some.
    """
    needs = {"CPU": num_cpus, "GPU": num_gpus, **(resources or {})}
    return {name: x for name, x in needs.items() if x}


def all_needs(pipeline: Pipeline, num: int, needs: Needs) -> list[Needs]:
    """What each actor of some workers of a pipeline needs, with the workers of its inner cuts.

    Args:
        pipeline: that the workers run.
        num: number of workers.
        needs: of each of these.

    Returns:
        The needs of the workers themselves, and behind them those of inner cuts.
    """
    each, times = [needs] * num, num
    for stage in reversed(pipeline.stages):
        if stage.cut is not None and stage.cut.remote:
            times *= stage.cut.num_workers
            each += [stage.cut.needs] * times
    return each


@explained
def actors_of(pipeline: Pipeline, num: int) -> int:
    """Number of actors of ``num`` workers of a pipeline, with the workers of its inner cuts."""
    return len(all_needs(pipeline, num, {}))


def nodes(refused: Iterable[str] = ()) -> list[Node]:
    """The nodes that are alive, but for some."""
    free = ray._private.state.available_resources_per_node()
    return [
        Node(x["NodeID"], name_of(x), x["Resources"], free.get(x["NodeID"], {}))
        for x in ray.nodes()
        if x["Alive"] and x["NodeID"] not in refused
    ]


def name_of(node: Mapping[str, Any]) -> str:
    """The name of a node of ``ray.nodes()``, and its address."""
    name, address = node.get("NodeName"), node["NodeManagerAddress"]
    return address if name in (None, "", address) else f"{name} ({address})"


def fit(each: Iterable[Needs], rooms: Iterable[Needs]) -> bool:
    """Tests whether all find room at once, the neediest first, each in the first room that has it."""
    return _take(each, [dict(room) for room in rooms])


def num_fitting(each: Sequence[Needs], rooms: Iterable[Needs]) -> int:
    """How many times some needs find room, one time after the other."""
    if not any(each):
        return UNBOUNDED
    left = [dict(room) for room in rooms]
    return next(num for num in count() if not _take(each, left))


def _take(each: Iterable[Needs], left: Sequence[dict[str, float]]) -> bool:
    """Takes what each needs from the rooms that are left; False if one finds none."""
    for needs in sorted(each, key=lambda x: -sum(x.values())):
        room = next((room for room in left if _has(room, needs)), None)
        if room is None:
            return False
        for name, x in needs.items():
            room[name] = room.get(name, 0) - x
    return True


def _has(room: Needs, needs: Needs) -> bool:
    return all(room.get(name, 0) >= x - 1e-6 for name, x in needs.items())


def no_place(each: Sequence[Needs], refused: Mapping[str, str], placement: str) -> str:
    """The sentence about workers that find no place: what they need, and what the nodes have.

    Args:
        each: what each needs.
        refused: nodes that are left out, with the reason.
        placement: how they are to be placed.

    Returns:
        The sentence.
    """
    there = nodes(refused)
    names = sorted({name for needs in each for name in needs})
    remedy = _remedy(each, there, placement)
    left_out = "".join(f"; {reason}" for reason in refused.values())
    return (
        f"{_workers(len(each))} {'find' if len(each) > 1 else 'finds'} no place: {_needed(each)}, and "
        f"{_free(there, names)}; {remedy}{left_out}"
    )


def _remedy(each: Sequence[Needs], there: Sequence[Node], placement: str) -> str:
    if impossible := [x for x in each if not any(_has(node.whole, x) for node in there)]:
        return f"no node has {in_words(impossible[0]) or 'the right packages'}"
    if fit(each, [node.free for node in there]):
        return f"there is room for all, but not by placement={placement!r}"
    return "the workers of a Learner that is no longer needed go with learner.close()"


def in_words(needs: Needs) -> str:
    """Such as "1 CPU and 0.5 GPU"."""
    return " and ".join(f"{x:g} {name}" for name, x in needs.items())


def _workers(num: int) -> str:
    return f"{num} workers" if num > 1 else "a worker"


def _needed(each: Sequence[Needs]) -> str:
    """What each needs, such as "2 need 1 GPU and 1 needs 1 CPU"."""
    asked = Counter(in_words(needs) or "no resources" for needs in each)
    if len(asked) == 1:
        return f"{'each' if len(each) > 1 else 'it'} needs {next(iter(asked))}"
    pairs = [f"{num} {'need' if num > 1 else 'needs'} {words}" for words, num in asked.items()]
    return f"{', '.join(pairs[:-1])} and {pairs[-1]}"


def _share(node: Node, name: str) -> str:
    if not node.whole.get(name):
        return f"no {name}"
    return f"{node.free.get(name, 0):g} of {node.whole[name]:g} {name}"


def _free(there: Sequence[Node], names: Sequence[str]) -> str:
    """What each node has free of some resources, the freest nodes first."""
    if not there:
        return "there is no node for them"
    freest = sorted(there, key=lambda node: [-node.free.get(name, 0) for name in names])
    each = [
        f"{node.name} has " + " and ".join(_share(node, x) for x in names)
        for node in freest[:MOST_NODES]
    ]
    rest = len(there) - len(each)
    return ", ".join(each) + " free" + (f", and {rest} other nodes no more" if rest else "")

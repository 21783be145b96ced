"""Places for workers: what the nodes have free, and groups of places that Ray reserves.

Ray lets a worker that fits nowhere wait without a word. So places are looked for before workers are
made, and where there are none, a sentence says what is needed and what the nodes have. A placement
group that is not ready is also what Ray's autoscaler sees, so that a cluster grows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Literal, NamedTuple

import ray
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from nappo2.checks import explained
from nappo2.machine.stop import check_interrupt
from nappo2.pipeline import Pipeline
from nappo2.schemes.remote.joining import is_own

Needs = Mapping[str, float]
"""Resources of a worker by name, as Ray calls them: CPU, GPU, and one's own."""
Placement = Literal["spread", "pack", "strict_spread", "strict_pack"]
PAUSE_SECONDS = 0.05
MOST_NODES = 6  # of which a sentence tells


class NoPlace(RuntimeError, ValueError):
    """Raised if no node has room for workers in time."""


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


class Reserved:
    """A placement group, with room for some workers, and how many have a place there."""

    def __init__(self, group: PlacementGroup, size: int):
        self.group, self.size, self.taken = group, size, 0

    def leave(self) -> None:
        """Gives a place back; the group ends with the last."""
        self.taken -= 1
        if not self.taken:
            remove_placement_group(self.group)


def needs_of(num_cpus: float, num_gpus: float, resources: Needs | None) -> dict[str, float]:
    """The resources of a worker, without those of which it needs none."""
    needs = {"CPU": num_cpus, "GPU": num_gpus, **(resources or {})}
    return {name: x for name, x in needs.items() if x}


def all_needs(pipeline: Pipeline, num: int, needs: Needs) -> list[Needs]:
    """What each actor of ``num`` workers of a pipeline needs, and those of its inner cuts."""
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
    left = [dict(room) for room in rooms]
    for needs in sorted(each, key=lambda x: -sum(x.values())):
        room = next((room for room in left if _has(room, needs)), None)
        if room is None:
            return False
        for name, x in needs.items():
            room[name] = room.get(name, 0) - x
    return True


def _has(room: Needs, needs: Needs) -> bool:
    return all(room.get(name, 0) >= x for name, x in needs.items())


def wait_for_room(each: Sequence[Needs], seconds: float, refused: Mapping[str, str]) -> None:
    """Waits until the nodes have room for all.

    Args:
        each: what each needs.
        seconds: in which they have.
        refused: nodes that are left out, with the reason.

    Raises:
        NoPlace: if they have not; at once if this process started Ray and nothing can be added.
    """
    if not fit(each, [node.free for node in nodes(refused)]):
        remove_placement_group(reserve(each, "pack", seconds, refused))


def reserve(
    each: Sequence[Needs], placement: Placement, seconds: float, refused: Mapping[str, str]
) -> PlacementGroup:
    """Reserves places, all at once, as soon as the nodes have them.

    Args:
        each: what each needs.
        placement: "spread" over nodes or "pack" onto few, as far as that is possible, or strictly.
        seconds: in which they have.
        refused: nodes that are left out, with the reason.

    Returns:
        Ray's placement group, which is ready.

    Raises:
        NoPlace: if they have not; at once if this process started Ray and nothing can be added.
    """
    bundles = [dict(needs) for needs in each if needs]
    selector = [elsewhere(refused)] * len(bundles) if refused else None
    if is_own() and not all(fit([x], [node.whole for node in nodes()]) for x in bundles):
        raise NoPlace(no_place(each, refused))
    group = placement_group(bundles, placement.upper(), bundle_label_selector=selector)
    end = monotonic() + seconds
    try:
        while placement_group_table(group)["state"] != "CREATED":
            check_interrupt()
            if monotonic() > end:
                raise NoPlace(no_place(each, refused))
            sleep(PAUSE_SECONDS)
    except BaseException:
        with suppress(Exception):  # the error above says more
            remove_placement_group(group)
        raise
    return group


def elsewhere(refused: Iterable[str]) -> dict[str, str]:
    """Ray's label selector of all nodes but some."""
    return {"ray.io/node-id": f"!in({', '.join(sorted(refused))})"}


def place_beside(others: Iterable[Any], num: int) -> Reserved | None:
    """The group of other workers of the same cut in which ``num`` places are empty; None if there is none."""
    groups = (worker.reserved for worker in others if worker.reserved is not None)
    return next((group for group in groups if group.size - group.taken >= num), None)


def placed(reserved: Reserved | None, refused: Mapping[str, str]) -> dict[str, Any]:
    """The options by which an actor of Ray gets its place."""
    if reserved is not None:
        reserved.taken += 1
        return {"scheduling_strategy": PlacementGroupSchedulingStrategy(reserved.group)}
    return {"label_selector": elsewhere(refused)} if refused else {}


def no_place(each: Sequence[Needs], refused: Mapping[str, str]) -> str:
    """The sentence about workers that find no place: what they need, and what the nodes have."""
    there = nodes(refused)
    asked = Counter(in_words(needs) for needs in each if needs)
    (words, num), *more = asked.items()
    needed = _listed(asked) if more else f"{'each' if num > 1 else 'it'} needs {words}"
    names = sorted({name for needs in each for name in needs})
    impossible = [x for x in each if not any(_has(node.whole, x) for node in there)]
    remedy = (
        f"no node has {in_words(impossible[0])}"
        if impossible
        else "the workers of a Learner that is no longer needed go with learner.close()"
    )
    left_out = "".join(f"; {reason}" for reason in refused.values())
    return (
        f"{_workers(len(each))} {'find' if len(each) > 1 else 'finds'} no place: {needed}, and "
        f"{_free(there, names)}; {remedy}{left_out}"
    )


def in_words(needs: Needs) -> str:
    """Such as "1 CPU and 0.5 GPU"."""
    return " and ".join(f"{x:g} {name}" for name, x in needs.items())


def _workers(num: int) -> str:
    return f"{num} workers" if num > 1 else "a worker"


def _listed(asked: Mapping[str, int]) -> str:
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

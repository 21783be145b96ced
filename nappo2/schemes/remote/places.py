"""Places for workers: what the nodes have free, and groups of places that Ray reserves.

Ray lets a worker that fits nowhere wait without a word. So places are looked for before workers are
made, and where there are none, a sentence says what is needed and what the nodes have. A placement
group that is not ready is also what Ray's autoscaler sees, so that a cluster grows.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Literal

from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from nappo2.machine.stop import check_interrupt
from nappo2.schemes.remote.joining import is_own
from nappo2.schemes.remote.nodes import Needs, fit, no_place, nodes

Placement = Literal["spread", "pack", "strict_spread", "strict_pack"]
PAUSE_SECONDS = 0.05


class NoPlace(RuntimeError, ValueError):
    """Raised if no node has room for workers in time."""


class Reserved:
    """A placement group, with room for some workers, and how many have a place there."""

    def __init__(self, group: PlacementGroup, size: int):
        self.group, self.size, self.taken = group, size, 0

    def leave(self) -> None:
        """Gives a place back; the group ends with the last."""
        self.taken -= 1
        if not self.taken:
            remove_placement_group(self.group)


def reserved_places(
    each: Sequence[Needs],
    others: Iterable[Any],
    placement: Placement | None,
    seconds: float,
    refused: Mapping[str, str],
) -> Reserved | None:
    """Reserves places for workers, if they are to be placed.

    Args:
        each: what each needs.
        others: workers of the same cut, among whose places some may be empty.
        placement: "spread" or "pack", strictly or not; None reserves nothing.
        seconds: in which there is room.
        refused: nodes that are left out, with the reason.

    Returns:
        The group of their places, or None.

    Raises:
        NoPlace: if they have none; at once if this process started Ray and nothing can be added.
    """
    if placement is None:
        return None
    beside = place_beside(others, len(each))
    return beside or Reserved(reserve(each, placement, seconds, refused), len(each))


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
    if not bundles:  # and yet there is no node for them
        raise NoPlace(no_place(each, refused, placement))
    selector = [elsewhere(refused)] * len(bundles) if refused else None
    if is_own() and not all(fit([x], [node.whole for node in nodes()]) for x in bundles):
        raise NoPlace(no_place(each, refused, placement))
    group = placement_group(bundles, placement.upper(), bundle_label_selector=selector)
    end = monotonic() + seconds
    try:
        while placement_group_table(group)["state"] != "CREATED":
            check_interrupt()
            if monotonic() > end:
                raise NoPlace(no_place(each, refused, placement))
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

"""The items of all stages in one step, as a profiler sees them: nothing in a pipeline knows of it."""

import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from nappo2 import trees
from nappo2.pipeline.making import _timed_step


class Item(NamedTuple):
    """An item, by its leaves, and the name of the stage that gave it."""

    stage: str
    leaves: dict[str, Tensor]


def traced(step: Callable[[], Any]) -> list[Item]:
    """Takes a step, also of workers in this process, and keeps the items of its stages.

    Args:
        step: such as that of a Learner.

    Returns:
        Copies of the items, in the order in which the stages gave them.
    """
    items: list[Item] = []

    def see(frame, event, result):
        if event == "return" and frame.f_code is CODE and result is not None:
            items.append(Item(frame.f_locals["name"], leaves_of(result[1])))

    before = sys.getprofile()
    sys.setprofile(see)
    threading.setprofile(see)  # workers that meet take turns in threads
    try:
        step()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    return items


def leaves_of(value: Any) -> dict[str, Tensor]:
    """Copies of the tensors [...] in a tree, by their paths, such as ``next/reward``."""
    leaves: dict[str, Tensor] = {}
    for name, part in trees.children(value) or ():
        if isinstance(part, Tensor):
            leaves[str(name)] = part.detach().clone()
        else:
            leaves |= {f"{name}/{inner}": x for inner, x in leaves_of(part).items()}
    return leaves


CODE = _timed_step.__code__

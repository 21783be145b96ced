"""What is not finite, where it enters: raised, dropped or clipped, and counted.

A rollout has what was acted on under ``observation``, which after a reset no step gave, and what came
of it under ``next``. A policy acts on what ``finite`` makes of an observation, and the
rollout keeps just that.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked, explained

NonFinite = Callable[[str, dict], tuple[dict, int]]
"""``(name, rollout) -> (rollout, how many were bad)``.

The rollout has ``is_init`` [T, B], whether an episode began with the observation. If there is a
``limit``, policies act on it where an observation is infinite; otherwise on 0.
"""


@explained
def fail(name: str, rollout: dict) -> tuple[dict, int]:
    """Ends the run, and says where it came from.

    Raises:
        ValueError: if an observation or a reward is not finite; names environment, key and step.
    """
    acted_on, given = _tensors(rollout)
    checked = [(", from reset", acted_on), ("", given)]
    faults = [
        (x.isfinite().logical_not().nonzero()[0].tolist(), source, key, x)
        for source, tensors in checked
        for key, x in tensors.items()
        if not x.isfinite().all()
    ]
    if not faults:
        return rollout, 0
    (t, b, *index), source, key, x = min(faults, key=lambda fault: fault[0][0])
    what = "a reward" if key.endswith("reward") else "an observation"
    raise ValueError(
        f"environment {b} of {name} gave {what} that is not finite, at step {t} of the rollout"
        f"{source}: {key}{index or ''} is {x[(t, b, *index)].item()}"
    )


@explained
def mask(name: str, rollout: dict) -> tuple[dict, int]:
    """Masks transitions from and to what is not finite; the trace is cut before them."""
    left, reached = map(_bad, _tensors(rollout))
    masked = left | reached
    if not masked.any():
        return rollout, 0
    return _repaired(rollout, 0.0) | {"mask": ~masked}, _count(rollout, left, reached)


def cut_at_masked(rollout: dict) -> dict:
    """A rollout whose traces end before, and at, transitions that are masked: they are truncated."""
    masked, reached = ~rollout["mask"], rollout["next"]
    before = torch.cat([masked[1:], torch.zeros_like(masked[:1])]) & ~masked
    cut = (masked | before) & ~reached["done"]
    return {
        **rollout,
        "next": reached | {key: reached[key] | cut for key in ("truncated", "done")},
    }


class Clip(NamedTuple):
    """What ``clamp`` makes."""

    limit: float

    def __call__(self, name: str, rollout: dict) -> tuple[dict, int]:
        """Repairs a rollout; its observations are then those that the policy acted on."""
        left, reached = map(_bad, _tensors(rollout))
        if not (left | reached).any():
            return rollout, 0
        return _repaired(rollout, self.limit), _count(rollout, left, reached)


@checked
def clamp(limit: float = 100.0) -> NonFinite:
    """Takes 0 for what is no number, and ``limit`` or ``-limit`` for what is infinite.

    Raises:
        ValueError: if ``limit`` is not above 0 and finite.
    """
    if not 0 < limit < math.inf:
        raise ValueError(f"limit is above 0, not {limit}, and finite")
    return Clip(limit)


def finite(x: Any, limit: float = 0.0) -> Any:
    """Observations as a policy may see them, with numbers for all that is none."""
    return trees.map(lambda leaf: _finite(leaf, limit), x)


def _finite(x: Tensor, limit: float) -> Tensor:
    if not x.is_floating_point():
        return x
    if limit:
        limit = min(limit, torch.finfo(x.dtype).max)
    return x.nan_to_num(0.0, limit, -limit)


def _tensors(rollout: dict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The observations that were acted on, and what the environment gave for it, by their names."""
    following = rollout["next"]
    given = {**_named(following["observation"]), "reward": following["reward"]}
    if "raw_reward" in following:
        given["game reward"] = following["raw_reward"]
    return _named(rollout["observation"]), given


def _named(observation: Tensor | dict) -> dict[str, Tensor]:
    if isinstance(observation, Tensor):
        return {"observation": observation}
    return {f"observation[{key!r}]": x for key, x in observation.items()}


def _repaired(rollout: dict, limit: float) -> dict:
    following = rollout["next"]
    names = [key for key in ("observation", "reward", "raw_reward") if key in following]
    numbers = {key: finite(following[key], limit) for key in names}
    rollout = {**rollout, "next": following | numbers}
    rollout["observation"] = finite(rollout["observation"], limit)
    return rollout


def _bad(tensors: dict[str, Tensor]) -> Tensor:
    """Where, [T, B], any of the tensors [T, B, ...] is not finite."""
    good = [x.isfinite().unsqueeze(-1).flatten(2).all(-1) for x in tensors.values()]
    return ~torch.stack(good).all(0)


def _count(rollout: dict, left: Tensor, reached: Tensor) -> int:
    """How many entered: by a step, or a reset; observations that are acted on came by one of these."""
    return int(reached.sum() + (left & rollout["is_init"]).sum())

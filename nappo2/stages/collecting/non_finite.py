"""Observations and rewards that are not finite: the run fails, or they are masked or clamped, and counted.

They enter where they are collected: by a reset, under ``observation`` of a rollout, or by a step, under
``next``. A policy acts on what ``finite`` makes of an observation, and the rollout has just that.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked, explained
from nappo2.pipeline import Pipeline, Transform

NonFinite = Callable[[str, dict], tuple[dict, int]]
"""``(environment's name, rollout) -> (rollout, number of observations and rewards not finite)``.

It is called for rollouts with such numbers, which have ``is_init`` [T, B] bool, whether an episode began
with the observation. A policy acts on
the attribute ``limit`` in place of infinite numbers, if the function has it, and on 0 otherwise.
"""


@explained
def fail(name: str, rollout: dict) -> tuple[dict, int]:
    """Ends the run where an observation or a reward is not finite.

    Raises:
        ValueError: if an observation or a reward is not finite; names environment, key and step.

    Example:
        >>> careful = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2)).replace(non_finite=mask)
        >>> from nappo2.stages import fail
        >>> strict = careful.replace(non_finite=fail)  # the default of a recipe
    """
    observations, outcomes = _tensors(rollout)
    checked = [(", from reset", observations), ("", outcomes)]
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
    """Masks transitions in which an observation or a reward is not finite; traces end before them.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> careful = collect(recipe.env, recipe.policy, num_steps=8, non_finite=mask)
        >>> first(careful, recipe.init(0)).item.batch_size
        torch.Size([8, 4])
    """
    before, after = map(_bad, _tensors(rollout))
    masked = before | after
    if not masked.any():
        return rollout, 0
    return _repaired(rollout, 0.0) | {"mask": ~masked}, _count(rollout, before, after)


def cut_at_masked(rollout: dict) -> dict:
    """Truncates the traces of a rollout [T, B] at masked transitions, and before them."""
    masked, following = ~rollout["mask"], rollout["next"]
    before = torch.cat([masked[1:], torch.zeros_like(masked[:1])]) & ~masked
    cut = (masked | before) & ~following["done"]
    flags = {key: following[key] | cut for key in ("truncated", "done")}
    return {**rollout, "next": following | flags}


class Clamp(NamedTuple):
    """Clamps observations and rewards that are not finite.

    Attributes:
        limit: replaces infinite numbers.
    """

    limit: float

    def __call__(self, name: str, rollout: dict) -> tuple[dict, int]:
        """Clamps a rollout; its observations are then those that the policy acted on."""
        before, after = map(_bad, _tensors(rollout))
        if not (before | after).any():
            return rollout, 0
        return _repaired(rollout, self.limit), _count(rollout, before, after)


@checked
def clamp(limit: float = 100.0) -> NonFinite:
    """Replaces NaN by 0, and infinite numbers by ``limit`` or ``-limit``.

    Raises:
        ValueError: if ``limit`` is not above 0 and finite.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> careful = collect(recipe.env, recipe.policy, num_steps=8, non_finite=clamp(limit=10.0))
        >>> first(careful, recipe.init(0)).item.batch_size
        torch.Size([8, 4])
    """
    if not 0 < limit < math.inf:
        raise ValueError(f"limit is above 0, not {limit}, and finite")
    return Clamp(limit)


@checked
def guard(non_finite: NonFinite) -> Transform:
    """Makes the ``collect`` left of it treat observations and rewards that are not finite by ``non_finite``.

    In a recipe, ``recipe.replace(non_finite=...)`` does the same.

    Raises:
        ValueError: if it stands anywhere else.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> collect_of(recipe) | guard(mask)
        collect(num_steps=8)
    """

    def wrap(source: Pipeline) -> Pipeline:
        if len(source.stages) != 1 or source.stages[0].with_non_finite is None:
            raise ValueError(f"guard stands right of collect, where data enters, not of {source!r}")
        return source.stages[0].with_non_finite(non_finite)

    return Transform(wrap)


def finite(x: Any, limit: float = 0.0) -> Any:
    """Observations [B, ...] with 0 for NaN, and ``limit`` or ``-limit`` for infinite numbers."""
    return trees.map(lambda leaf: _finite(leaf, limit), x)


def _finite(x: Tensor, limit: float) -> Tensor:
    if not x.is_floating_point():
        return x
    if limit:
        limit = min(limit, torch.finfo(x.dtype).max)
    return x.nan_to_num(0.0, limit, -limit)


def _tensors(rollout: dict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The observations that were acted on, and the outcomes of these steps, by their names."""
    following = rollout["next"]
    outcomes = {**_named(following["observation"]), "reward": following["reward"]}
    if "raw_reward" in following:
        outcomes["game reward"] = following["raw_reward"]
    return _named(rollout["observation"]), outcomes


def _named(observation: Any, name: str = "observation") -> dict[str, Tensor]:
    if isinstance(observation, Tensor):
        return {name: observation}
    parts = [_named(x, f"{name}[{key!r}]") for key, x in observation.items()]
    return {key: x for part in parts for key, x in part.items()}


def _repaired(rollout: dict, limit: float) -> dict:
    following = rollout["next"]
    names = [key for key in ("observation", "reward", "raw_reward") if key in following]
    numbers = {key: finite(following[key], limit) for key in names}
    rollout = {**rollout, "next": following | numbers}
    rollout["observation"] = finite(rollout["observation"], limit)
    return rollout


def _bad(tensors: dict[str, Tensor]) -> Tensor:
    """Where any of the tensors [T, B, ...] is not finite, [T, B] bool."""
    good = [x.isfinite().unsqueeze(-1).flatten(2).all(-1) for x in tensors.values()]
    return ~torch.stack(good).all(0)


def _count(rollout: dict, before: Tensor, after: Tensor) -> int:
    """The number that entered by a step or a reset; what was acted on entered by one of these."""
    return int(after.sum() + (before & rollout["is_init"]).sum())

"""Masks that forbid everything: a run fails where one is acted on, or its episode is cut off there."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nappo2.checks import explained
from nappo2.envs import Env
from nappo2.maths.masks import MASK, mask_of


@explained
def check_masks(env: Env, rollout: dict) -> None:
    """Refuses a rollout in which all actions were forbidden at a step.

    After a termination nothing has to be allowed, as nothing follows.

    Args:
        env: that was acted in.
        rollout: tensors [T, B, ...], with or without masks.

    Raises:
        ValueError: names environment and step.
    """
    mask, after = mask_of(rollout["observation"]), rollout["next"]
    if mask is None:
        return
    _check(env, mask, torch.zeros_like(after["terminated"]), "it was to act")
    ends = after["terminated"] | after["truncated"].logical_not()
    _check(env, after["observation"][MASK], ends, "its episode was truncated")


def check_mask(env: Env, observation: Any, step: int) -> None:
    """Refuses observations by which all actions are forbidden; for loops that record no rollout.

    Args:
        env: that is acted in.
        observation: [B, ...], with or without masks.
        step: of the loop.

    Raises:
        ValueError: names environment and step.
    """
    mask = mask_of(observation)
    if mask is None:
        return
    if not (fine := allows(env.action_spec.sizes, mask)).all():
        b = fine.logical_not().nonzero()[0].item()
        raise ValueError(_message(env, b, f"step {step}"))


def allows(sizes: Sequence[int], mask: Tensor) -> Tensor:
    """Tests whether masks [..., n] allow something of each choice, [...] bool; ``sizes`` are theirs."""
    if len(sizes) == 1:
        return mask.any(-1)
    return torch.stack([part.any(-1) for part in mask.split(list(sizes), -1)]).all(0)


def _check(env: Env, mask: Tensor, fine: Tensor, where: str) -> None:
    fine = fine | allows(env.action_spec.sizes, mask)
    if not fine.all():
        t, b = fine.logical_not().nonzero()[0].tolist()
        raise ValueError(_message(env, b, f"step {t} of a rollout, where {where}"))


def _message(env: Env, number: int, where: str) -> str:
    return (
        f"environment {number} of {env.name} has an {MASK} that forbids every action at {where}; "
        "a mask allows at least one"
    )

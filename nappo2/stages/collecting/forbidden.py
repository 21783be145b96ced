"""Masks that forbid everything: a run fails where one is acted on, or its episode is cut off there."""

from torch import Tensor

from nappo2.checks import explained
from nappo2.maths.masks import MASK, mask_of


@explained
def check_masks(name: str, rollout: dict) -> None:
    """Refuses a rollout in which all actions were forbidden at a step.

    After a termination nothing has to be allowed, as nothing follows.

    Args:
        name: of the environment.
        rollout: tensors [T, B, ...], with or without masks.

    Raises:
        ValueError: names environment and step.
    """
    mask, after = mask_of(rollout["observation"]), rollout["next"]
    if mask is None:
        return
    _check(name, mask.any(-1), "it was to act")
    ends = after["terminated"] | after["truncated"].logical_not()
    _check(name, after["observation"][MASK].any(-1) | ends, "its episode was truncated")


def _check(name: str, fine: Tensor, where: str) -> None:
    if fine.all():
        return
    t, b = fine.logical_not().nonzero()[0].tolist()
    raise ValueError(
        f"environment {b} of {name} has an {MASK} that forbids every action at step {t} of a rollout, "
        f"where {where}; a mask allows at least one"
    )

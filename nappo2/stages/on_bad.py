"""What is not finite, where it enters: raised, dropped or clipped, and counted."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

OnBad = Callable[[str, dict], tuple[dict, int]]  # (name, rollout) -> (rollout, how many were bad)


def raise_(name: str, rollout: dict) -> tuple[dict, int]:
    """Ends the run, and says where it came from.

    Raises:
        ValueError: if an observation or a reward is not finite; names environment, key and step.
    """
    reached = rollout["next"]
    for key, what in (("observation", "an observation"), ("reward", "a reward")):
        for x in _leaves(reached[key]):
            if x.is_floating_point() and not x.isfinite().all():
                t, b, *_ = (~x.isfinite()).nonzero()[0].tolist()
                raise ValueError(
                    f"environment {b} of {name} gave {what} that is not finite, at step {t} of "
                    f"the rollout: {x[t, b].tolist()}"
                )
    return rollout, 0


def drop(name: str, rollout: dict) -> tuple[dict, int]:
    """Masks transitions from and to what is not finite; the trace is cut before them."""
    left, reached = _bad(rollout["observation"]), rollout["next"]
    bad = _bad(reached["observation"]) | ~reached["reward"].isfinite()
    if not (left | bad).any():
        return rollout, 0
    masked = left | bad
    before = torch.cat([masked[1:], torch.zeros_like(masked[:1])]) & ~masked
    over = reached["terminated"] | reached["truncated"]
    found = _repaired(rollout, 0.0)
    return found | {"mask": ~masked, "cut": (masked | before) & ~over}, int(bad.sum())


def clip(limit: float = 100.0) -> OnBad:
    """Takes 0 for what is no number, and ``limit`` or ``-limit`` for what is infinite.

    Raises:
        ValueError: if ``limit`` is not above 0.
    """
    if not limit > 0:
        raise ValueError(f"limit is above 0, not {limit}")

    def on_bad(name, rollout):
        reached = rollout["next"]
        bad = _bad(reached["observation"]) | ~reached["reward"].isfinite()
        if not (bad.any() or _bad(rollout["observation"]).any()):
            return rollout, 0
        return _repaired(rollout, limit), int(bad.sum())

    return on_bad


def finite(x: Any, limit: float = 0.0) -> Any:
    """Observations as a policy may see them, with numbers for all that is none."""
    if isinstance(x, dict):
        return {key: finite(leaf, limit) for key, leaf in x.items()}
    if not x.is_floating_point():
        return x
    return x.nan_to_num(0.0, limit, -limit)


def _repaired(rollout: dict, limit: float) -> dict:
    reached = rollout["next"]
    fixed = {key: finite(reached[key], limit) for key in ("observation", "reward")}
    observation = finite(rollout["observation"], limit)
    return rollout | {"observation": observation, "next": reached | fixed}


def _bad(observation: Any) -> Tensor:
    """Which observations, [T, B], are not finite in any place."""
    found = [(~x.isfinite()).flatten(2).any(-1) for x in _leaves(observation)]
    return torch.stack(found).any(0)


def _leaves(observation: Tensor | dict) -> tuple[Tensor, ...]:
    return (observation,) if isinstance(observation, Tensor) else tuple(observation.values())

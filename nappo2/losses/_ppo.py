"""Proximal policy optimisation: the formulas of ``maths.surrogates``, bound to the keys of a batch."""

from collections.abc import Callable, Mapping

from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.losses.loss import Loss
from nappo2.losses.transitions import transitions
from nappo2.maths.distributions import Distribution
from nappo2.maths.surrogates import (
    approx_kl,
    clip_fraction,
    clipped_squared_error,
    clipped_surrogate,
    squared_error,
    standardize,
)
from nappo2.networks import Agent

ValueLoss = Callable[[Mapping, Mapping, Tensor], Tensor]
"""``(params, batch, value) -> loss``, of values [N]."""


@explained
def plain_value_loss(params: Mapping, batch: Mapping, value: Tensor) -> Tensor:
    """The squared error of the value."""
    return squared_error(value, batch["value_target"])


@explained
def clipped_value_loss(params: Mapping, batch: Mapping, value: Tensor) -> Tensor:
    """The squared error of a value that stays near the old one, by ``hyper["clip_eps"]``."""
    eps = params["hyper"]["clip_eps"]
    return clipped_squared_error(value, batch["state_value"], batch["value_target"], eps)


@checked
def ppo(
    agent: Agent,
    dist: Distribution,
    *,
    value_coef: float = 0.5,
    value_loss: ValueLoss = plain_value_loss,
    scale: Callable[[Tensor], Tensor] = standardize,
) -> Loss:
    """Proximal policy optimisation (Schulman et al., https://arxiv.org/abs/1707.06347).

    Reads ``observation``, ``action``, ``action_log_prob``, ``advantage`` and ``value_target`` of
    a batch [N], or of sequences [T, N] for a recurrent agent, and ``clip_eps`` and
    ``entropy_coef`` of ``params["hyper"]``.

    Args:
        value_coef: weight of the value's loss, which is half a squared error.
        value_loss: ``(params, batch, value) -> loss``.
        scale: what is done to a minibatch's advantages first.
    """

    def loss(params, batch):
        hyper, (heads, batch) = params["hyper"], transitions(agent, params, batch)
        outputs, value = heads.both(params, batch["observation"])
        log_ratio = dist.log_prob(outputs, batch["action"]) - batch["action_log_prob"]
        policy = -clipped_surrogate(log_ratio, scale(batch["advantage"]), hyper["clip_eps"])
        error = value_loss(params, batch, value)
        entropy = dist.entropy(outputs).mean()
        total = policy + value_coef * error - hyper["entropy_coef"] * entropy
        change = log_ratio.detach()
        return total, {
            "policy_loss": policy,
            "value_loss": error,
            "entropy": entropy,
            "approx_kl": approx_kl(change),
            "clip_fraction": clip_fraction(change, hyper["clip_eps"]),
        }

    return loss

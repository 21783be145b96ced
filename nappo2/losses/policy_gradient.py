"""Policy gradients with a learnt baseline: the formulas of ``maths.surrogates``, bound to a batch's keys."""

from collections.abc import Callable, Mapping

from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.losses.loss import Loss, unmasked
from nappo2.maths.distributions import Distribution
from nappo2.maths.surrogates import (
    approx_kl,
    clip_fraction,
    clipped_squared_error,
    clipped_surrogate,
    policy_gradient,
    squared_error,
    standardize,
)
from nappo2.networks import Agent


@checked
def a2c(agent: Agent, dist: Distribution, *, value_coef: float = 0.5) -> Loss:
    """Advantage actor-critic (Mnih et al., https://arxiv.org/abs/1602.01783).

    Reads ``observation``, ``action``, ``advantage`` and ``value_target`` of a batch [N], or of
    sequences [T, N] for a recurrent agent, and ``entropy_coef`` of ``params["hyper"]``. With the
    advantages of ``vtrace`` it is IMPALA's.

    Args:
        value_coef: weight of the value's loss, which is half a squared error.
    """

    def loss(params, batch):
        outputs, value, batch = unmasked(agent, params, batch)
        policy = -policy_gradient(dist.log_prob(outputs, batch["action"]), batch["advantage"])
        error = squared_error(value, batch["value_target"])
        entropy = dist.entropy(outputs).mean()
        total = policy + value_coef * error - params["hyper"]["entropy_coef"] * entropy
        return total, {"policy_loss": policy, "value_loss": error, "entropy": entropy}

    return loss


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
        hyper, (outputs, value, batch) = params["hyper"], unmasked(agent, params, batch)
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

"""Policy gradients with a learnt baseline: ``maths.surrogates``, applied to the keys of a batch."""

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

    The mean over a batch of::

        -log pi(a | s) A + value_coef 1/2 (v(s) - target)^2 - entropy_coef H(pi(. | s))

    Reads ``observation``, ``action``, ``advantage`` and ``value_target`` of a batch [N], or of
    sequences [T, N] for a recurrent agent, and ``entropy_coef`` of ``params["hyper"]``. With the
    advantages of ``vtrace`` it is IMPALA's.

    Args:
        agent: an actor and a critic.
        dist: of the actor's outputs.
        value_coef: weight of the value's loss.

    Returns:
        The loss, with the means ``policy_loss``, ``value_loss`` and ``entropy``.

    Example:
        >>> agent = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1))
        >>> loss = losses.a2c(agent, distributions.categorical(), value_coef=1.0)
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2), agent=agent)
        >>> recipe = recipe.replace(loss=loss)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
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
"""``(params, batch, value) -> loss`` [], of values [N]."""


@explained
def plain_value_loss(params: Mapping, batch: Mapping, value: Tensor) -> Tensor:
    """The mean of ``1/2 (value - target)^2``.

    Args:
        params: not read.
        batch: with ``value_target`` [N].
        value: of the critic, [N].

    Returns:
        The loss, [].

    Example:
        >>> batch = {"value_target": torch.tensor([2.0, 5.0])}
        >>> losses.plain_value_loss({}, batch, torch.tensor([4.0, 4.0]))  # (4/2 + 1/2) / 2
        tensor(1.2500)
    """
    return squared_error(value, batch["value_target"])


@explained
def clipped_value_loss(params: Mapping, batch: Mapping, value: Tensor) -> Tensor:
    """The mean of the larger of two halved squared errors, of ``value`` and of it clipped to old +- eps.

    Args:
        params: with ``hyper["clip_eps"]``.
        batch: with ``value_target`` and the old value ``state_value``, each [N].
        value: of the critic, [N].

    Returns:
        The loss, [].

    Example:
        >>> params, value = {"hyper": {"clip_eps": 1.0}}, torch.tensor([4.0, 4.0])
        >>> batch = {"state_value": torch.tensor([2.0, 4.0]), "value_target": torch.tensor([4.0, 5.0])}
        >>> losses.clipped_value_loss(params, batch, value)  # the first value is clipped to 3
        tensor(0.5000)
    """
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

    The mean over a batch, with ``rho = pi(a | s) / pi_old(a | s)``, of::

        -min(rho A, clip(rho, 1 - eps, 1 + eps) A) + value_coef value_loss - entropy_coef H(pi(. | s))

    Reads ``observation``, ``action``, ``action_log_prob``, ``advantage`` and ``value_target`` of
    a batch [N], or of sequences [T, N] for a recurrent agent, and ``clip_eps`` and
    ``entropy_coef`` of ``params["hyper"]``.

    Args:
        agent: an actor and a critic.
        dist: of the actor's outputs.
        value_coef: weight of the value's loss.
        value_loss: ``(params, batch, value) -> loss``.
        scale: ``advantages -> advantages`` of a minibatch, each [N].

    Returns:
        The loss, with the means ``policy_loss``, ``value_loss``, ``entropy``, ``approx_kl`` and
        ``clip_fraction``.

    Example:
        >>> agent = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1))
        >>> loss = losses.ppo(agent, distributions.categorical(), value_coef=1.0)
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2), agent=agent)
        >>> recipe = recipe.replace(loss=loss)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """

    def loss(params, batch):
        hyper, (outputs, value, batch) = params["hyper"], unmasked(agent, params, batch)
        log_ratio = dist.log_prob(outputs, batch["action"]) - batch["action_log_prob"]
        policy = -clipped_surrogate(log_ratio, scale(batch["advantage"]), hyper["clip_eps"])
        error = value_loss(params, batch, value)
        entropy = dist.entropy(outputs).mean()
        total = policy + value_coef * error - hyper["entropy_coef"] * entropy
        detached = log_ratio.detach()
        return total, {
            "policy_loss": policy,
            "value_loss": error,
            "entropy": entropy,
            "approx_kl": approx_kl(detached),
            "clip_fraction": clip_fraction(detached, hyper["clip_eps"]),
        }

    return loss

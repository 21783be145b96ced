"""Advantage-weighted regression (AWR), for recorded data with returns."""

from collections.abc import Callable

from torch import Tensor

from nappo2.checks import checked
from nappo2.losses.loss import Loss, unmasked
from nappo2.maths.distributions import Distribution
from nappo2.maths.surrogates import squared_error, standardize
from nappo2.networks import Agent


@checked
def awr(
    agent: Agent,
    dist: Distribution,
    *,
    temperature: float = 1.0,
    limit: float = 20.0,
    value_coef: float = 1.0,
    entropy_coef: float = 0.0,
    scale: Callable[[Tensor], Tensor] = standardize,
) -> Loss:
    """Advantage-weighted regression (Peng et al., https://arxiv.org/abs/1910.00177).

    Cloning in which better actions count more, and a regression of the value, of returns G::

        -min(exp(A / temperature), limit) log pi(a | s) + c (V(s) - G)^2 / 2 - d H(pi(s)),
        A = scale(G - V(s))

    Reads, of a batch [N], ``observation``, ``action`` and ``value_target``, which ``with_returns`` adds to a
    dataset, and ``gae`` to rollouts. The weights have no gradient.

    Args:
        agent: an actor of the distribution's outputs, and a critic.
        dist: of the actor's outputs.
        temperature: above 0; the lower, the more do only the best actions count.
        limit: the largest weight.
        value_coef: c, weight of the value's loss.
        entropy_coef: d, weight of the entropy.
        scale: of advantages [N]; ``standardize`` as in the authors' program.

    Returns:
        The loss, with the means ``actor_loss``, ``value_loss``, ``entropy``, ``value`` and ``weight``.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> agent = actor_critic(mlp(1, 2), mlp(1, 1))  # an input of 0 gives 0, as biases are 0
        >>> batch = {"observation": torch.zeros(2, 1), "action": torch.tensor([0, 1])}
        >>> batch["value_target"] = torch.tensor([0.0, 10.0])
        >>> loss = losses.awr(agent, distributions.categorical(), limit=20.0, scale=lambda x: x)
        >>> _, means = loss(make_params(agent.init(0)), batch)
        >>> means["value_loss"], means["weight"]  # the means of 0 and 100/2, of exp(0) and the limit
        (tensor(25.), tensor(10.5000))
    """

    def loss(params, batch):
        outputs, value, batch = unmasked(agent, params, batch)
        target = batch["value_target"]
        advantage = scale(target - value.detach())
        weight = (advantage / temperature).exp().clamp(max=limit)
        actor = -(weight * dist.log_prob(outputs, batch["action"])).mean()
        value_loss = squared_error(value, target)
        entropy = dist.entropy(outputs).mean()
        means = {"actor_loss": actor, "value_loss": value_loss, "entropy": entropy}
        means |= {"value": value.mean(), "weight": weight.mean()}
        return actor + value_coef * value_loss - entropy_coef * entropy, means

    return loss

"""Behaviour cloning: the log-likelihood of recorded actions, by any distribution."""

from nappo2.checks import checked
from nappo2.losses.loss import Loss, unmasked
from nappo2.maths.distributions import Distribution
from nappo2.networks import Agent


@checked
def clone(agent: Agent, dist: Distribution, *, entropy_coef: float = 0.0) -> Loss:
    """Behaviour cloning (Pomerleau, 1988, https://papers.nips.cc/paper/95): ``-log pi(a | s) - c H(pi(s))``.

    Reads, of a batch [N], ``observation`` and ``action``. The critic learns nothing.

    Args:
        agent: an actor of the distribution's outputs.
        dist: of the actor's outputs.
        entropy_coef: c, weight of the entropy.

    Returns:
        The loss, with the means ``cloning_loss`` and ``entropy``.

    Example:
        >>> agent = actor_critic(mlp(1, 2), mlp(1, 1))  # an input of 0 gives 0, as biases are 0
        >>> batch = {"observation": torch.zeros(2, 1), "action": torch.tensor([0, 1])}
        >>> loss = losses.clone(agent, distributions.categorical())
        >>> loss(make_params(agent.init(0)), batch)  # log 2
        (tensor(0.6931), {'cloning_loss': tensor(0.6931), 'entropy': tensor(0.6931)})
    """

    def loss(params, batch):
        outputs, _, batch = unmasked(agent, params, batch)
        cloning = -dist.log_prob(outputs, batch["action"]).mean()
        entropy = dist.entropy(outputs).mean()
        return cloning - entropy_coef * entropy, {"cloning_loss": cloning, "entropy": entropy}

    return loss

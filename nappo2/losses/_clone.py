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
    """

    def loss(params, batch):
        outputs, _, batch = unmasked(agent, params, batch)
        cloning = -dist.log_prob(outputs, batch["action"]).mean()
        entropy = dist.entropy(outputs).mean()
        return cloning - entropy_coef * entropy, {"cloning_loss": cloning, "entropy": entropy}

    return loss

"""The policy gradient with a learnt baseline."""

from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.losses.transitions import transitions
from nappo2.maths.distributions import Distribution
from nappo2.maths.surrogates import policy_gradient, squared_error
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
        heads, batch = transitions(agent, params, batch)
        outputs, value = heads.both(params, batch["observation"])
        policy = -policy_gradient(dist.log_prob(outputs, batch["action"]), batch["advantage"])
        error = squared_error(value, batch["value_target"])
        entropy = dist.entropy(outputs).mean()
        total = policy + value_coef * error - params["hyper"]["entropy_coef"] * entropy
        return total, {"policy_loss": policy, "value_loss": error, "entropy": entropy}

    return loss

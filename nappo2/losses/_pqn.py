"""Q-learning on rollouts, whose targets were computed once."""

from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.maths.surrogates import squared_error
from nappo2.maths.values import of_action
from nappo2.policies import Apply


@checked
def pqn(q: Apply) -> Loss:
    """PQN (Gallici et al., https://arxiv.org/abs/2407.04811): the mean of ``1/2 (q(s, a) - G)^2``.

    Reads ``observation``, ``action`` and ``value_target`` of a batch [N]; with the targets of
    ``lambda_returns(..., lambda_=0)`` it is Q-learning of one step.

    Args:
        q: ``(params, observation) -> values`` of all n actions, [N, n].
    """

    def loss(params, batch):
        value, y = (
            of_action(q(params, batch["observation"]), batch["action"]),
            batch["value_target"],
        )
        return squared_error(value, y), {"value": value.mean(), "value_target": y.mean()}

    return loss

"""Q-learning on rollouts, whose targets were computed once."""

from torch import Tensor

from nappo2.batch import only_valid
from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.maths.masks import beside_mask
from nappo2.maths.surrogates import squared_error
from nappo2.maths.values import of_action
from nappo2.networks import RecurrentActorCritic
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
        value = of_action(q(params, batch["observation"]), batch["action"])
        return regression(value, batch["value_target"])

    return loss


@checked
def recurrent_pqn(agent: RecurrentActorCritic, q: Apply) -> Loss:
    """``pqn`` of sequences [T, N], from the memory that was recorded before their first steps.

    Reads ``observation``, ``action``, ``value_target``, ``memory``, ``is_init`` and ``mask``.

    Args:
        agent: that remembers.
        q: ``(params, memory) -> values`` of all n actions, [..., n]; with masks, of mappings in which a
            memory is the ``observation``.
    """

    def loss(params, batch):
        memories = beside_mask(agent.unroll(params, batch), batch["observation"])
        action, target = (only_valid(batch[key], batch) for key in ("action", "value_target"))
        return regression(of_action(q(params, only_valid(memories, batch)), action), target)

    return loss


def regression(value: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of values [N] with fixed targets [N], and the means of both."""
    return squared_error(value, target), {"value": value.mean(), "value_target": target.mean()}

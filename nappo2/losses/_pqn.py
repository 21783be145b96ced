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

    Example:
        >>> batch = {"observation": torch.tensor([[4.0, 0.0], [0.0, 4.0]]), "action": torch.tensor([0, 1])}
        >>> batch["value_target"] = torch.tensor([2.0, 5.0])
        >>> losses.pqn(lambda params, x: x)({}, batch)  # (4/2 + 1/2) / 2
        (tensor(1.2500), {'value': tensor(4.), 'value_target': tensor(3.5000)})
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

    Example:
        >>> agent = networks.recurrent_actor_critic(networks.gru(3, 4), mlp(4, 2), mlp(4, 1))
        >>> loss = losses.recurrent_pqn(agent, agent.heads.actor)
        >>> batch = {"observation": torch.zeros(2, 1, 3), "action": torch.tensor([[0], [1]])}
        >>> batch |= {"memory": torch.zeros(2, 1, 4), "is_init": torch.tensor([[True], [False]])}
        >>> batch["value_target"] = torch.tensor([[2.0], [4.0]])
        >>> loss(make_params(agent.init(0)), batch)  # of 0 the networks give 0: (4/2 + 16/2) / 2
        (tensor(5.), {'value': tensor(0.), 'value_target': tensor(3.)})
    """

    def loss(params, batch):
        memories = beside_mask(agent.unroll(params, batch), batch["observation"])
        action, target = (only_valid(batch[key], batch) for key in ("action", "value_target"))
        return regression(of_action(q(params, only_valid(memories, batch)), action), target)

    return loss


def regression(value: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of values [N] with fixed targets [N], and the means of both."""
    return squared_error(value, target), {"value": value.mean(), "value_target": target.mean()}

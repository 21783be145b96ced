"""Q-functions whose outputs describe the distribution of returns, and how they value what follows."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.maths.distributional import of_action


@checked
class DistributionalQ(NamedTuple):
    """A Q-function whose outputs describe the distribution of returns.

    Attributes:
        outputs: ``(weights, observation) -> outputs`` of K numbers for each of n actions, [N, n, K].
        values: ``(outputs, observation) -> values``, the means [N, n], lowest of forbidden actions.
    """

    outputs: Callable[[Mapping, Any], Tensor]
    values: Callable[[Tensor, Any], Tensor]


Following = Callable[[DistributionalQ, Mapping, Any], Tensor]
"""``(q, params, next observation) -> outputs`` [N, K] of the next action, by the target network."""


@explained
def best_of_target(q: DistributionalQ, params: Mapping, observation: Any) -> Tensor:
    """The target network's outputs for the action that it values most, as in DQN.

    Args:
        q: the Q-function.
        params: with ``target``.
        observation: the next one, [N, ...].

    Returns:
        Outputs, [N, K].

    Example:
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.mean(-1))
        >>> online, target = torch.tensor([[[9.0, 9.0], [0.0, 0.0]]]), torch.tensor([[[1.0, 2], [3, 4]]])
        >>> params = {"weights": {"z": online}, "target": {"z": target}}  # quantiles of two actions
        >>> losses.best_of_target(q, params, torch.tensor([0]))
        tensor([[3., 4.]])
    """
    outputs = q.outputs(params["target"], observation)
    return of_action(outputs, q.values(outputs, observation).argmax(-1))


@explained
def best_of_online(q: DistributionalQ, params: Mapping, observation: Any) -> Tensor:
    """The target network's outputs for the action that the online network values most, as in double DQN.

    Args:
        q: the Q-function.
        params: with ``weights`` and ``target``.
        observation: the next one, [N, ...].

    Returns:
        Outputs, [N, K].

    Example:
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.mean(-1))
        >>> online, target = torch.tensor([[[9.0, 9.0], [0.0, 0.0]]]), torch.tensor([[[1.0, 2], [3, 4]]])
        >>> params = {"weights": {"z": online}, "target": {"z": target}}  # quantiles of two actions
        >>> losses.best_of_online(q, params, torch.tensor([0]))
        tensor([[1., 2.]])
    """
    online = q.outputs(params["weights"], observation)
    best = q.values(online, observation).argmax(-1)
    return of_action(q.outputs(params["target"], observation), best)


@checked
def means_of(q: DistributionalQ) -> Callable[[Mapping, Any], Tensor]:
    """The Q-function ``(weights, observation) -> values`` [N, n] of the expected returns.

    Example:
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.mean(-1))
        >>> z = torch.tensor([[[1.0, 3.0], [4.0, 6.0]]])  # quantiles of two actions
        >>> losses.means_of(q)({"z": z}, torch.tensor([0]))
        tensor([[2., 5.]])
    """
    return lambda weights, x: q.values(q.outputs(weights, x), x)

"""Meanings of a Q-network's outputs: mean returns, quantiles, or probabilities of atoms.

Each is a value that ``dqn(env, returns=...)`` takes: how outputs become values, and how they are learnt.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2 import losses
from nappo2.checks import checked
from nappo2.losses import DistributionalQ, Following, Loss
from nappo2.pipeline import positive

Error = Callable[..., Tensor]
"""``(params, batch) -> errors`` [N], as priorities."""


@checked
class Returns(NamedTuple):
    """How a network's outputs describe returns.

    Attributes:
        num_outputs: K, of the network for each action.
        values: ``outputs [..., n, K] -> values`` [..., n], the expected returns.
        loss: ``(q, following) -> loss`` of a ``losses.DistributionalQ``.
        error: ``(q, following) -> error``, the priorities that go with the loss.
        of_drawn: whether outputs are quantiles of fractions that the network draws.
    """

    num_outputs: int
    values: Callable[[Tensor], Tensor]
    loss: Callable[[DistributionalQ, Following], Loss]
    error: Callable[[DistributionalQ, Following], Error]
    of_drawn: bool = False


@checked
def expected() -> Returns:
    """The mean return of each action, learnt by ``losses.expected_dqn``, as in DQN and double DQN.

    Example:
        >>> from nappo2.recipes import expected
        >>> expected().values(torch.tensor([[1.0], [2.0]]))  # one output for each of two actions
        tensor([1., 2.])
    """
    return Returns(
        1,
        _only,
        lambda q, following: losses.expected_dqn(q, following=following),
        lambda q, following: losses.expected_dqn_error(q, following=following),
    )


@checked
def munchausen(alpha: float = 0.9, temperature: float = 0.03, lowest: float = -1.0) -> Returns:
    """The mean return of each action, learnt by ``losses.munchausen_dqn``; priorities are those of ``dqn``.

    The target is a mean over the next actions, and chooses none: ``double_dqn`` with it is ``dqn`` with it.

    Args:
        alpha: weight of the log-probability.
        temperature: of the softmax.
        lowest: bound on the scaled log-probability.

    Returns:
        How one output for each action is learnt.

    Example:
        >>> from nappo2.recipes import munchausen
        >>> recipe = dqn(envs.cartpole(4), returns=munchausen(temperature=0.1))
        >>> recipe.init(0)["weights", "q", "2", "weight"].shape  # one output for each of two actions
        torch.Size([2, 128])
    """

    def loss(q, following):
        options = {"alpha": alpha, "temperature": temperature, "lowest": lowest}
        return losses.munchausen_dqn(losses.means_of(q), **options)

    return expected()._replace(loss=loss)


@checked
def quantiles(num: int = 200) -> Returns:
    """So many quantiles of each action's return, learnt by ``losses.quantile_dqn`` (QR-DQN).

    Example:
        >>> from nappo2.recipes import quantiles
        >>> quantiles(3).values(torch.tensor([[0.0, 1.0, 5.0], [1.0, 1.0, 1.0]]))  # their means
        tensor([2., 1.])
    """
    positive(num=num)
    return Returns(
        num,
        _mean,
        lambda q, following: losses.quantile_dqn(q, following=following),
        lambda q, following: losses.quantile_dqn_error(q, following=following),
    )


@checked
def random_quantiles(num: int = 32) -> Returns:
    """Quantiles of drawn fractions (IQN), for a network of ``networks.implicit_quantiles`` with as many.

    Example:
        >>> from nappo2.recipes import random_quantiles
        >>> q = networks.implicit_quantiles(mlp(4, 16), 16, 2, num_quantiles=8)
        >>> recipe = dqn(envs.cartpole(4), q=q, returns=random_quantiles(8))
    """
    positive(num=num)

    def loss(q, following):
        return losses.quantile_dqn(q, following=following, tau=losses.drawn_tau)

    return quantiles(num)._replace(loss=loss, of_drawn=True)


@checked
def categorical_returns(num: int = 51, lowest: float = -10.0, highest: float = 10.0) -> Returns:
    """Probabilities of atoms from ``lowest`` to ``highest``, learnt by ``losses.categorical_dqn`` (C51).

    Args:
        num: of atoms, at equal distances.
        lowest: return of the first atom; lower ones count as this.
        highest: return of the last atom; higher ones count as this.

    Returns:
        How ``num`` logits for each action are read and learnt.

    Raises:
        ValueError: if there are fewer than two atoms, or ``highest`` is not above ``lowest``.

    Example:
        >>> from nappo2.recipes import categorical_returns
        >>> returns = categorical_returns(3, lowest=0.0, highest=2.0)  # atoms at 0, 1 and 2
        >>> returns.values(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 100.0]]))  # all as probable; the last
        tensor([1., 2.])
    """
    if num < 2 or not highest > lowest:
        raise ValueError(
            f"two atoms at least, from a lowest to a higher return, not {num} from {lowest} to {highest}"
        )
    support = torch.linspace(lowest, highest, num)

    def values(outputs):
        return (outputs.softmax(-1) * support.to(outputs.device)).sum(-1)

    return Returns(
        num,
        values,
        lambda q, following: losses.categorical_dqn(q, support, following=following),
        lambda q, following: losses.categorical_dqn_error(q, support, following=following),
    )


def _only(outputs: Tensor) -> Tensor:
    return outputs.squeeze(-1)


def _mean(outputs: Tensor) -> Tensor:
    return outputs.mean(-1)

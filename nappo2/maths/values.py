"""The formulas of off-policy losses: targets of values, on tensors of a batch [N]."""

import torch
from torch import Tensor

from nappo2.maths.masks import FORBIDDEN


def td_target(
    reward: Tensor, next_value: Tensor, terminated: Tensor, gamma: Tensor | float
) -> Tensor:
    """``r + gamma * V(s')``, and ``r`` where s' is terminal.

    Args:
        reward: r, [N].
        next_value: V(s'), [N], or [M, N] of several values each.
        terminated: whether s' is terminal, [N] bool.
        gamma: discount factor, [N] where rewards are of several steps.

    Returns:
        Targets, of the shape of ``next_value``.

    Example:
        >>> from nappo2.maths.values import td_target
        >>> td_target(torch.ones(2), torch.tensor([10.0, 10.0]), torch.tensor([False, True]), gamma=0.9)
        tensor([10.,  1.])
    """
    return reward + gamma * next_value * ~terminated


def soft_value(value: Tensor, log_prob: Tensor, alpha: Tensor | float) -> Tensor:
    """``Q - alpha * log pi`` (Haarnoja et al., https://arxiv.org/abs/1812.05905, eq. 3).

    Args:
        value: Q(s, a), [N], or [M, N] of several values each.
        log_prob: log pi(a|s), [N].
        alpha: weight of the entropy, [].

    Returns:
        Values, of the shape of ``value``.

    Example:
        >>> from nappo2.maths.values import soft_value
        >>> soft_value(torch.tensor([1.0]), torch.tensor([-2.0]), alpha=0.5)
        tensor([2.])
    """
    return value - alpha * log_prob


def expected_soft_value(values: Tensor, log_probs: Tensor, alpha: Tensor | float) -> Tensor:
    """``sum pi * (Q - alpha * log pi)`` over actions (Christodoulou, https://arxiv.org/abs/1910.07207).

    Actions of probability 0 count nothing, whatever their values.

    Args:
        values: Q(s, a) of each action, [N, n].
        log_probs: log pi(a|s) of each action, [N, n].
        alpha: weight of the entropy, [].

    Returns:
        Values, [N].

    Example:
        >>> from nappo2.maths.values import expected_soft_value
        >>> expected_soft_value(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 0.5]]).log(), alpha=0.0)
        tensor([2.])
    """
    probs = log_probs.exp()
    values, log_probs = (torch.where(probs > 0, x, 0.0) for x in (values, log_probs))
    return (probs * soft_value(values, log_probs, alpha)).sum(-1)


def expectile_error(error: Tensor, expectile: float) -> Tensor:
    """``|tau - 1(u < 0)| u^2`` of errors u [...], whose minimum is at their expectile tau.

    As TorchRL's (Kostrikov et al., https://arxiv.org/abs/2110.06169, eq. 4).

    Example:
        >>> from nappo2.maths.values import expectile_error
        >>> expectile_error(torch.tensor([-1.0, 1.0]), expectile=0.75)
        tensor([0.2500, 0.7500])
    """
    weight = torch.where(error > 0, expectile, 1 - expectile)
    return weight * error.square()


def of_action(values: Tensor, action: Tensor) -> Tensor:
    """The value [...] of each ``action`` [...] int64, where ``values`` are [..., n].

    Example:
        >>> from nappo2.maths.values import of_action
        >>> of_action(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 0]))
        tensor([2., 3.])
    """
    return values.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def smoothed(action: Tensor, noise: Tensor, std: float, limit: float) -> Tensor:
    """The smoothed action of TD3 (Fujimoto et al., https://arxiv.org/abs/1802.09477, eq. 14).

    ``clip(a + clip(std * noise, -limit, limit), -1, 1)``.

    Args:
        action: a, [N, A].
        noise: of a standard normal, [N, A].
        std: standard deviation of the noise.
        limit: bound on the noise.

    Returns:
        Actions, [N, A].

    Example:
        >>> from nappo2.maths.values import smoothed
        >>> smoothed(torch.tensor([0.0, 0.9]), torch.tensor([10.0, 10.0]), std=0.2, limit=0.5)
        tensor([0.5000, 1.0000])
    """
    return (action + (std * noise).clamp(-limit, limit)).clamp(-1, 1)


def epsilon_greedy_log_probs(values: Tensor, epsilon: Tensor | float) -> Tensor:
    """The log-probabilities of the policy that is greedy with probability ``1 - epsilon``.

    ``p(a) = epsilon / n + (1 - epsilon) [a = argmax Q]``, where n counts the actions that are allowed.
    Those of probability 0 have ``FORBIDDEN`` for its logarithm.

    Args:
        values: Q(s, a) of each action, [..., n]; ``FORBIDDEN`` where an action is.
        epsilon: probability of a uniform action, [].

    Returns:
        Log-probabilities, [..., n].

    Example:
        >>> from nappo2.maths.values import epsilon_greedy_log_probs
        >>> epsilon_greedy_log_probs(torch.tensor([[1.0, 2.0]]), epsilon=0.5).exp()
        tensor([[0.2500, 0.7500]])
    """
    allowed = (values > FORBIDDEN).to(values.dtype)
    actions = torch.arange(values.shape[-1], device=values.device)
    greedy = (actions == values.argmax(-1, keepdim=True)).to(values.dtype)
    probs = epsilon * allowed / allowed.sum(-1, keepdim=True) + (1 - epsilon) * greedy
    return torch.where(probs > 0, probs.log(), FORBIDDEN)

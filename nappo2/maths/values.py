"""The formulas of off-policy losses: what a value is moved towards."""

import torch
from torch import Tensor


def td_target(
    reward: Tensor, next_value: Tensor, terminated: Tensor, gamma: Tensor | float
) -> Tensor:
    """``r + gamma V(s')``, where s' is not terminal."""
    return reward + gamma * next_value * ~terminated


def soft_value(value: Tensor, log_prob: Tensor, alpha: Tensor | float) -> Tensor:
    """``Q - alpha log pi`` (Haarnoja et al., https://arxiv.org/abs/1812.05905, eq. 3)."""
    return value - alpha * log_prob


def expected_soft_value(values: Tensor, log_probs: Tensor, alpha: Tensor | float) -> Tensor:
    """The same, in expectation over all actions (Christodoulou, https://arxiv.org/abs/1910.07207).

    Actions of probability 0 count nothing, whatever their values.
    """
    probs = log_probs.exp()
    values, log_probs = (torch.where(probs > 0, x, 0.0) for x in (values, log_probs))
    return (probs * soft_value(values, log_probs, alpha)).sum(-1)


def of_action(values: Tensor, action: Tensor) -> Tensor:
    """The value [...] of one of the actions that ``values`` [..., n] are of."""
    return values.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def smoothed(action: Tensor, noise: Tensor, std: float, limit: float) -> Tensor:
    """An action with clipped noise (TD3: Fujimoto et al., https://arxiv.org/abs/1802.09477, eq. 14)."""
    return (action + (std * noise).clamp(-limit, limit)).clamp(-1, 1)

"""The formulas of on-policy losses, on tensors of one shape, [N] or [T, B].

Equations are those of PPO's paper (Schulman et al., https://arxiv.org/abs/1707.06347).
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

TINY = 1e-12  # a variance below is none


def clipped_surrogate(log_ratio: Tensor, advantage: Tensor, clip_eps: Tensor | float) -> Tensor:
    """The clipped surrogate of PPO (eq. 7), to be maximised.

    ``mean(min(ratio * A, clip(ratio, 1 - clip_eps, 1 + clip_eps) * A))``.

    Args:
        log_ratio: log pi(a|s) - log pi_old(a|s), [N].
        advantage: A, [N].
        clip_eps: 0.2 in the paper.

    Returns:
        The surrogate, [].
    """
    ratio = with_finite_ratio(log_ratio).exp()
    clipped = ratio.clamp(1 - clip_eps, 1 + clip_eps)
    return torch.minimum(ratio * advantage, clipped * advantage).mean()


def with_finite_ratio(log_ratio: Tensor) -> Tensor:
    """Clamps ``log_ratio`` [...] so that its exponential is finite: to 88 in float32.

    An infinite ratio would have a gradient of NaN where it is clipped, as 0 times infinity.
    """
    return log_ratio.clamp(max=int(math.log(torch.finfo(log_ratio.dtype).max)))


def policy_gradient(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """``mean(log pi(a|s) * A)`` of tensors [N], to be maximised (REINFORCE; Williams, 1992)."""
    return (log_prob * advantage).mean()


def squared_error(value: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """``mean(weight * (value - target)^2 / 2)``.

    Args:
        value: V(s) or Q(s, a), [N].
        target: [N].
        weight: importance of each, [N]; None for 1.

    Returns:
        The error, [].
    """
    if weight is None:
        return 0.5 * mse_loss(value, target)
    return 0.5 * weighted_mean((value - target).square(), weight)


def weighted_mean(x: Tensor, weight: Tensor | None) -> Tensor:
    """The mean of ``x`` [N], or of ``weight * x`` with importance weights [N] of prioritised replay."""
    return x.mean() if weight is None else (weight * x).mean()


def clipped_squared_error(
    value: Tensor, old_value: Tensor, target: Tensor, clip_eps: Tensor | float
) -> Tensor:
    """The larger error of ``value`` and of ``value`` clipped to ``clip_eps`` around the old one.

    ``mean(max((V - G)^2, (V_old + clip(V - V_old, -clip_eps, clip_eps) - G)^2) / 2)``, as in OpenAI's
    baselines.

    Args:
        value: V, [N].
        old_value: V_old, of the params that collected, [N].
        target: G, [N].
        clip_eps: in units of the value.

    Returns:
        The error, [].
    """
    near = old_value + (value - old_value).clamp(-clip_eps, clip_eps)
    return 0.5 * torch.maximum((value - target).square(), (near - target).square()).mean()


def standardize(x: Tensor, counted: Tensor | None = None) -> Tensor:
    """Shifts and scales ``x`` [...] so that it, or ``counted`` [M], has mean 0 and standard deviation 1.

    The deviation is the unbiased one. ``x`` stays as it is where fewer than two numbers are counted.
    """
    counted = x if counted is None else counted
    if counted.numel() < 2:
        return x
    std, mean = torch.std_mean(counted)
    return (x - mean) / (std + 1e-8)


def explained_variance(value: Tensor, target: Tensor, counted: Tensor | None = None) -> Tensor:
    """The share of the variance of ``target`` that ``value`` explains: ``1 - var(G - V) / var(G)``.

    It is 1 for a critic that knows each return, 0 for one that knows their mean alone, and below 0 for one
    that is worse than that.

        >>> import torch
        >>> target = torch.tensor([1.0, 2.0, 3.0])
        >>> explained_variance(target + 5, target), explained_variance(torch.zeros(3), target)
        (tensor(1.), tensor(0.))

    Args:
        value: V, [...].
        target: G, [...].
        counted: which of them count, [...] bool; None for all.

    Returns:
        The share, []; 0 where all targets are equal.
    """
    weight = torch.ones_like(target) if counted is None else counted.to(target.dtype)
    total = variance(target, weight)
    share = 1 - variance(target - value, weight) / total.clamp(min=TINY)
    return torch.where(total > TINY, share, torch.zeros_like(share))


def variance(x: Tensor, weight: Tensor) -> Tensor:
    """The biased variance of ``x`` [...], with the weight of each number, [...]: []."""
    total = weight.sum().clamp(min=1)
    x = torch.where(weight > 0, x, torch.zeros_like(x))  # what does not count may be NaN
    mean = (weight * x).sum() / total
    return (weight * (x - mean).square()).sum() / total


def approx_kl(log_ratio: Tensor) -> Tensor:
    """Estimates KL(old, new), in nats: ``mean(ratio - 1 - log_ratio)`` of log-ratios [N], unbiased.

    See http://joschu.net/blog/kl-approx.html.
    """
    log_ratio = with_finite_ratio(log_ratio)
    return (log_ratio.exp() - 1 - log_ratio).mean()


def clip_fraction(log_ratio: Tensor, clip_eps: Tensor | float) -> Tensor:
    """The share of ratios, of log-ratios [N], outside of ``1 - clip_eps`` to ``1 + clip_eps``."""
    return ((log_ratio.exp() - 1).abs() > clip_eps).float().mean()

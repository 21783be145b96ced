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

    Example:
        >>> from nappo2.maths.surrogates import clipped_surrogate
        >>> ratio = torch.tensor([2.0, 0.5])
        >>> clipped_surrogate(ratio.log(), torch.tensor([1.0, 1.0]), clip_eps=0.2)
        tensor(0.8500)
    """
    ratio = with_finite_ratio(log_ratio).exp()
    clipped = ratio.clamp(1 - clip_eps, 1 + clip_eps)
    return torch.minimum(ratio * advantage, clipped * advantage).mean()


def with_finite_ratio(log_ratio: Tensor) -> Tensor:
    """Clamps ``log_ratio`` [...] so that its exponential is finite: to 88 in float32.

    An infinite ratio would have a gradient of NaN where it is clipped, as 0 times infinity.

    Example:
        >>> from nappo2.maths.surrogates import with_finite_ratio
        >>> with_finite_ratio(torch.tensor([0.0, 100.0]))
        tensor([ 0., 88.])
    """
    return log_ratio.clamp(max=int(math.log(torch.finfo(log_ratio.dtype).max)))


def policy_gradient(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """``mean(log pi(a|s) * A)`` of tensors [N], to be maximised (REINFORCE; Williams, 1992).

    Example:
        >>> from nappo2.maths.surrogates import policy_gradient
        >>> policy_gradient(torch.tensor([-1.0, -2.0]), torch.tensor([1.0, 3.0]))
        tensor(-3.5000)
    """
    return (log_prob * advantage).mean()


def squared_error(value: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """``mean(weight * (value - target)^2 / 2)``.

    Args:
        value: V(s) or Q(s, a), [N].
        target: [N].
        weight: importance of each, [N]; None for 1.

    Returns:
        The error, [].

    Example:
        >>> from nappo2.maths.surrogates import squared_error
        >>> squared_error(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
        tensor(1.)
    """
    if weight is None:
        return 0.5 * mse_loss(value, target)
    return 0.5 * weighted_mean((value - target).square(), weight)


def weighted_mean(x: Tensor, weight: Tensor | None) -> Tensor:
    """The mean of ``x`` [N], or of ``weight * x`` with importance weights [N] of prioritised replay.

    Example:
        >>> from nappo2.maths.surrogates import weighted_mean
        >>> x = torch.tensor([1.0, 3.0])
        >>> weighted_mean(x, torch.tensor([0.5, 1.5])), weighted_mean(x, None)
        (tensor(2.5000), tensor(2.))
    """
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

    Example:
        >>> from nappo2.maths.surrogates import clipped_squared_error
        >>> value, old, target = torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([2.0])
        >>> clipped_squared_error(value, old, target, clip_eps=0.5)
        tensor(0.1250)
    """
    near = old_value + (value - old_value).clamp(-clip_eps, clip_eps)
    return 0.5 * torch.maximum((value - target).square(), (near - target).square()).mean()


def standardize(x: Tensor, counted: Tensor | None = None) -> Tensor:
    """Shifts and scales ``x`` [...] so that it, or ``counted`` [M], has mean 0 and standard deviation 1.

    The deviation is the unbiased one. ``x`` stays as it is where fewer than two numbers are counted.

    Example:
        >>> from nappo2.maths.surrogates import standardize
        >>> standardize(torch.tensor([1.0, 2.0, 3.0]))
        tensor([-1.,  0.,  1.])
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

    Args:
        value: V, [...].
        target: G, [...].
        counted: which of them count, [...] bool; None for all.

    Returns:
        The share, []; 0 where all targets are equal.

    Example:
        >>> from nappo2.maths.surrogates import explained_variance
        >>> target = torch.tensor([1.0, 2.0, 3.0])
        >>> explained_variance(target + 5, target), explained_variance(torch.zeros(3), target)
        (tensor(1.), tensor(0.))
    """
    weight = torch.ones_like(target) if counted is None else counted.to(target.dtype)
    total = variance(target, weight)
    share = 1 - variance(target - value, weight) / total.clamp(min=TINY)
    return torch.where(total > TINY, share, torch.zeros_like(share))


def variance(x: Tensor, weight: Tensor) -> Tensor:
    """The biased variance of ``x`` [...], with the weight of each number, [...]: [].

    Example:
        >>> from nappo2.maths.surrogates import variance
        >>> variance(torch.tensor([1.0, 3.0, 99.0]), torch.tensor([1.0, 1.0, 0.0]))
        tensor(1.)
    """
    total = weight.sum().clamp(min=1)
    x = torch.where(weight > 0, x, torch.zeros_like(x))  # what does not count may be NaN
    mean = (weight * x).sum() / total
    return (weight * (x - mean).square()).sum() / total


def approx_kl(log_ratio: Tensor) -> Tensor:
    """Estimates KL(old, new), in nats: ``mean(ratio - 1 - log_ratio)`` of log-ratios [N], unbiased.

    See http://joschu.net/blog/kl-approx.html.

    Example:
        >>> from nappo2.maths.surrogates import approx_kl
        >>> approx_kl(torch.tensor([0.5, 2.0]).log())
        tensor(0.2500)
    """
    log_ratio = with_finite_ratio(log_ratio)
    return (log_ratio.exp() - 1 - log_ratio).mean()


def clip_fraction(log_ratio: Tensor, clip_eps: Tensor | float) -> Tensor:
    """The share of ratios, of log-ratios [N], outside of ``1 - clip_eps`` to ``1 + clip_eps``.

    Example:
        >>> from nappo2.maths.surrogates import clip_fraction
        >>> clip_fraction(torch.tensor([1.0, 1.1, 1.5, 2.0]).log(), clip_eps=0.2)
        tensor(0.5000)
    """
    return ((log_ratio.exp() - 1).abs() > clip_eps).float().mean()

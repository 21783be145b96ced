"""The formulas of on-policy losses, on tensors of any one shape; equations are those of PPO's paper.

Schulman et al., https://arxiv.org/abs/1707.06347.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import mse_loss


def clipped_surrogate(log_ratio: Tensor, advantage: Tensor, clip_eps: Tensor | float) -> Tensor:
    """The pessimistic bound on the policy's improvement (eq. 7); to be maximised."""
    ratio = with_finite_ratio(log_ratio).exp()
    clipped = ratio.clamp(1 - clip_eps, 1 + clip_eps)
    return torch.minimum(ratio * advantage, clipped * advantage).mean()


def with_finite_ratio(log_ratio: Tensor) -> Tensor:
    """``log_ratio``, where its ratio is a number of its dtype: up to 88 in float32.

    An infinite ratio would have a gradient of NaN where it is clipped, as 0 times infinity.
    """
    return log_ratio.clamp(max=int(math.log(torch.finfo(log_ratio.dtype).max)))


def policy_gradient(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """What has the policy's gradient (Williams, 1992); to be maximised."""
    return (log_prob * advantage).mean()


def squared_error(value: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """``(value - target)^2 / 2``, on average; ``weight`` is the importance of each."""
    if weight is None:
        return 0.5 * mse_loss(value, target)
    return 0.5 * weighted_mean((value - target).square(), weight)


def weighted_mean(x: Tensor, weight: Tensor | None) -> Tensor:
    """The mean; with importance weights of prioritised replay, that of ``weight * x``."""
    return x.mean() if weight is None else (weight * x).mean()


def clipped_squared_error(
    value: Tensor, old_value: Tensor, target: Tensor, clip_eps: Tensor | float
) -> Tensor:
    """The larger error of ``value`` and of ``value`` kept within ``clip_eps`` of the old one.

    As in OpenAI's baselines, from which the original takes it.
    """
    near = old_value + (value - old_value).clamp(-clip_eps, clip_eps)
    return 0.5 * torch.maximum((value - target).square(), (near - target).square()).mean()


def standardize(x: Tensor, counted: Tensor | None = None) -> Tensor:
    """``x``, so that ``counted``, or all of it, has mean 0 and (unbiased) standard deviation 1.

    One number has no deviation, so that ``x`` stays as it is where fewer than two are counted.
    """
    counted = x if counted is None else counted
    if counted.numel() < 2:
        return x
    std, mean = torch.std_mean(counted)
    return (x - mean) / (std + 1e-8)


def approx_kl(log_ratio: Tensor) -> Tensor:
    """An unbiased estimate of KL(old, new), in nats (http://joschu.net/blog/kl-approx.html)."""
    log_ratio = with_finite_ratio(log_ratio)
    return (log_ratio.exp() - 1 - log_ratio).mean()


def clip_fraction(log_ratio: Tensor, clip_eps: Tensor | float) -> Tensor:
    """The share of probability ratios that are outside of ``1 - clip_eps`` to ``1 + clip_eps``."""
    return ((log_ratio.exp() - 1).abs() > clip_eps).float().mean()

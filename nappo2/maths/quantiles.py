"""Values as quantiles of a return's distribution: their truncation, and quantile regression."""

import torch
from torch import Tensor


def truncated(quantiles: Tensor, num_dropped: int) -> Tensor:
    """Pools the quantiles of K critics and drops the largest (Kuznetsov et al., https://arxiv.org/abs/2005.04269).

    Args:
        quantiles: of the returns of N actions, M of each critic, [K, N, M].
        num_dropped: number of quantiles to drop per critic, below M.

    Returns:
        The smallest ``K (M - num_dropped)`` quantiles of each action, in order, [K (M - num_dropped), N].

    Raises:
        ValueError: if no quantile would be left.
    """
    num_critics, _, size = quantiles.shape
    if not 0 <= num_dropped < size:
        raise ValueError(f"of {size} quantiles 0 to {size - 1} can be dropped, not {num_dropped}")
    pooled = quantiles.movedim(-1, 0).flatten(0, 1)
    if num_dropped == 0:
        return pooled
    return pooled.sort(0).values[: num_critics * (size - num_dropped)]


def quantile_huber(quantiles: Tensor, target: Tensor) -> Tensor:
    """Huber's quantile regression error (Dabney et al., https://arxiv.org/abs/1710.10044, eq. 10).

    The mean over i and j of ``|tau_i - 1[y_j < q_i]| huber(y_j - q_i)``, with quantile midpoints
    ``tau_i = (i + 1/2) / M`` and Huber's threshold 1.

    Args:
        quantiles: q, [..., N, M].
        target: samples y of the distribution, [N, L].

    Returns:
        Errors, [..., N].
    """
    size = quantiles.shape[-1]
    tau = (torch.arange(size, device=quantiles.device, dtype=quantiles.dtype) + 0.5) / size
    error = target.unsqueeze(-2) - quantiles.unsqueeze(-1)  # [..., N, M, L]
    below = error.detach() < 0
    near = error.abs().clamp(max=1)
    huber = near * (error.abs() - 0.5 * near)
    weight = torch.where(below, 1 - tau.unsqueeze(-1), tau.unsqueeze(-1))
    return (weight * huber).mean((-2, -1))

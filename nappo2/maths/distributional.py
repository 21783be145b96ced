"""The formulas of distributions of returns, on tensors of a batch [N] with K numbers for each return.

A return is described by K quantiles, or by probabilities of K atoms at the places of a support.
"""

import torch
from torch import Tensor


def midpoints(num: int) -> Tensor:
    """The fractions ``(i + 1/2) / num`` [num] whose quantiles are nearest to a distribution, for i from 0."""
    return (torch.arange(num) + 0.5) / num


def quantile_huber(quantiles: Tensor, target: Tensor, tau: Tensor, kappa: float = 1.0) -> Tensor:
    """The quantile Huber error (Dabney et al., https://arxiv.org/abs/1710.10044, eq. 10).

    ``sum_i mean_j |tau_i - [u_ij < 0]| huber(u_ij) / kappa``, with ``u_ij = target_j - quantiles_i``.

    Args:
        quantiles: [N, K], or [..., N, K] of several critics.
        target: samples of the return, or its quantiles, [N, M].
        tau: fractions of the quantiles, [K] or [N, K].
        kappa: where Huber's error becomes linear.

    Returns:
        Errors, [..., N].
    """
    error = target.unsqueeze(-2) - quantiles.unsqueeze(-1)  # [..., N, K, M]
    size = error.abs()
    near = size.clamp(max=kappa)
    huber = near * (size - 0.5 * near)
    weight = (tau.unsqueeze(-1) - (error.detach() < 0).to(tau.dtype)).abs()
    return (weight * huber / kappa).mean(-1).sum(-1)


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
    pooled = quantiles.permute(1, 2, 0).flatten(
        1
    )  # side by side in memory, for vector instructions
    if num_dropped == 0:
        return pooled.mT
    return pooled.sort().values[:, : num_critics * (size - num_dropped)].mT


def categorical_projection(support: Tensor, atoms: Tensor, probs: Tensor) -> Tensor:
    """Moves the probability of atoms to the two places of a support that are nearest to each.

    The projection of C51 (Bellemare et al., https://arxiv.org/abs/1707.06887, eq. 7):
    ``p_j = sum_i probs_i max(0, 1 - |clip(atoms_i) - support_j| / step)``.

    Args:
        support: K places at equal distances, [K], the lowest first.
        atoms: of the distribution, [N, M]; those outside of the support count at its ends.
        probs: of the atoms, [N, M].

    Returns:
        Probabilities of the support, [N, K].
    """
    low, high, step = support[0], support[-1], support[1] - support[0]
    inside = torch.minimum(torch.maximum(atoms, low), high)
    near = (1 - (inside.unsqueeze(-1) - support).abs() / step).clamp(min=0)
    return (probs.unsqueeze(-1) * near).sum(-2)


def cross_entropy(probs: Tensor, logits: Tensor) -> Tensor:
    """``-sum p log softmax(logits)`` [N] of probabilities and logits [N, K]."""
    return -(probs * logits.log_softmax(-1)).sum(-1)


def of_action(outputs: Tensor, action: Tensor) -> Tensor:
    """The K outputs [..., K] of each ``action`` [...] int64, where ``outputs`` are [..., n, K]."""
    index = action[..., None, None].expand(*action.shape, 1, outputs.shape[-1])
    return outputs.gather(-2, index).squeeze(-2)

"""Invertible rescalings of returns, which networks learn in place of returns of any size.

A rescaling is a value: a pair of functions of tensors of any shape, each the inverse of the other.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from nappo2.checks import checked


class Rescaling(NamedTuple):
    """An increasing function of returns, and its inverse.

    Attributes:
        apply: ``returns [...] -> rescaled`` [...], what a network learns.
        invert: ``rescaled [...] -> returns`` [...].
    """

    apply: Callable[[Tensor], Tensor]
    invert: Callable[[Tensor], Tensor]


@checked
def unscaled() -> Rescaling:
    """Returns as they are.

    Example:
        >>> from nappo2.maths.rescaling import unscaled
        >>> unscaled().apply(torch.tensor([99.0]))
        tensor([99.])
    """
    return Rescaling(_same, _same)


@checked
def hyperbolic(eps: float = 1e-3) -> Rescaling:
    """``h(x) = sign(x) (sqrt(|x| + 1) - 1) + eps x`` (Pohlen et al., https://arxiv.org/abs/1805.11593).

    With it rewards need no clipping; R2D2 has it with the default.

    Args:
        eps: the slope that is left of large returns.

    Returns:
        ``signed_hyperbolic`` and ``signed_parabolic``.

    Raises:
        ValueError: if ``eps`` is below 0.

    Example:
        >>> from nappo2.maths.rescaling import hyperbolic
        >>> rescaling = hyperbolic()
        >>> small = rescaling.apply(torch.tensor([0.0, 99.0]))
        >>> small, rescaling.invert(small)
        (tensor([0.0000, 9.0990]), tensor([ 0., 99.]))
    """
    if not eps >= 0:
        raise ValueError(f"eps is at least 0, not {eps}")
    return Rescaling(lambda x: signed_hyperbolic(x, eps), lambda y: signed_parabolic(y, eps))


def signed_hyperbolic(x: Tensor, eps: float = 1e-3) -> Tensor:
    """``sign(x) (sqrt(|x| + 1) - 1) + eps x``, of x [...].

    Example:
        >>> from nappo2.maths.rescaling import signed_hyperbolic
        >>> signed_hyperbolic(torch.tensor([-3.0, 3.0]), eps=0.0)
        tensor([-1.,  1.])
    """
    return x.sign() * ((x.abs() + 1).sqrt() - 1) + eps * x


def signed_parabolic(y: Tensor, eps: float = 1e-3) -> Tensor:
    """The inverse of ``signed_hyperbolic``: ``sign(y) (z^2 - 1)``, of y [...].

    ``z = (sqrt(1 + 4 eps (|y| + 1 + eps)) - 1) / (2 eps)``, here without the difference and the division,
    which lose digits in float32 and are undefined for an ``eps`` of 0.

    Example:
        >>> from nappo2.maths.rescaling import signed_parabolic
        >>> signed_parabolic(torch.tensor([-1.0, 1.0]), eps=0.0)
        tensor([-3.,  3.])
    """
    shifted = y.abs() + 1 + eps
    z = 2 * shifted / ((1 + 4 * eps * shifted).sqrt() + 1)
    return y.sign() * (z.square() - 1)


def _same(x: Tensor) -> Tensor:
    return x

"""Running moments: ``[count, sum, sum of squares]`` in float64, so that they can be added anywhere.

``params["normalizer"]`` names what is counted: ``observation``, and ``return``, by whose
standard deviation rewards are scaled. Each is a mapping of ``moments``, ``mean`` and ``std``;
without ``moments`` it is frozen. The last two are float32, as what they are applied to.
"""

from collections.abc import Mapping

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked


def no_moments(**shapes: tuple[int, ...]) -> TensorDict:
    """A normalizer that has seen nothing yet, by which nothing within the limit of 10 is changed."""
    nothing = {name: torch.zeros(3, *shape, dtype=torch.float64) for name, shape in shapes.items()}
    return TensorDict({name: statistics(zeros) for name, zeros in nothing.items()})


def statistics(moments: Tensor) -> TensorDict:
    """Mean and standard deviation of ``moments`` [3, ...]; 0 and 1 where nothing was seen."""
    count, total, square = moments
    mean = total / count.clamp(min=1)
    variance = (square / count.clamp(min=1) - mean.square()).clamp(min=0)
    std = torch.where(count > 1, (variance + 1e-8).sqrt(), torch.ones_like(mean))
    return TensorDict(moments=moments, mean=mean.float(), std=std.float())


def moments(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """The moments of ``x`` [T, B, ...], as [3, ...]; with a mask [T, B] bool, of what it has."""
    x, count = x.double(), x.shape[0] * x.shape[1]
    if mask is not None:
        x, count = x.where(mask.view(*mask.shape, *[1] * (x.ndim - 2)), 0), int(mask.sum())
    total = x.sum((0, 1))
    return torch.stack([torch.full_like(total, count), total, x.square().sum((0, 1))])


def absorb(normalizer: TensorDict, found: Mapping[str, Tensor]) -> TensorDict:
    """The normalizer that has seen, under each name, ``found`` moments more, if these are finite."""
    return absorb_if(torch.tensor(True), normalizer, found)[0]


def absorb_if(
    accepted: Tensor, normalizer: TensorDict, found: Mapping[str, Tensor]
) -> tuple[TensorDict, Tensor]:
    """The normalizer with moments added, and how many of them were refused.

    Statistics stay as they are where moments are not finite, or would make statistics so.

    Args:
        accepted: [] bool, whether any moments are to be added.
        normalizer: of ``no_moments``.
        found: moments by name, [3, ...].

    Returns:
        The normalizer, and the number of refused moments, [].
    """
    added, refused = {}, torch.zeros((), dtype=torch.int64)
    for name, x in found.items():
        stats = normalizer.get(name, {})
        if "moments" in stats.keys():
            later = statistics(stats["moments"] + x)
            good = accepted & torch.stack([leaf.isfinite().all() for leaf in later.values()]).all()
            added[name] = TensorDict({k: leaf.where(good, stats[k]) for k, leaf in later.items()})
            refused = refused + ~good
    return normalizer.copy().update(added), refused


@checked
def frozen(normalizer: TensorDict) -> TensorDict:
    """The normalizer, which goes on to normalise, but counts no more."""
    return TensorDict({name: stats.exclude("moments") for name, stats in normalizer.items()})


def normalize(statistics: Mapping, x: Tensor, limit: float = 10.0) -> Tensor:
    """``x`` in standard deviations from the mean, within ``limit`` of 0."""
    return ((x - statistics["mean"]) / statistics["std"]).clamp(-limit, limit)


def scale_reward(normalizer: Mapping, reward: Tensor, limit: float = 10.0) -> Tensor:
    """Rewards in standard deviations of discounted returns, if these are counted."""
    if "return" not in normalizer.keys():
        return reward
    return (reward / normalizer["return"]["std"]).clamp(-limit, limit)

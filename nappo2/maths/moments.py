"""Running moments: ``[count, sum, sum of squares]`` in float64, so that they can be added anywhere.

``params["normalizer"]`` has statistics of ``observation``, and of ``return``, by whose
standard deviation rewards are scaled. Of an observation of several parts each whose numbers are to be
normalised has statistics, such as ``observation.velocity``. Statistics are a mapping of ``moments``
[3, ...], ``mean`` and ``std`` [...] float32; without ``moments`` they are frozen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked


def no_moments(**shapes: tuple[int, ...]) -> TensorDict:
    """A normalizer without data, mean 0 and deviation 1, for tensors of these shapes by name.

    Example:
        >>> from nappo2.maths.moments import no_moments
        >>> no_moments(observation=(2,))["observation", "std"]
        tensor([1., 1.])
    """
    zeros = {name: torch.zeros(3, *shape, dtype=torch.float64) for name, shape in shapes.items()}
    return TensorDict({name: statistics(x) for name, x in zeros.items()})


def statistics(moments: Tensor) -> TensorDict:
    """Mean and standard deviation [...] of ``moments`` [3, ...]; 0 and 1 where nothing was counted.

    Example:
        >>> from nappo2.maths.moments import statistics
        >>> from nappo2.maths.moments import moments
        >>> float(statistics(moments(torch.tensor([[[1.0], [3.0]]])))["mean"])
        2.0
    """
    count, total, square = moments
    mean = total / count.clamp(min=1)
    variance = (square / count.clamp(min=1) - mean.square()).clamp(min=0)
    std = torch.where(count > 1, (variance + 1e-8).sqrt(), torch.ones_like(mean))
    return TensorDict(moments=moments, mean=mean.float(), std=std.float())


def moments(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """The moments [3, ...] of ``x`` [T, B, ...], or of its entries under a mask [T, B] bool.

    Example:
        >>> from nappo2.maths.moments import moments
        >>> moments(torch.tensor([[[1.0], [3.0]]])).flatten()      # number, sum, sum of squares
        tensor([ 2.,  4., 10.], dtype=torch.float64)
    """
    x, count = x.double(), x.shape[0] * x.shape[1]
    if mask is not None:
        x, count = x.where(mask.view(*mask.shape, *[1] * (x.ndim - 2)), 0), int(mask.sum())
    total = x.sum((0, 1))
    return torch.stack([torch.full_like(total, count), total, x.square().sum((0, 1))])


def absorb(normalizer: TensorDict, moments: Mapping[str, Tensor]) -> TensorDict:
    """The normalizer with moments [3, ...] added by name, if these are finite.

    Example:
        >>> from nappo2.maths.moments import absorb, moments, no_moments
        >>> x = torch.full((1, 2, 1), 5.0)
        >>> absorb(no_moments(observation=(1,)), {"observation": moments(x)})["observation", "mean"]
        tensor([5.])
    """
    return absorb_if(torch.tensor(True), normalizer, moments)[0]


def absorb_if(
    accepted: Tensor, normalizer: TensorDict, moments: Mapping[str, Tensor]
) -> tuple[TensorDict, Tensor]:
    """The normalizer with moments added, and how many of them were refused.

    Statistics stay as they are where moments are not finite, or would make statistics so.

    Args:
        accepted: [] bool, whether any moments are to be added.
        normalizer: of ``no_moments``.
        moments: to add, by name, [3, ...].

    Returns:
        The normalizer, and the number of refused moments, [].
    """
    added, refused = {}, torch.zeros((), dtype=torch.int64)
    for name, x in moments.items():
        stats = normalizer.get(name, {})
        if "moments" in stats.keys():
            new = statistics(stats["moments"] + x)
            good = accepted & torch.stack([leaf.isfinite().all() for leaf in new.values()]).all()
            added[name] = TensorDict({k: leaf.where(good, stats[k]) for k, leaf in new.items()})
            refused = refused + ~good
    return normalizer.copy().update(added), refused


@checked
def frozen(normalizer: TensorDict) -> TensorDict:
    """The normalizer without moments: it normalises as before, and counts no more.

    Example:
        >>> from nappo2.maths.moments import absorb, moments, no_moments
        >>> x, other = torch.tensor([[[1.0], [3.0]]]), torch.full((1, 1, 1), 99.0)
        >>> normalizer = absorb(no_moments(observation=(1,)), {"observation": moments(x)})
        >>> fixed = absorb(frozen(normalizer), {"observation": moments(other)})
        >>> normalizer["observation", "mean"], fixed["observation", "mean"]
        (tensor([2.]), tensor([2.]))
    """
    return TensorDict({name: stats.exclude("moments") for name, stats in normalizer.items()})


def normalize(statistics: Mapping, x: Tensor, limit: float = 10.0) -> Tensor:
    """Normalises observations: ``clip((x - mean) / std, -limit, limit)``.

    Args:
        statistics: ``mean`` and ``std``, [...].
        x: observations, [T, B, ...] or [N, ...].
        limit: bound on the result; 10 standard deviations by default.

    Returns:
        A tensor of the shape of ``x``.

    Example:
        >>> from nappo2.maths.moments import normalize
        >>> statistics = {"mean": torch.tensor([1.0]), "std": torch.tensor([2.0])}
        >>> normalize(statistics, torch.tensor([[5.0], [99.0]])).flatten()
        tensor([ 2., 10.])
    """
    return ((x - statistics["mean"]) / statistics["std"]).clamp(-limit, limit)


def statistics_name(path: Sequence[str]) -> str:
    """The name of the statistics of a part, such as ``observation.pole.angle`` of ("pole", "angle").

    Example:
        >>> from nappo2.maths.moments import statistics_name
        >>> statistics_name(("pole", "angle"))
        'observation.pole.angle'
    """
    escaped = [name.replace("~", "~0").replace(".", "~1") for name in path]
    return ".".join(["observation", *escaped])


def named(observation: Any, path: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tensors [...] of an observation of one or several parts, by the names of their statistics.

    Example:
        >>> from nappo2.maths.moments import named
        >>> sorted(named({"pole": {"angle": torch.zeros(1)}, "cart": torch.zeros(1)}))
        ['observation.cart', 'observation.pole.angle']
    """
    if isinstance(observation, Tensor):
        return {statistics_name(path): observation}
    parts = observation.items()
    return {name: x for key, part in parts for name, x in named(part, (*path, key)).items()}


def normalize_parts(normalizer: Mapping, observation: Any, path: tuple[str, ...] = ()) -> Any:
    """Normalises what an observation has statistics of.

    Args:
        normalizer: of the params.
        observation: a tensor ``[..., *shape]``, or a dictionary of such.
        path: of a part; () for the whole.

    Returns:
        The observation, in which other parts are as they were.
    """
    if isinstance(observation, Tensor):
        name = statistics_name(path)
        known = name in normalizer.keys()
        return normalize(normalizer[name], observation) if known else observation
    parts = observation.items()
    return {key: normalize_parts(normalizer, part, (*path, key)) for key, part in parts}


def scale_reward(normalizer: Mapping, reward: Tensor, limit: float = 10.0) -> Tensor:
    """Scales rewards: ``clip(reward / std(return), -limit, limit)``, if returns are counted.

    Args:
        normalizer: of the params; rewards stay as they are if it has no ``return``.
        reward: [T, B] or [N].
        limit: bound on the result; 10 standard deviations by default.

    Returns:
        A tensor of the shape of ``reward``.
    """
    if "return" not in normalizer.keys():
        return reward
    return (reward / normalizer["return"]["std"]).clamp(-limit, limit)

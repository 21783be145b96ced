"""Reports: what a step says besides its item. Tensors, until somebody prints them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2.checks import explained


class Mean(NamedTuple):
    """A mean of ``weight`` values."""

    value: Tensor
    weight: float


class Report(NamedTuple):
    """What can be joined, at a cut or over time.

    Attributes:
        means: losses and lags; joined by their weighted mean.
        sums: env steps, seconds, moments; added.
        episodes: ``return`` and ``length`` of finished episodes, [n]; concatenated.
    """

    means: dict[str, Mean] = {}
    sums: dict[str, Tensor | float] = {}
    episodes: dict[str, Tensor] = {}

    def __repr__(self):
        return "  ".join(f"{name} {value:.4g}" for name, value in flat(self).items())


def flat(report: Report) -> dict[str, float]:
    """A report as plain numbers; of finished episodes, the means."""
    numbers = {name: float(mean.value) for name, mean in report.means.items()}
    numbers |= {name: float(x) for name, x in report.sums.items() if not _is_vector(x)}
    finished = {name: x for name, x in report.episodes.items() if len(x)}
    return numbers | {f"episode_{name}": float(x.mean()) for name, x in finished.items()}


def _is_vector(x: Tensor | float) -> bool:
    return isinstance(x, Tensor) and x.numel() != 1


@explained
def join(reports: Sequence[Report]) -> Report:
    """One report of many: weighted means, sums, concatenations."""
    if len(reports) <= 1:
        return reports[0] if reports else Report()
    means, sums, episodes = (_gather(parts) for parts in zip(*reports, strict=True))
    return Report(
        {name: _mean(found) for name, found in means.items()},
        {name: sum(found[1:], found[0]) for name, found in sums.items()},
        {name: torch.cat(found) for name, found in episodes.items()},
    )


RESERVED = (
    *("loss", "grad_norm", "collection_lag", "gradient_lag", "restarts", "event"),
    *("env_steps", "updates", "seconds", "steps_per_second"),
    *("episode_return", "episode_length", "episode_return_std"),
    *("evaluation_return", "evaluation_length", "evaluation_std"),
)
"""Columns of metrics that no mean of a loss may be called."""


def with_loss(value: Tensor, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The means of a loss, and the loss itself.

    Raises:
        ValueError: if one has the name of another column.
    """
    for name in means:
        if name in RESERVED:
            raise ValueError(
                f"a loss gives a mean that is called {name!r}, which is another column of the "
                "metrics; it needs a name of its own"
            )
    return {"loss": value, **means}


def note(report: Report, weight: float, /, **values: Tensor) -> Report:
    """``report``, with more means, each of ``weight`` values."""
    return report._replace(means=report.means | {k: Mean(v, weight) for k, v in values.items()})


def count(report: Report, /, **values: Tensor | float) -> Report:
    """``report``, with more sums."""
    return report._replace(sums=report.sums | values)


def counting(report: Report, env_steps: int) -> Report:
    """``report``; of a source that counts no env steps, with as many as it gave transitions."""
    return report if "env_steps" in report.sums else count(report, env_steps=env_steps)


def _gather(dictionaries):
    names = dict.fromkeys(name for found in dictionaries for name in found)
    return {name: [found[name] for found in dictionaries if name in found] for name in names}


def _mean(found):
    weight = sum(mean.weight for mean in found)
    if len(found) == 1 or not weight:
        return found[0]
    return Mean(sum(mean.value * mean.weight for mean in found) / weight, weight)

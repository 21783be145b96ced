"""Reports: the numbers of a step besides its item. They stay tensors until they are printed or logged."""

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2.checks import explained


class Mean(NamedTuple):
    """A mean [] of ``weight`` values."""

    value: Tensor
    weight: float


class Span(NamedTuple):
    """When something was done: a step of a stage, or a wait of a cut.

    Attributes:
        name: of the stage; of a cut also with ``_wait`` or ``_transfer`` behind it.
        start: in seconds since 1970.
        seconds: that it took, with what stages left of it took within it.
        worker: who did it, as the names of workers from the outermost cut to its own, such as
            ``("learners 0", "collectors 1")``; empty for the process of the Learner.
    """

    name: str
    start: float
    seconds: float
    worker: tuple[str, ...] = ()


class Report(NamedTuple):
    """Numbers of a step, which can be joined at a cut or over time.

    Attributes:
        means: losses and lags; joined by their weighted mean.
        sums: env steps and other counts, []; added.
        moments: of observations and returns, by their names in the normalizer, [3, ...], or of
            each member of a population, [n, 3, ...]; added.
        seconds: that stages took and waited, by the name of the stage; added.
        episodes: ``return`` and ``length`` of finished episodes, [N], what environments tell of them,
            such as ``is_success``, and in a population their ``member``; concatenated, with NaN where
            something is not told.
        elapsed: seconds of the step so far, which the next stage subtracts from its time.
        spans: when stages took these steps; concatenated.
    """

    means: dict[str, Mean] = {}
    sums: dict[str, Tensor | float] = {}
    moments: dict[str, Tensor] = {}
    seconds: dict[str, float] = {}
    episodes: dict[str, Tensor] = {}
    elapsed: float = 0.0
    spans: tuple[Span, ...] = ()

    def __repr__(self):
        return "  ".join(f"{name} {value:.4g}" for name, value in flat(self).items())


def flat(report: Report) -> dict[str, float]:
    """A report as plain numbers by the names of metrics, with the means of finished episodes.

    Example:
        >>> from nappo2.reports import count, flat
        >>> flat(count(Report(), env_steps=256))
        {'env_steps': 256.0}
    """
    finished = {k: x for k, x in report.episodes.items() if len(x) and k != "member"}
    episodes = {episode_column(name): float(x.nanmean()) for name, x in finished.items()}
    numbers = {name: x for name, x in episodes.items() if x == x}
    return averages(report) | totals(report) | numbers


def averages(report: Report) -> dict[str, float]:
    """The means of a report, and the mean returns of members, by the names of metrics."""
    members = {f"episode_return_{i}": float(x.mean()) for i, x in returns_of(report).items()}
    return members | {name: float(mean.value) for name, mean in report.means.items()}


def totals(report: Report) -> dict[str, float]:
    """The sums and seconds of a report, by the names of metrics."""
    sums = {name: float(x) for name, x in report.sums.items() if not _is_vector(x)}
    return sums | {f"{name}_seconds": float(x) for name, x in report.seconds.items()}


def returns_of(report: Report) -> dict[int, Tensor]:
    """The returns [N] of finished episodes by member of a population; empty without a population."""
    owner = report.episodes.get("member", torch.empty(0))
    return {i: report.episodes["return"][owner == i] for i in owner.unique().int().tolist()}


def _is_vector(x: Tensor | float) -> bool:
    return isinstance(x, Tensor) and x.numel() != 1


@explained
def join(reports: Sequence[Report]) -> Report:
    """Joins reports: weighted means, sums, concatenations.

    Example:
        >>> from nappo2.reports import count, note
        >>> one = note(count(Report(), env_steps=10), 1, loss=torch.tensor(1.0))
        >>> other = note(count(Report(), env_steps=30), 3, loss=torch.tensor(5.0))
        >>> both = join([one, other])
        >>> both.sums["env_steps"], both.means["loss"].value
        (40, tensor(4.))
    """
    if len(reports) <= 1:
        return reports[0] if reports else Report()
    *parts, elapsed, spans = zip(*reports, strict=True)
    *gathered, episodes = parts
    means, *added = map(_gather, gathered)
    sums, moments, seconds = ({k: sum(x[1:], x[0]) for k, x in part.items()} for part in added)
    return Report(
        {name: _mean(parts) for name, parts in means.items()},
        sums,
        moments,
        seconds,
        _join_episodes(episodes),
        sum(elapsed),
        tuple(chain.from_iterable(spans)),
    )


def held_back(report: Report) -> tuple[Report, Report]:
    """Splits a report that belongs to a later step: the part of this step, and the part of that one."""
    now = Report(elapsed=report.elapsed, spans=report.spans)
    return now, report._replace(elapsed=0.0, spans=())


RESERVED = (
    *("loss", "grad_norm", "collection_lag", "gradient_lag", "restarts", "event"),
    *("env_steps", "updates", "recorded_updates", "seconds", "steps_per_second"),
    *("episode_return", "episode_length", "episode_return_std", "recent_return"),
    *("episode_return_min", "episode_return_max"),
    *("evaluation_return", "evaluation_length", "evaluation_std", "evaluation_env_steps"),
    *("success_rate", "evaluation_success_rate"),
)
"""Columns of metrics whose names no mean of a loss may have."""

SUCCESS = "is_success"
"""What environments tell of an episode: 1 if it is one, else 0; its mean is called ``success_rate``."""


def episode_column(name: str) -> str:
    """The column of metrics for the mean of what episodes have: ``episode_return`` of ``return``."""
    return "success_rate" if name == SUCCESS else f"episode_{name}"


def evaluation_column(name: str) -> str:
    """``episode_column`` of the episodes of an evaluation: ``evaluation_success_rate``."""
    return f"evaluation_{'success_rate' if name == SUCCESS else name}"


def is_column(name: str) -> bool:
    """Tests whether metrics have a column of this name for something else, or a population for a member."""
    return name in RESERVED or re.fullmatch(r"(episode|evaluation)_return_\d+", name) is not None


def is_free(name: str) -> bool:
    """Tests whether no other number of an episode, or column of metrics, has a name of ``info``."""
    columns = episode_column(name), evaluation_column(name)
    return name == SUCCESS or not (name == "member" or any(map(is_column, columns)))


def with_loss(value: Tensor, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The means [] of a loss by name, with the loss ``value`` [] itself.

    Raises:
        ValueError: if one has the name of another column.
    """
    for name in means:
        if is_column(name):
            raise ValueError(
                f"a loss gives a mean that is called {name!r}, which is another column of the "
                "metrics; it needs a name of its own"
            )
    return {"loss": value, **means}


def note(report: Report, weight: float, /, **values: Tensor) -> Report:
    """Adds means to a report, each of ``weight`` values.

    Example:
        >>> from nappo2.reports import note
        >>> note(Report(), 1, loss=torch.tensor(0.5))
        loss 0.5
    """
    return report._replace(means=report.means | {k: Mean(v, weight) for k, v in values.items()})


def count(report: Report, /, **values: Tensor | float) -> Report:
    """Adds sums to a report.

    Example:
        >>> from nappo2.reports import count
        >>> count(Report(), env_steps=256)
        env_steps 256
    """
    return report._replace(sums=report.sums | values)


def timed(report: Report, /, **seconds: float) -> Report:
    """Adds seconds to a report."""
    return report._replace(seconds=report.seconds | seconds)


def of_worker(report: Report, worker: str) -> Report:
    """The report of a worker, for the process that has it: its spans say whose they are."""
    return report._replace(
        spans=tuple(span._replace(worker=(worker, *span.worker)) for span in report.spans)
    )


def counting(report: Report, env_steps: int) -> Report:
    """Adds ``env_steps`` to a report, unless its source counts them."""
    return report if "env_steps" in report.sums else count(report, env_steps=env_steps)


def _gather(dictionaries):
    names = dict.fromkeys(name for x in dictionaries for name in x)
    return {name: [x[name] for x in dictionaries if name in x] for name in names}


def _join_episodes(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Concatenates columns [N] of episodes, NaN where a part does not have one."""
    parts = [part for part in parts if part]
    names = dict.fromkeys(name for part in parts for name in part)
    missing = [torch.full((len(next(iter(part.values()))),), torch.nan) for part in parts]
    pairs = list(zip(parts, missing, strict=True))
    return {name: torch.cat([part.get(name, nan) for part, nan in pairs]) for name in names}


def _mean(means):
    weight = sum(mean.weight for mean in means)
    if len(means) == 1 or not weight:
        return means[0]
    return Mean(sum(mean.value * mean.weight for mean in means) / weight, weight)

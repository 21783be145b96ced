"""Interquartile means of runs with 95 % intervals (Agarwal et al., https://arxiv.org/abs/2108.13264).

The percentile bootstrap of that paper is made for hundreds of scores: of five it covers 91 %. Here
its percentiles are those of Hesterberg (https://arxiv.org/abs/1411.5279), further out the fewer runs
there are; and of fewer than five, of which no resample lies beyond the runs themselves, the interval
is Student's.
"""

from typing import NamedTuple

import numpy as np

from nappo2.checks import explained

REPETITIONS = 2_000  # of the bootstrap
LEVEL = 0.95
FEWEST = 5  # runs of which resamples tell anything
ANYTHING = (-np.inf, np.inf)
TRIMMED = 0.25  # of the scores at either end


class Interval(NamedTuple):
    """Interquartile means with the ends of their intervals, each [points] float64."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@explained
def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """The mean of the middle half of the scores [n, points] at each point: [points], NaN if one is NaN."""
    ordered, cut = np.sort(scores, 0), int(TRIMMED * len(scores))  # NaN as if it were the largest
    return np.where(np.isnan(ordered[-1]), np.nan, ordered[cut : len(scores) - cut].mean(0))


@explained
def interval(scores: np.ndarray, within: tuple[float, float] = ANYTHING) -> Interval:
    """The interquartile mean of runs, and an interval that covers it in 95 of 100 experiments.

    Runs are resampled with the same random numbers at each point, in each environment apart.

    Args:
        scores: [runs, environments, points], or of one environment [runs, points].
        within: the least and the largest score that is possible, beyond which no interval goes.

    Returns:
        Mean and interval [points]; of a single run, the run itself without a width.
    """
    scores = scores[:, None] if scores.ndim == 2 else scores
    num_runs, num_envs, num_points = scores.shape
    mean = interquartile_mean(scores.reshape(-1, num_points))
    if num_runs == 1:
        return Interval(mean, mean, mean)
    if num_runs * num_envs < FEWEST:
        half_width = students_t(num_runs) * scores.std(0, ddof=1).mean(0) / np.sqrt(num_runs)
        low, high = np.minimum(mean, within[0]), np.maximum(mean, within[1])
        return Interval(
            mean, np.maximum(mean - half_width, low), np.minimum(mean + half_width, high)
        )
    rng, tail = np.random.default_rng(0), expanded_tail(num_runs)
    rows = rng.integers(num_runs, size=(REPETITIONS, num_runs, num_envs))
    means = np.stack(
        [interquartile_mean(_resampled(scores, row).reshape(-1, num_points)) for row in rows]
    )
    return Interval(mean, *np.quantile(means, (tail, 1 - tail), axis=0))


def _resampled(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The scores [runs, environments, points] of the runs ``rows`` [runs, environments]."""
    return scores[rows, np.arange(scores.shape[1])]


def expanded_tail(num_runs: int) -> float:
    """The share of resamples beyond either end of an interval: 0.025 of many runs, less of few."""
    from scipy.special import ndtr

    return float(ndtr(-students_t(num_runs) * np.sqrt(num_runs / (num_runs - 1))))


def students_t(num_runs: int) -> float:
    """Standard errors from a mean of runs to an end of its interval, by Student's distribution."""
    from scipy.special import stdtrit  # which takes a tenth of the time to import nappo2

    return float(stdtrit(num_runs - 1, (1 + LEVEL) / 2))

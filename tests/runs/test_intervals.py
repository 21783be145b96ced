"""Interquartile means and their intervals: by hand, against SciPy and rliable, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from nappo2.runs.intervals import expanded_tail, interquartile_mean, interval

RNG = np.random.default_rng(0)


def test_an_interquartile_mean_by_hand():
    """Of 0, 10, 20 and 1000 the two in the middle; of five the three in the middle."""
    assert interquartile_mean(np.array([[0.0], [1000.0], [10.0], [20.0]])).tolist() == [15.0]
    assert interquartile_mean(np.array([[9.0], [1.0], [2.0], [-7.0], [3.0]])).tolist() == [2.0]


def test_a_score_that_is_nan_is_not_the_best_one():
    """Sorted, NaN comes last, where a quarter of the scores is cut off."""
    scores = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [np.nan, 3.0]])
    assert [math.isnan(x) for x in interquartile_mean(scores)] == [True, False]
    assert np.isnan(interval(scores)).tolist() == [[True, False]] * 3


@pytest.mark.parametrize("num", [1, 2, 3, 5, 8, 11])
def test_an_interquartile_mean_is_scipys(num):
    scores = RNG.normal(size=(num, 7))
    assert np.allclose(interquartile_mean(scores), stats.trim_mean(scores, 0.25))


def test_the_bootstrap_is_rliables_where_percentiles_are_the_same():
    """Within what 2,000 resamples of 40 runs in two environments differ by."""
    library = pytest.importorskip("rliable.library")
    from rliable import metrics

    scores, level = RNG.normal(size=(40, 2)), 1 - 2 * expanded_tail(40)
    _, theirs = library.get_interval_estimates(
        {"x": scores}, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=2_000,
        confidence_interval_size=level, random_state=np.random.RandomState(0),
    )  # fmt: skip
    ours = interval(scores[..., None])
    width = ours.high[0] - ours.low[0]
    assert abs(ours.low[0] - theirs["x"][0, 0]) < 0.08 * width
    assert abs(ours.high[0] - theirs["x"][1, 0]) < 0.08 * width


@pytest.mark.parametrize("num", [2, 3, 5, 6, 10, 20])
def test_an_interval_covers_the_mean_in_95_of_100_experiments(num):
    """Between 93 and 97: 4,000 experiments of normal scores, whose interquartile mean is 0."""
    found = interval(RNG.normal(size=(num, 4_000)))
    covered = ((found.low <= 0) & (found.high >= 0)).mean()
    print(f"{num} runs: {covered:.3f}")
    assert 0.93 <= covered <= 0.97


def test_few_runs_have_students_interval():
    """Of 0 and 2: mean 1, deviation sqrt(2), so that the half width is 12.706 * sqrt(2) / sqrt(2)."""
    found = interval(np.array([[0.0], [2.0]]))
    assert found.mean == 1.0 and found.high - found.mean == pytest.approx(12.706, abs=1e-3)


def test_one_run_has_no_width():
    found = interval(np.array([[1.0, 2.0]]))
    assert found.low.tolist() == found.mean.tolist() == found.high.tolist() == [1.0, 2.0]


def test_runs_that_agree_have_no_width():
    found = interval(np.full((5, 3), 4.0))
    assert found.low.tolist() == found.high.tolist() == [4.0] * 3

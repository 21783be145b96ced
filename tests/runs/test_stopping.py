"""What ends a run before its target."""

import itertools
import math

import pytest

from nappo2 import Learner, scheme
from nappo2.runs.metrics import read_csv
from nappo2.runs.stopping import threshold_of, until
from tests.makers.recipes import CARTPOLE_PPO


def reasons(condition, rows):
    """What a condition says after each row."""
    state, said = condition.init(), []
    for row in rows:
        state, reason = condition.step(state, row)
        said.append(reason)
    return said


def first_true(condition, values, column="x"):
    """The number of the first of some values that ends a run; None if none does."""
    rows = [{} if value is None else {column: value} for value in values]
    return next((i for i, reason in enumerate(reasons(condition, rows)) if reason), None)


@pytest.mark.parametrize(
    ("threshold", "values", "index"),
    [
        (3, [1, 2, 3, 4], 2),
        ((">", 3), [1, 2, 3, 4], 3),
        (("<", 3), [4, 3, 2], 2),
        (("<=", 3), [4, 3, 2], 1),
        (3, [None, math.nan, None, 3.0], 3),
        (3, ["three", 2], None),
    ],
)
def test_a_threshold_ends_a_run_with_the_first_row_that_reaches_it(threshold, values, index):
    assert first_true(until(x=threshold), values) == index


@pytest.mark.parametrize(
    ("threshold", "values", "index"),
    [
        (math.inf, [1, 2, 2, 2, 3, 3, 3, 3], 7),
        (math.inf, [1, None, 1, None, None, 1, None, 1], 7),
        (("<", -math.inf), [3, 2, 4, 5, 6], 4),
        (math.inf, [math.nan, 1, 1, 1], None),
        (math.inf, range(100), None),
    ],
)
def test_patience_ends_a_run_after_so_many_rows_without_a_better_value(threshold, values, index):
    """Three, of those that have a value."""
    assert first_true(until(x=threshold, patience=3), values) == index


def test_patience_alone_is_of_the_episode_return():
    assert first_true(until(patience=2), [5, 4, 3], "episode_return") == 2
    assert first_true(until(patience=2), [5, 4, 3], "loss") is None


def test_seconds_are_of_wall_time_from_the_beginning_of_the_loop(monkeypatch):
    clock = itertools.count(100.0, 4.0)
    monkeypatch.setattr("nappo2.runs.stopping.monotonic", lambda: next(clock))
    assert reasons(until(seconds=10), [{}] * 3) == ["", "", "10 seconds are over"]


def test_functions_of_a_row_and_other_conditions_are_taken_too():
    def is_bad(row):
        return row["loss"] > 9

    both = until(is_bad, until(x=2), lambda row: "it is Sunday" if row["day"] == 7 else None)
    rows = [{"loss": 1, "day": 1}, {"loss": 10, "day": 1}, {"loss": 1, "day": 7}]
    assert reasons(both, rows) == ["", "is_bad holds", "it is Sunday"]
    assert reasons(both, [{"loss": 10, "day": 7, "x": 2}]) == [
        "is_bad holds; x 2 >= 2; it is Sunday"
    ]


def run(**options):
    """16 env steps per row."""
    options = {"target_steps": 160, "progress": False} | options
    return Learner(scheme("3cs", CARTPOLE_PPO), CARTPOLE_PPO.init(0), 1, **options)


def test_a_run_that_is_stopped_ends_in_order_and_says_why(tmp_path):
    learner = run(until=until(updates=12), log_dir=tmp_path, checkpoint_every=1_000)
    rows = list(learner)
    assert [row["updates"] for row in rows] == [4, 8, 12]
    assert learner.stopped == "updates 12 >= 12" and not learner.done()
    assert rows[-1]["event"] == "stopped: updates 12 >= 12"
    assert read_csv(tmp_path / "metrics.csv")[-1]["event"] == rows[-1]["event"]
    assert {"params.npz", "curve.png", "checkpoints"} <= {x.name for x in tmp_path.iterdir()}


def test_a_loop_has_conditions_of_its_own_and_the_next_one_goes_on(same):
    learner = run()
    assert [row["env_steps"] for row in learner.until(env_steps=48)] == [16, 32, 48]
    assert learner.stopped
    assert len(list(learner)) == 7 and learner.done() and not learner.stopped
    assert same(learner.params, run().run().params)


def test_either_of_two_conditions_ends_a_loop():
    assert len(list(run(until=until(updates=8)).until(env_steps=48))) == 2
    assert len(list(run(until=until(updates=40)).until(env_steps=48))) == 3


def test_a_column_that_the_body_adds_ends_the_loop():
    learner = run(until=until(mine=2.0))
    for row in learner:
        row["mine"] = row["env_steps"] / 16
    assert learner.env_steps == 32


def test_a_column_that_no_row_has_is_told_at_the_end():
    with pytest.warns(UserWarning, match=r"no row had 'episode_retrun'.* mean 'episode_return'"):
        run(until=until(episode_retrun=475, updates=10**6)).run()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: until(), "has no condition, such as episode_return=475"),
        (
            lambda: until(x="high"),
            r"x is a number to be reached, .* such as \('<', 0.1\), not 'high'",
        ),
        (lambda: until(x=("=", 1)), "x is a number to be reached"),
        (lambda: until(x=True), "x is a number to be reached"),
        (lambda: until(x=float("nan")), "x is a number to be reached"),
        (lambda: until(patience=0), "patience is an integer of at least 1, not 0"),
        (lambda: until(seconds=-1), "seconds is at least 0, not -1"),
        (lambda: until(3), r"others\[0\] is .*a function of one argument"),
        (lambda: run(until=475), "until is an Until, as until.*makes one, not 475"),
        (lambda: threshold_of("episode_return"), "a threshold is such as episode_return=475"),
        (lambda: threshold_of("loss<small"), "not 'loss<small'"),
    ],
)
def test_what_is_no_condition_is_told_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_thresholds_are_read_as_one_writes_them():
    assert threshold_of("episode_return=475") == ("episode_return", (">=", 475.0))
    assert threshold_of("loss < 1e-1") == ("loss", ("<", 0.1))


def test_a_target_of_the_wall_clock_needs_no_row_more_than_one():
    """The step that has begun is not broken off."""
    assert len(list(run(until=until(seconds=0)))) == 1

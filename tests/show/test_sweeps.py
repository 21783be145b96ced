"""Last values by a setting, and bands that stay within what is possible."""

import math
import types
from signal import SIGINT

import numpy as np
import pytest

from nappo2 import PPO, Learner, compare, envs, plot, ppo, scheme
from nappo2.runs.intervals import interval
from nappo2.runs.limits import limits_of
from nappo2.runs.metrics import Metrics
from nappo2.show._dashboard import draw_spread, state_of
from nappo2.show.pictures import new_figure
from nappo2.show.runs import SavedRun
from nappo2.show.sweeps import sweep_of


def saved(last, **config):
    rows = [{"env_steps": 10, "episode_return": 0.0}, {"env_steps": 20, "episode_return": last}]
    return SavedRun(Metrics(rows), {"algorithm": "ppo", "config": config}, None, None)


def test_runs_over_a_setting_are_their_last_values():
    """Two seeds each: means of 2 and 6."""
    runs = [saved(x, learning_rate=rate) for x, rate in ((1, 0.1), (3, 0.1), (5, 0.01), (7, 0.01))]
    axes = new_figure((3, 2)).add_subplot()
    plot(runs, x="learning_rate", axes=axes)
    assert [list(data) for data in axes.lines[0].get_data()] == [[0.01, 0.1], [6.0, 2.0]]
    assert axes.get_xscale() == "log" and axes.get_ylabel() == "episode return at the end"


def test_other_settings_tell_lines_apart_unless_they_follow_from_the_one_on_the_axis():
    """Shapes of weights follow from ``hidden``; the learning rate does not."""
    runs = [
        saved(1.0, hidden=h, shape=f"{h}x", learning_rate=rate) for h in (8, 16) for rate in (1, 2)
    ]
    sweep = sweep_of(runs, "hidden")
    assert list(sweep.groups) == ["learning_rate 1", "learning_rate 2"]
    assert sweep.texts == ["8", "16"] and sweep.places == [8.0, 16.0]


def test_what_is_no_number_stands_in_a_row():
    sweep = sweep_of([saved(1.0, relu=x) for x in (True, False)], "relu")
    assert sweep.texts == ["False", "True"] and sweep.places == [0.0, 1.0]


def test_learners_over_their_hyper_parameters():
    """A rate that is annealed is the one with which the run began."""

    def learner(rate):
        config = PPO(
            num_steps=8, num_minibatches=1, hidden=(4,), learning_rate=rate, anneal_updates=9
        )
        recipe = ppo(envs.cartpole(2, time_limit=5), config)
        return Learner(scheme("3cs", recipe), recipe.init(0), target_steps=32, progress=False).run()

    sweep = sweep_of([learner(rate) for rate in (1e-4, 1e-3)], "learning_rate")
    assert sweep.texts == ["0.0001", "0.001"] and len(sweep.groups) == 1


def test_a_column_that_grows_or_is_unknown_is_no_setting():
    assert sweep_of([saved(1.0)], "env_steps") is None
    with pytest.raises(ValueError, match="no run has 'learning_rates'"):
        plot([saved(1.0)], x="learning_rates")


def told(last, least, largest):
    ends = {"episode_return_min": least, "episode_return_max": largest}
    rows = [{"env_steps": 10, "episode_return": last, **ends}]
    return types.SimpleNamespace(metrics=Metrics(rows), description={"algorithm": "ppo"})


def test_an_interval_of_returns_is_within_the_returns_of_single_episodes():
    """Student's interval of 400, 450 and 500 ends at 574; no episode of CartPole does."""
    runs = [told(x, 9.0, 500.0) for x in (400.0, 450.0, 500.0)]
    assert limits_of("episode_return", [run.metrics for run in runs]) == (9.0, 500.0)
    found = compare(runs)
    assert found.high == [500.0] and found.low[0] == pytest.approx(325.8, abs=0.1)
    assert interval(np.array([[400.0], [450.0], [500.0]])).high[0] == pytest.approx(574.2, abs=0.1)


def test_limits_of_shares_and_of_what_nobody_knows():
    assert limits_of("evaluation_success_rate", []) == (0.0, 1.0)
    assert limits_of("loss", []) == limits_of("episode_return", [[{}]]) == (-math.inf, math.inf)


def test_a_mean_is_never_cut():
    """Where the rows of another run are missing, the mean may lie beyond the limits."""
    assert interval(np.array([[1.0], [3.0]]), (0.0, 1.5)).high[0] == 2.0


def test_the_spread_of_a_live_picture_ends_at_the_largest_return():
    axes = new_figure((3, 2)).add_subplot()
    row = {"episode_return": 490.0, "episode_return_std": 80.0}
    row |= {"episode_return_min": 9.0, "episode_return_max": 500.0}
    draw_spread(axes, [{"env_steps": i, **row} for i in (1, 2)])
    assert axes.collections[0].get_datalim(axes.transData).ymax == 500.0


def test_a_live_picture_says_why_a_run_has_stopped():
    run = types.SimpleNamespace(interrupted=SIGINT, stopped="", env_steps=4_096)
    assert (
        state_of(run)
        == "interrupted by SIGINT after 4,096 env steps; run the loop again to continue"
    )
    run.interrupted, run.stopped = 0, "episode_return 475"
    assert state_of(run) == "stopped: episode_return 475"
    run.stopped = ""
    assert state_of(run) == ""

"""Reports, and the one function that joins them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nappo2 import Report, envs, join, ppo
from nappo2.recipes import PPO
from nappo2.reports import Mean, flat
from nappo2.stages.recipe import batches_of, collect_of


def test_joining_weighs_means_adds_sums_and_keeps_episodes():
    a = Report({"loss": Mean(torch.tensor(1.0), 1)}, {"n": 2}, {"return": torch.ones(1)})
    b = Report({"loss": Mean(torch.tensor(4.0), 2)}, {"n": 3}, {"return": torch.zeros(2)})
    joined = join([a, b, Report()])
    assert joined.means["loss"] == (3.0, 3) and joined.sums["n"] == 5
    assert joined.episodes["return"].tolist() == [1, 0, 0]
    assert flat(joined) == {"loss": 3, "n": 5, "episode_return": pytest.approx(1 / 3)}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=6), st.data())
def test_it_does_not_matter_in_which_groups_reports_are_joined(values, data):
    reports = [Report({"x": Mean(torch.tensor(float(v)), w)}, {"n": v}) for v, w in values]
    cut = data.draw(st.integers(1, len(reports)))
    grouped = join([join(reports[:cut]), *reports[cut:]])
    whole = join(reports)
    torch.testing.assert_close(grouped.means["x"].value, whole.means["x"].value)
    assert grouped.sums == whole.sums and grouped.means["x"].weight == whole.means["x"].weight


def test_every_step_is_counted_once_and_no_episode_is_lost():
    """Episodes of 5 steps: three rollouts of 2 x 10 steps hold 12."""
    recipe = ppo(envs.cartpole(2, time_limit=5), PPO(num_steps=10, num_epochs=4, num_minibatches=4))
    pipe, params = collect_of(recipe) | recipe.prepare | batches_of(recipe), recipe.init(0)
    state, reports = pipe.init(params, 0), []
    for _ in range(3 * 16):
        state, _, report = pipe.step(params, state)
        reports.append(report)
    total = join(reports)
    assert total.sums["env_steps"] == 60
    assert total.episodes["length"].tolist() == [5.0] * 12

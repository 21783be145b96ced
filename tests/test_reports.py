"""Reports, and the one function that joins them."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from nappo2 import Report, envs, join, ppo
from nappo2.recipes import PPO
from nappo2.reports import Mean, flat, returns_of
from nappo2.stages.recipe import batches_of, collect_of


def test_joining_weighs_means_adds_sums_and_keeps_episodes():
    a, b = reporting(1.0, 1, 2, torch.ones(1)), reporting(4.0, 2, 3, torch.zeros(2))
    joined = join([a, b, Report()])
    assert joined.means["loss"] == (3.0, 3) and joined.sums["n"] == 5
    assert joined.moments["return"].tolist() == [3, 0, 0] and joined.seconds["gae"] == 0.5
    assert joined.episodes["return"].tolist() == [1, 0, 0]


def reporting(loss, weight, n, returns):
    """A report that has something in each of its fields."""
    return Report(
        {"loss": Mean(torch.tensor(loss), weight)},
        {"n": n},
        {"return": torch.tensor([float(weight), 0, 0])},
        {"gae": 0.25},
        {"return": returns},
    )


def test_a_report_as_plain_numbers_has_the_names_of_metrics():
    """Moments are no numbers, and of the returns of episodes there are means."""
    report = reporting(1.0, 1, 2, torch.tensor([1.0, 3.0]))
    numbers = {"loss": 1, "n": 2, "gae_seconds": 0.25, "episode_return": 2}
    assert flat(report) == numbers and list(flat(report)) == list(numbers)


def test_the_returns_of_members_are_told_apart():
    """Of members 0, 2, 0 with returns 1, 5, 3; member 1 finished no episode."""
    episodes = {"return": torch.tensor([1.0, 5.0, 3.0]), "member": torch.tensor([0, 2, 0])}
    report = Report(episodes=episodes)
    assert {i: x.tolist() for i, x in returns_of(report).items()} == {0: [1, 3], 2: [5]}
    assert flat(report) == {"episode_return_0": 2, "episode_return_2": 5, "episode_return": 3}
    assert returns_of(Report(episodes={"return": torch.ones(2)})) == {}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=6), st.data())
def test_it_does_not_matter_in_which_groups_reports_are_joined(values, data):
    reports = [reporting(float(v), w, v, torch.full((w,), float(v))) for v, w in values]
    cut = data.draw(st.integers(1, len(reports)))
    grouped = join([join(reports[:cut]), *reports[cut:]])
    whole = join(reports)
    torch.testing.assert_close(grouped.means["loss"].value, whole.means["loss"].value)
    assert grouped.means["loss"].weight == whole.means["loss"].weight
    assert (grouped.sums, grouped.seconds) == (whole.sums, whole.seconds)
    for theirs, ours in ((grouped.moments, whole.moments), (grouped.episodes, whole.episodes)):
        assert torch.equal(theirs["return"], ours["return"])


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

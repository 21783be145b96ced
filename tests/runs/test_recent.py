"""Means over the episodes that ended lately, which do not hide what was learnt since."""

import torch
from tensordict import TensorDict

from nappo2.params import make_params
from nappo2.reports import Report
from nappo2.runs.members import member_rows, rows_per_member
from nappo2.runs.recorder import Recorder
from nappo2.saving.saved_learner import check_counters

PARAMS = make_params(TensorDict(w=torch.zeros(1)), learning_rate=0.1)


def rows_of(recorder, *steps):
    """A row for each of the pairs of env steps and returns."""
    for env_steps, returns in steps:
        episodes = {"return": torch.tensor(returns), "length": torch.ones(len(returns))}
        recorder.add(Report(sums={"env_steps": env_steps}, episodes=episodes), 1.0)
        recorder.row(PARAMS)
    return [row.get("recent_return") for row in recorder.metrics]


def test_a_recent_return_is_the_mean_over_episodes_of_the_last_10_000_steps():
    """Episodes end at 4,000 and 8,000; at 16,000 the first is too old; the last one never is."""
    steps = [(4_000, [10.0]), (4_000, [20.0]), (4_000, []), (4_000, []), (14_000, [])]
    assert rows_of(Recorder(), *steps) == [10.0, 15.0, 15.0, 20.0, 20.0]


def test_it_tells_what_the_mean_of_100_episodes_hides():
    """150 episodes of 20, then ten of 500: the mean of the last 100 is 68."""
    recorder = Recorder()
    recent = rows_of(recorder, (3_000, [20.0] * 150), (11_000, [500.0] * 10))
    assert recent == [20.0, 500.0]
    assert recorder.metrics[-1]["episode_return"] == 68.0


def test_a_run_that_goes_on_knows_its_recent_episodes():
    before, after = Recorder(), Recorder()
    rows_of(before, (6_000, [1.0]))
    after.restore(before.counters())
    assert rows_of(after, (3_000, [2.0]))[-1] == 1.5
    counters = before.counters() | {"seed": 0, "given": PARAMS["hyper"]}
    old = {name: x for name, x in counters.items() if name != "ended"}
    assert check_counters(counters)["ended"] == check_counters(old)["ended"] == [(6_000, 1.0)]


def test_so_do_the_members_of_a_population():
    """Of two members, 8,000 and 16,000 env steps are 4,000 and 8,000 of each."""
    rows = [
        {"env_steps": 8_000, "episode_return_0": 1.0, "episode_return_1": 5.0},
        {"env_steps": 16_000, "episode_return_0": 3.0},
        {"env_steps": 32_000, "episode_return_0": 5.0, "episode_return_1": 7.0},
    ]
    first, second = member_rows(rows)
    assert [row["recent_return"] for row in first] == [1.0, 2.0, 4.0]
    assert [row["recent_return"] for row in second] == [5.0, 7.0]


def test_a_member_without_an_episode_is_a_member_still():
    """Of three, the first and the last have ended one: 6,000 env steps are 2,000 of each."""
    rows = [{"env_steps": 6_000, "episode_return_0": 1.0, "episode_return_2": 5.0}]
    scores = [[row["episode_return"] for row in each] for each in member_rows(rows)]
    assert scores == [[1.0], [], [5.0]]
    assert rows_per_member(rows)[0]["env_steps"] == 2_000
    assert [len(each) for each in member_rows(rows, 4)] == [1, 0, 1, 0]
    assert rows_per_member(rows, 4)[0]["env_steps"] == 1_500
    assert member_rows([{"env_steps": 6_000}], 4) == []

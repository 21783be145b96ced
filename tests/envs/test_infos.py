"""What environments of Gymnasium tell of episodes that end."""

import torch

from nappo2 import envs
from nappo2.envs.infos import as_columns
from tests.makers.environments import Exam, Ramp, zero_action


def last_steps(env, num_steps, seed=0):
    state, _ = env.reset(seed)
    for _ in range(num_steps):
        state, _, outcome = env.step(state, zero_action(env))
        yield outcome


def test_a_success_is_told_without_being_asked_for_and_only_where_an_episode_ends():
    *before, last = last_steps(envs.make(Exam, 3), 4)
    assert all(outcome.info == {} for outcome in before)
    assert set(last.info) == {"is_success"} and last.info["is_success"].dtype == torch.float32


def test_what_is_no_number_is_no_success():
    class Odd(Ramp):
        def step(self, action):
            return *super().step(action)[:4], {"is_success": ["yes", None]}

    assert all(outcome.info == {} for outcome in last_steps(envs.make(Odd, 2), 5))


def test_columns_have_nan_where_nothing_is_told():
    columns = as_columns(3, [0, 2], [{"a": 1.0}, {"a": 2.0, "b": 3.0}])
    assert columns["a"].nan_to_num(-1).tolist() == [1, -1, 2]
    assert columns["b"].nan_to_num(-1).tolist() == [-1, -1, 3]


def test_monitor_files_have_the_success(tmp_path):
    env = envs.make(Exam, 2, monitor=tmp_path, info_keywords=["is_success", "score"])
    list(last_steps(env, 8))
    rows = [line.split(",") for x in tmp_path.iterdir() for line in x.read_text().splitlines()[2:]]
    assert len(rows) == 4
    assert all(float(success) == (float(points) > 0) for points, _, _, success, _ in rows)

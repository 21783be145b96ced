"""What environments give is taken in every sensible form, or named: which one, what, and what is right."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from nappo2 import envs

LINE = Box(-99, 99, (2,))


class Says(gymnasium.Env):
    """Gives what it is told to give."""

    action_space = Discrete(2)

    def __init__(self, space=LINE, start=None, answer=None):
        self.observation_space, self.start, self.answer = space, start, answer

    def observation(self):
        return np.zeros(self.observation_space.shape, self.observation_space.dtype)

    def reset(self, seed=None, options=None):
        return (self.observation(), {}) if self.start is None else self.start

    def step(self, action):
        answer = {"observation": self.observation(), "reward": 1.0, "terminated": False}
        answer |= {"truncated": False, "info": {}}
        changed = self.answer if isinstance(self.answer, dict) else {}
        whole = tuple((answer | changed).values())
        return whole if isinstance(self.answer, (dict, type(None))) else self.answer


def stepped(**how):
    env = envs.from_gym(Says, 2, info_keywords=how.pop("info_keywords", ()), **how)
    state, _ = env.reset(0)
    return env.step(state, torch.zeros(2, dtype=torch.int64))


ONE = [1, True, np.float32(1), np.int8(1), np.array(1.0), np.array([1.0]), [1.0], torch.tensor(1.0)]
ONE += [torch.ones(1, dtype=torch.bfloat16), torch.ones((), requires_grad=True)]


@pytest.mark.parametrize("reward", ONE, ids=repr)
def test_a_reward_is_a_single_number_of_any_kind(reward):
    *_, outcome = stepped(answer={"reward": reward})
    assert outcome.reward.tolist() == [1, 1]


@pytest.mark.parametrize(
    "flag", [False, 0, np.False_, np.array(False), [False], np.array([0])], ids=repr
)
def test_a_flag_is_true_or_false_of_any_kind(flag):
    for what in ("terminated", "truncated"):
        *_, outcome = stepped(answer={what: flag})
        assert getattr(outcome, what).tolist() == [False, False]
    *_, outcome = stepped(answer={"terminated": 1, "truncated": np.array([True])})
    assert outcome.terminated.all() and outcome.truncated.all()


WRONG = [
    (
        {"reward": np.zeros(2)},
        r"gave a reward of shape \(2,\) and dtype float64; a reward is a single",
    ),
    ({"reward": "much"}, "gave a reward of 'much'"),
    ({"reward": 10**400}, "gave a reward of 1000"),
    ({"reward": {}}, "gave a reward of a dict"),
    ({"reward": 1j}, "gave a reward of a complex"),
    ({"terminated": "no"}, "gave terminated as 'no'; it is True or False"),
    ({"truncated": None}, "gave truncated as None; it is True or False"),
    ({"terminated": [True, False]}, r"gave terminated as 2 values \(bool, bool\)"),
    ({"truncated": 0.5}, "gave truncated as 0.5"),
    ({"observation": None}, "gave an observation of None; its space has"),
    (
        {"observation": np.zeros(3)},
        r"gave an observation of shape \(3,\); its space has shape \(2,\)",
    ),
    ({"observation": [[1], [1, 2]]}, "gave an observation of shape no one shape"),
    ({"observation": ["a", "b"]}, ".*which is no array of float32"),
    ({"observation": {}}, r"gave an observation of shape \(\)"),
    ({"observation": torch.ones(2, requires_grad=True)}, ".*which is no array of float32: .*grad"),
    ((1, 2, 3, 4), r"gave 4 values \(int, int, int, int\) for a step; Gymnasium's are five"),
    (7, "gave 7 for a step"),
]


@pytest.mark.parametrize(("answer", "message"), WRONG, ids=lambda x: str(x)[:40])
def test_what_is_none_of_these_is_named(answer, message):
    with pytest.raises(ValueError, match=f"environment 0 of Says {message}"):
        stepped(answer=answer)


@pytest.mark.parametrize("start", [np.zeros(2), (np.zeros(2),), {}, (np.zeros(2), {}, 1)], ids=repr)
def test_a_reset_gives_a_pair(start):
    with pytest.raises(
        ValueError, match=r"environment 0 of Says gave .* for a reset; .* are pairs"
    ):
        stepped(start=start)


def test_a_list_of_five_is_a_step():
    *_, outcome = stepped(answer=[np.ones(2), 2.0, False, False, {}])
    assert outcome.reward.tolist() == [2, 2]


@pytest.mark.parametrize(
    "given", [np.array([0.5, 1.0]), np.array([300, 1]), np.array([-1, 0])], ids=repr
)
def test_what_is_no_byte_is_refused_where_the_space_has_bytes(given):
    """Floats within 0 and 1 would all become black."""
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        stepped(space=Box(0, 255, (2,), np.uint8), answer={"observation": given})
    *_, outcome = stepped(space=Box(0, 255, (2,), np.uint8), answer={"observation": [1, 255]})
    assert outcome.observation.tolist() == [[1, 255]] * 2


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.5, 0.5),
        (np.array(0.5), 0.5),
        ([0.5], 0.5),
        (True, 1.0),
        (None, np.nan),
        (torch.tensor(2), 2.0),
    ],
    ids=repr,
)
def test_infos_are_numbers_or_not_there(value, number):
    end = {"terminated": True, "info": {"x": value}}
    *_, outcome = stepped(answer=end, info_keywords=("x", "y"))
    assert outcome.info["x"].tolist() == pytest.approx([number] * 2, nan_ok=True)
    assert outcome.info["y"].isnan().all()


@pytest.mark.parametrize("value", ["yes", [1, 2], {}, np.zeros(3)], ids=repr)
def test_infos_that_are_none_are_named(value):
    with pytest.raises(
        ValueError, match=r"environment 0 of Says gave info\['x'\] as .* single numbers"
    ):
        stepped(answer={"truncated": True, "info": {"x": value}}, info_keywords=("x",))
    with pytest.raises(ValueError, match="gave an info of None; it is a dictionary"):
        stepped(answer={"truncated": True, "info": None}, info_keywords=("x",))


@pytest.mark.parametrize("num_envs", [1, 2, 3])
def test_one_simulator_is_never_taken_for_many(num_envs):
    """Nor for that of another reset, which an evaluation would step in the middle of a rollout."""
    one = Says()
    env = envs.from_gym(lambda: one, num_envs)
    with pytest.raises(ValueError, match="gave the same environment twice"):
        env.reset(0)
    inner = Says()
    wrapped = envs.from_gym(lambda: gymnasium.wrappers.TimeLimit(inner, 3), num_envs)
    with pytest.raises(ValueError, match="gave the same environment twice"):
        wrapped.reset(0)

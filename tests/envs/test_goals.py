"""Goal environments: what panda-gym and gymnasium-robotics make, as batches of three tensors."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict

from nappo2 import envs
from nappo2.recipes import SAC, sac
from nappo2.seeds import split
from nappo2.stages import final, hindsight
from nappo2.stages.recipe import collect_of

KEYS = ("achieved_goal", "desired_goal", "observation")
REACH = [("PandaReach-v3", "panda_gym"), ("FetchReach-v4", "gymnasium_robotics")]

reaching = pytest.mark.parametrize(("env_id", "package"), REACH)


@reaching
def test_it_moves_as_the_original_does(env_id, package):
    """Five steps of the second of two, with the seed that it is given."""
    env = envs.make(env_id, 2)
    state, seen = env.reset(3)
    original = gymnasium.make(f"{package}:{env_id}")
    expected, _ = original.reset(seed=split(3, 2)[1] % 2**31)
    action = torch.linspace(-1, 1, 2 * 5 * env.action_space.shape[0]).view(5, 2, -1)
    for own in action:
        for key in KEYS:
            np.testing.assert_allclose(seen[key][1], expected[key], atol=1e-5)
        state, seen, outcome = env.step(state, own)
        expected, reward, *_ = original.step(own[1].numpy())
        assert outcome.reward[1] == pytest.approx(reward)
    env.close(state)
    original.close()


@reaching
def test_its_reward_can_be_asked_for(env_id, package):
    """Within 5 centimetres of the goal 0, and -1 beyond: of any shape, and as a step had it."""
    reward = envs.goal_reward(env_id)
    near, far = torch.tensor([0.0, 0.0, 0.04]), torch.tensor([0.0, 0.06, 0.0])
    goal = torch.zeros(4, 2, 3)
    assert reward(near.expand(4, 2, 3), goal).tolist() == [[0.0] * 2] * 4
    assert reward(far.expand(4, 2, 3), goal).tolist() == [[-1.0] * 2] * 4


def test_hindsight_on_a_reach_task():
    """An episode of 50 steps and its copies, the last of which has reached what it asked for."""
    recipe = sac(envs.make("PandaReach-v3", 1), SAC(num_steps=50, hidden=(4,)))
    pipe = collect_of(recipe) | hindsight(envs.goal_reward("PandaReach-v3"), final())
    params = recipe.init(0)
    _, item, _ = pipe.step(params, pipe.init(params, 0))
    assert item.batch_size == (100,)
    assert item["next", "reward"][-1] == 0
    reached = item["next", "observation"]
    assert (reached["achieved_goal"][-1] == reached["desired_goal"][-1]).all()


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="no environment can be made of 'PandaDance-v3'"):
        envs.make("PandaDance-v3")


class Reaching(gymnasium.Env):
    """Of a state [2, 3], with goals of two numbers; it tells whether it has reached its goal."""

    action_space = Box(-1, 1, (2,))
    parts = {"observation": (2, 3), "achieved_goal": (2,), "desired_goal": (2,)}
    observation_space = Dict({key: Box(-9, 9, shape) for key, shape in parts.items()})

    def __init__(self, wrong=None):
        self.wrong = wrong or {}

    def seen(self):
        state = {"observation": self.t, "achieved_goal": 10 + self.t, "desired_goal": 20}
        rows = {key: np.full(self.parts[key], x, np.float32) for key, x in state.items()}
        return {key: x for key, x in (rows | self.wrong).items() if x is not None}

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.seen(), {}

    def step(self, action):
        self.t += 1
        return self.seen(), -1.0, False, self.t == 3, {"is_success": self.t / 4}

    def compute_reward(self, achieved, desired, info):
        return -(np.abs(achieved - desired).max(-1) > 1).astype(np.float32)


gymnasium.register("Reaching-v0", Reaching)

MADE = {
    "from_gym": lambda: envs.from_gym(Reaching, 2),
    "a class": lambda: envs.make(Reaching, 2),
    "an id": lambda: envs.make("Reaching-v0", 2),
    "goal_env": lambda: envs.goal_env("Reaching-v0", 2),
    "limited": lambda: envs.make("Reaching-v0", 2, max_episode_steps=2),
}


@pytest.mark.parametrize("way", MADE)
def test_goals_are_known_by_their_spaces(way):
    env = MADE[way]()
    state, observation = env.reset(0)
    state, observation, outcome = env.step(state, torch.zeros(2, 2))
    for seen in (observation, outcome.observation):
        assert {key: tuple(x.shape[1:]) for key, x in seen.items()} == Reaching.parts
        assert [seen[key].unique().tolist() for key in KEYS] == [[11], [20], [1]]
    assert env.observation_space == Reaching.observation_space
    saved = env.save(state)
    other, _ = env.reset(1)
    _, _, outcome = env.step(env.load(other, saved), torch.zeros(2, 2))
    assert (outcome.observation["observation"] == 2).all()


def test_success_is_told_and_goals_can_be_a_row():
    env = envs.make(Reaching, 1, info_keywords=("is_success",))
    state, _ = env.reset(0)
    for _ in range(3):
        state, _, outcome = env.step(state, torch.zeros(1, 2))
    assert outcome.info["is_success"].tolist() == [0.75]
    flat = envs.make(Reaching, 1, wrappers=[gymnasium.wrappers.FlattenObservation])
    assert flat.reset(0)[1].tolist() == [[10, 10, 20, 20, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"desired_goal": None}, "gave nothing as 'desired_goal'"),
        ({"achieved_goal": np.zeros(3)}, r"shape \(3,\) as 'achieved_goal'.*has shape \(2,\)"),
    ],
)
def test_a_goal_that_is_not_as_its_space_says_is_named(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        envs.make(Reaching, 1, wrong=wrong).reset(0)


def test_frames_are_not_for_goals():
    with pytest.raises(ValueError, match="frame_stack is for observations in a Box, not in Dict"):
        envs.make(Reaching, 1, frame_stack=2)
    with pytest.raises(ValueError, match="frame_skip stays 1 with goals"):
        envs.make(Reaching, 1, frame_skip=2)


def test_rewards_of_ones_own_goals():
    achieved, desired = torch.zeros(3, 2), torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 5.0]])
    for env in (Reaching, "Reaching-v0"):
        assert envs.goal_reward(env)(achieved, desired).tolist() == [0, 0, -1]
    with pytest.raises(ValueError, match="has no compute_reward"):
        envs.goal_reward("CartPole-v1")(achieved, desired)


@pytest.mark.parametrize(
    "env_id", ["PointMaze_UMaze-v3", "HandReach-v3", "gymnasium_robotics:FetchPush-v4"]
)
def test_others_of_the_packages_need_no_name_of_a_family(env_id):
    state, observation = (env := envs.make(env_id, 1)).reset(0)
    env.close(state)
    assert sorted(observation) == sorted(KEYS)

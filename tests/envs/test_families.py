"""Each family of environments is imported, reset and stepped; frames; and agents that suit images."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from nappo2 import PPO, SAC, Learner, envs, ppo, sac, scheme
from nappo2.envs._minigrid import BABYAI, split_words, words_of
from nappo2.envs.boxes import is_bytes
from nappo2.params import make_params
from nappo2.recipes import default_agent, double_dqn
from nappo2.recipes._dqn import DQN
from tests.makers.environments import Ramp, zero_action

FAMILIES = {
    "ALE/Pong-v5": ((4, 84, 84), torch.uint8),
    "HalfCheetah-v5": ((17,), torch.float32),
    "HalfCheetahBulletEnv-v0": ((26,), torch.float32),
    "MiniGrid-Empty-5x5-v0": ((3, 7, 7), torch.uint8),
    "LunarLander-v3": ((8,), torch.float32),
    "CarRacing-v3": ((3, 96, 96), torch.uint8),
    "torch/Catch-v0": ((1, 10, 5), torch.uint8),
}


@pytest.mark.parametrize(("env_id", "seen"), FAMILIES.items(), ids=FAMILIES)
def test_each_family_is_reset_and_stepped(env_id, seen):
    env = envs.make(env_id, 2)
    state, first = env.reset(0)
    state, _, outcome = env.step(state, zero_action(env))
    env.close(state)
    for x in (first, outcome.observation):
        assert (tuple(x.shape[1:]), x.dtype) == seen and len(x) == 2
    assert outcome.reward.isfinite().all() and not outcome.truncated.any()
    assert env.observation_space.shape == seen[0]


class Bare(gymnasium.Env):
    """Has no __init__, and so takes no arguments at all."""


def test_skipped_frames_are_summed_and_the_last_is_seen():
    """1 + 2, 3 + 4, and 5 alone, with which it is over."""
    env = envs.make("Ramp-v0", frame_skip=2)
    state, _ = env.reset(0)
    results = []
    for _ in range(3):
        state, _, outcome = env.step(state, zero_action(env))
        results.append([outcome.reward.item(), outcome.observation[0, 0].item()])
    assert results == [[3, 2], [7, 4], [5, 5]] and outcome.terminated


def test_stacked_frames_have_the_newest_last_and_the_bounds_of_the_parts():
    env = envs.make("Ramp-v0", frame_stack=3)
    state, observation = env.reset(0)
    assert observation.tolist() == [[0] * 6]
    for _ in range(2):
        state, observation, _ = env.step(state, zero_action(env))
    assert observation.tolist() == [[0, 0, 1, 1, 2, 2]]
    assert env.observation_space == Box(0, 9, (6,))


def test_stacked_images_have_more_channels():
    """Of height 5 and width 4 with three colours, which come first."""
    env = envs.make("Ramp-v0", frame_stack=2, shape=(5, 4, 3), dtype="uint8")
    assert env.observation_space.shape == (6, 5, 4)
    state, observation = env.reset(0)
    _, observation, _ = env.step(state, zero_action(env))
    assert observation[0, :, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_pybullet_skips_and_stacks():
    env = envs.make("InvertedPendulumBulletEnv-v0", frame_skip=2, frame_stack=4)
    state, observation = env.reset(0)
    assert observation.shape == (1, 20)
    _, observation, outcome = env.step(state, torch.zeros(1, 1))
    assert outcome.reward == 2 and torch.equal(observation[:, :5], observation[:, 5:10])
    with pytest.raises(ValueError, match="frame_skip is an integer of at least 1"):
        envs.make("InvertedPendulumBulletEnv-v0", frame_skip=0)
    with pytest.raises(ValueError, match="torch/CartPole-v1 has frames of its own"):
        envs.make("torch/CartPole-v1", frame_skip=2)


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("torch/CartPole-v1", {"max_episode_steps": 10}),
        ("torch/Pendulum-v1", {"info_keywords": ("torque",)}),
        ("torch/Catch-v0", {"wrappers": [gymnasium.Wrapper]}),
        ("ALE/Pong-v5", {"frameskip": 1}),
        ("ALE/Pong-v5", {"render_mode": "rgb_array"}),
        ("CartPole-v1", {"nonsense": 1}),
        ("InvertedPendulumBulletEnv-v0", {"nonsense": 1}),
        ("MiniGrid-Empty-5x5-v0", {"nonsense": 1}),
        ("PandaReach-v3", {"nonsense": 1}),
        ("Ramp-v0", {"render_mode": "rgb_array"}),
        (Ramp, {"nonsense": 1}),
        (Bare, {"nonsense": 1}),
    ],
)
def test_an_argument_that_a_family_does_not_take_is_named(env_id, arguments):
    name = env_id if isinstance(env_id, str) else env_id.__name__
    (argument,) = arguments
    with pytest.raises(ValueError, match=f"{name} takes no argument '{argument}'"):
        envs.make(env_id, 1, **arguments)


def test_a_mistake_within_an_environment_is_not_taken_for_an_argument():
    def broken(size=1):
        return Ramp(shap=(2,))

    with pytest.raises(TypeError, match="unexpected keyword argument 'shap'"):
        envs.make(broken, 1, size=2)


def test_images_are_seen_by_convolutions_and_vectors_by_perceptrons():
    """Mnih's for Atari's 84 x 84, MinAtar's for the 7 x 7 of MiniGrid."""
    kernels = {}
    for env_id in ("ALE/Pong-v5", "MiniGrid-Empty-5x5-v0", "torch/CartPole-v1"):
        env = envs.make(env_id, 2)
        agent = default_agent(env, (32,))
        weights = agent.init(0)
        first = weights["torso", "0"] if "torso" in weights.keys() else weights["actor", "0"]
        kernels[env_id] = tuple(first["weight"].shape)
        outputs, value = agent.both(make_params(weights).to_dict(), env.reset(0)[1])
        assert outputs.shape == (2, env.action_space.n) and value.shape == (2,)
    assert list(kernels.values()) == [(32, 4, 8, 8), (16, 3, 3, 3), (32, 4)]


def test_of_images_rewards_may_be_scaled():
    agent = default_agent(envs.make("torch/Catch-v0"), (32,), True)
    assert set(agent.normalizer().keys()) == {"return"}
    assert not default_agent(envs.make("torch/Catch-v0"), (32,)).normalizer().keys()
    with pytest.raises(ValueError, match="a hidden layer behind them"):
        default_agent(envs.make("torch/Catch-v0"), ())


@pytest.mark.parametrize(
    ("make_recipe", "config"),
    [
        (ppo, PPO(num_steps=8, num_minibatches=2, num_epochs=2)),
        (sac, SAC(hidden=(16,), capacity=64, batch_size=8, start_steps=8)),
        (double_dqn, DQN(hidden=(16,), capacity=64, batch_size=8, start_steps=8)),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_recipes_learn_from_images(make_recipe, config):
    recipe = make_recipe(envs.make("torch/Catch-v0", 4), config)
    params = recipe.init(0)
    learner = Learner(scheme("3cs", recipe), params, target_steps=64)
    rows = list(learner)
    assert all(np.isfinite(row["loss"]) for row in rows if "loss" in row)
    moved = [
        not torch.equal(a, b)
        for a, b in zip(
            params["weights"].values(True, True),
            learner.params["weights"].values(True, True),
            strict=True,
        )
    ]
    assert sum(moved) > len(moved) / 2


def test_sac_sees_images_with_continuous_actions_too():
    """Actor and both critics have convolutions of their own."""
    recipe = sac(envs.make("CarRacing-v3"), SAC(hidden=(8,)))
    weights = recipe.init(0)["weights"]
    torsos = weights["actor", "0"], *(critic["torso"] for critic in weights["critics"].values())
    assert len(torsos) == 3
    assert all(torso["0", "weight"].shape == (32, 3, 8, 8) for torso in torsos)
    assert not torch.equal(torsos[1]["0", "weight"], torsos[2]["0", "weight"])


MISSIONS = {
    "BabyAI-GoToLocal-v0": 32,
    "MiniGrid-Fetch-5x5-N2-v0": 14,
    "MiniGrid-GoToDoor-5x5-v0": 10,
}


@pytest.mark.parametrize(("env_id", "num_words"), MISSIONS.items())
def test_a_mission_that_changes_is_seen_as_a_bag_of_words(env_id, num_words):
    """The words that the simulator says, and no others."""
    env = envs.make(env_id, 8)
    state, observation = env.reset(0)
    words = words_of(gymnasium.make(env_id).observation_space["mission"])
    bags = [{words[i] for i in row.nonzero().flatten()} for row in observation["mission"]]
    assert observation["mission"].shape == (8, num_words) and len(words) == num_words
    assert observation["image"].shape == (8, 3, 7, 7)
    said = [set(split_words(inner.unwrapped.mission)) for inner in state.envs]
    assert bags == said and len({frozenset(bag) for bag in bags}) > 1
    env.close(state)


def test_a_mission_that_is_always_the_same_is_not_seen():
    assert is_bytes(envs.make("MiniGrid-Empty-5x5-v0").observation_space, 3)


@pytest.mark.parametrize("env_id", [key for key in gymnasium.registry if key.startswith("BabyAI-")])
def test_no_mission_of_babyai_has_another_word(env_id):
    env = gymnasium.make(env_id)
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        assert set(split_words(observation["mission"])) <= set(BABYAI.split())


@pytest.mark.parametrize("env_id", envs.TORCH)
def test_every_environment_in_torch_is_on_the_page_with_its_function(env_id):
    page = (Path(__file__).parents[2] / "docs/environments.md").read_text()
    (row,) = [
        line for line in page.splitlines() if line.startswith("| `") and f"`{env_id}`" in line
    ][-1:]
    assert f"`envs.{envs.TORCH[env_id].__name__}`" in row

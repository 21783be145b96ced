"""A trained agent acts on what a simulator shows, as an evaluation does."""

import gymnasium
import numpy as np
import pytest
import torch

from nappo2 import (
    DQN,
    PPO,
    Learner,
    TrainedAgent,
    distributions,
    double_dqn,
    envs,
    evaluate,
    load,
    mlp,
    ppo,
    recurrent_ppo,
    sac,
    scheme,
    trees,
)
from nappo2.networks import actor_critic
from nappo2.recipes import RECIPES
from nappo2.seeds import fold_in, split
from tests.makers.recipes import ENVS, fits, recipe_in, run_of
from tests.makers.stepping import step

CARTPOLE = ppo(envs.make("CartPole-v1", 1), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
PENDULUM = ppo(envs.make("Pendulum-v1", 1), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))


def agent_in(recipe, seed=0):
    """An agent with first params that count as trained, so that no warm-up acts."""
    params = recipe.init(seed)
    params["version"] += 1
    return TrainedAgent(recipe, params)


@pytest.mark.parametrize(
    ("recipe", "env_id", "episodes"), [(CARTPOLE, "CartPole-v1", 20), (PENDULUM, "Pendulum-v1", 20)]
)
def test_episodes_in_a_bare_loop_return_what_an_evaluation_returns(recipe, env_id, episodes):
    """To the last digit: the environment is seeded as an evaluation seeds its first."""
    params = recipe.init(3)
    theirs = evaluate(recipe.env, recipe.greedy, params, episodes, seed=5).returns
    agent, world, returns = TrainedAgent(recipe, params), gymnasium.make(env_id), []
    env_seed, _, _ = split(fold_in(5, "evaluate"), 3)
    observation, _ = world.reset(seed=split(env_seed, 1)[0] % 2**31)
    for _ in range(episodes):
        score, over = torch.zeros(()), False
        while not over:
            observation, reward, terminated, truncated, _ = world.step(agent.act(observation))
            score, over = score + np.float32(reward), terminated or truncated
        returns.append(score)
        agent.reset()
        observation, _ = world.reset()
    assert torch.equal(torch.stack(returns), theirs)


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_acts_on_one_observation_and_on_a_batch(name):
    """The same action for the same observation, valid in the space; a value for each."""
    for env in [env for env in ENVS if env != "bullet" and fits(name, env, "uniform")]:
        recipe = recipe_in(name, env, "uniform")
        agent, space = agent_in(recipe), recipe.env.observation_space
        space.seed(0)
        shown = space.sample()
        action = agent.act(shown)
        assert recipe.env.action_space.contains(action) or np.isscalar(action), (env, action)
        agent.reset()
        pair = trees.map(lambda x: np.stack([x, x]), shown)
        both = agent.act(pair)
        assert len(both) == 2 and np.allclose(both[0], action, atol=1e-5)
        agent.reset()
        assert agent.value(pair).shape == (2,) and isinstance(agent.value(shown), float)
        sampled = agent.sample(shown)
        assert np.shape(sampled) == np.shape(action)


def test_probabilities_are_those_of_which_actions_are_drawn():
    """Softmax of the logits, by hand; a share of actions within 5 standard deviations of each."""
    network = mlp(4, 2)
    agent = actor_critic(network, mlp(4, 1))
    recipe = ppo(CARTPOLE.env, PPO(num_steps=8, num_minibatches=2), agent=agent,
                 dist=distributions.categorical())  # fmt: skip
    params, observation = recipe.init(0), [0.1, -0.2, 0.3, 0.4]
    found = TrainedAgent(recipe, params)
    logits = agent.actor(params.to_dict(), torch.tensor(observation))
    expected = logits.softmax(-1).detach().numpy()
    assert np.allclose(found.probabilities(observation), expected, atol=1e-6)
    ones = sum(found.sample(observation) for _ in range(2_000)) / 2_000
    p = expected[1]
    assert abs(ones - p) < 5 * (p * (1 - p) / 2_000) ** 0.5


def test_epsilon_is_part_of_a_probability():
    """With an epsilon of 0.2 and two actions the greedy one has 0.9."""
    config = DQN(num_steps=8, hidden=(8,), epsilon=0.2, exploration_updates=1, start_steps=0)
    agent = agent_in(double_dqn(envs.make("CartPole-v1", 1), config))
    assert sorted(agent.probabilities([0.0, 0.0, 0.1, 0.0])) == pytest.approx([0.1, 0.9])


def test_values_are_in_the_units_of_rewards():
    """Statistics of rewards are taken back: a deviation of 3 makes a value of 1 one of 3."""
    params = PENDULUM.init(0)
    plain = TrainedAgent(PENDULUM, params).value([1.0, 0.0, 0.0])
    params["normalizer", "return", "std"] = torch.tensor(3.0)
    assert TrainedAgent(PENDULUM, params).value([1.0, 0.0, 0.0]) == pytest.approx(3 * plain)


def test_a_memory_lasts_until_it_is_reset():
    recipe = recurrent_ppo(envs.masked_cartpole(4))
    agent = agent_in(recipe)
    agent.params["weights"].apply_(lambda x: x.normal_(generator=torch.Generator().manual_seed(0)))
    agent = TrainedAgent(recipe, agent.params)
    shown = np.array([[0.01, 0.02], [0.03, -0.01]], np.float32)
    first = agent.probabilities(shown)
    for _ in range(5):
        agent.act(shown)
    later = agent.probabilities(shown)
    assert (first != later).any()
    agent.reset([True, False])
    partly = agent.probabilities(shown)
    assert np.allclose(partly[0], first[0]) and np.allclose(partly[1], later[1])
    agent.reset()
    assert np.allclose(agent.probabilities(shown), first)
    agent.act(shown)
    with pytest.raises(ValueError, match="the memory is of 2 episodes, and these are 1 obs"):
        agent.act(shown[0])


def test_images_are_taken_with_their_channels_first_or_last():
    recipe = ppo(envs.catch(1), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
    agent = agent_in(recipe)
    shape = recipe.env.observation_spec.shape
    shown = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert agent.value(shown) == agent.value(torch.from_numpy(shown))
    if shape[0] not in shape[1:]:
        assert agent.value(np.moveaxis(shown, 0, -1)) == agent.value(shown)
    with pytest.raises(ValueError, match=r"bytes \(uint8\), not float64"):
        agent.act(shown / 255)


BAD = {
    "text": ("left", "an array of numbers, not str"),
    "three numbers": ([1.0, 2.0, 3.0], r"has shape \(4,\), or \(B, \*\(4,\)\), not \(3,\)"),
    "nested": (np.zeros((2, 2, 4)), r"not \(2, 2, 4\)"),
    "NaN": ([0.0, float("nan"), 0.0, 0.0], "numbers that are not finite"),
    "ragged": ([[1.0], [1.0, 2.0]], "an array of numbers, not list"),
    "None": (None, "an array of numbers, not NoneType"),
    "too large": ([1e300, 0.0, 0.0, 0.0], "numbers that are not finite in float32"),
    "complex": (np.zeros(4, complex), "an array of numbers, not ndarray of complex128"),
    "objects": (np.array([{}, 0, 0, 0]), "an array of numbers, not ndarray of object"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_observation_is_refused_in_a_sentence(name):
    wrong, text = BAD[name]
    agent = TrainedAgent(CARTPOLE, CARTPOLE.init(0))
    for ask in (agent.act, agent.sample, agent.value, agent.probabilities):
        with pytest.raises(ValueError, match=text):
            ask(wrong)


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16, torch.float64, torch.int32))
def test_tensors_of_all_numbers_are_observations(dtype):
    agent = TrainedAgent(CARTPOLE, CARTPOLE.init(0))
    assert agent.value(torch.ones(4, dtype=dtype)) == agent.value([1, 1, 1, 1])
    assert agent.value(torch.ones(4, requires_grad=True)) == agent.value([1, 1, 1, 1])


def test_no_choice_at_all_is_refused_in_a_sentence():
    recipe = ppo("FrozenLake-v1", PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
    with pytest.raises(ValueError, match="an observation is one at least, not an empty batch"):
        agent_in(recipe).act([])


def test_parts_of_a_goal_are_named():
    recipe = double_dqn(envs.bit_flipping(2, 4), DQN(num_steps=4, hidden=(8,)))
    agent = agent_in(recipe)
    with pytest.raises(
        ValueError, match="a dictionary of achieved_goal, desired_goal, observation"
    ):
        agent.act(np.zeros(4))
    with pytest.raises(ValueError, match="desired_goal is missing"):
        agent.act({"observation": np.zeros(4), "achieved_goal": np.zeros(4)})


def test_continuous_actions_have_no_probabilities():
    with pytest.raises(ValueError, match="only discrete actions have probabilities"):
        TrainedAgent(PENDULUM, PENDULUM.init(0)).probabilities([1.0, 0.0, 0.0])


def test_a_run_in_memory_is_an_agent_too():
    recipe = sac(envs.pendulum(2))
    run = Learner(scheme("3cs", recipe), recipe.init(0), progress=False)
    assert abs(load(run).act([1.0, 0.0, 0.0])) <= 2.0 and "sac for pendulum" in repr(load(run))


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_of_each_recipe_is_loaded_without_its_environment(name, tmp_path, monkeypatch):
    """Its card says the spaces; no simulator is made."""
    env = next(e for e in ENVS if fits(name, e, "uniform"))
    run = step(run_of(recipe_in(name, env, "uniform"), "3cs", tmp_path), 3)
    run.save()
    run.close()
    monkeypatch.setattr(envs.Env, "of", None)
    agent = load(tmp_path)
    zeros = np.zeros(agent.recipe.env.observation_spec.shape, np.float32)
    expected = TrainedAgent(recipe_in(name, env, "uniform"), run.params).act(zeros)
    assert np.array_equal(agent.act(zeros), expected)

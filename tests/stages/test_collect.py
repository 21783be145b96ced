"""Rollouts: what is in them, and what their reports say."""

import gc
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import MultiDiscrete
from torch.utils._pytree import tree_leaves

from nappo2 import PPO, collect, distributions, envs, frozen, ppo
from nappo2.maths.moments import absorb, normalize
from nappo2.params import replaced
from nappo2.policies import Policy, action_of, memoryless
from nappo2.policies.fitting import as_actions
from nappo2.seeds import generator, split
from nappo2.stages.recipe import collect_of
from tests.makers.environments import walk

RECIPE = ppo(envs.cartpole(3), PPO(num_steps=16, hidden=(8,), num_minibatches=1, gamma=0.9))
SOURCE, PARAMS = collect_of(RECIPE), RECIPE.init(0)


def rollouts(num, params=PARAMS):
    state, found = SOURCE.init(params, 0), []
    for _ in range(num):
        state, *result = SOURCE.step(params, state)
        found.append(result)
    return found


def test_what_was_reached_is_what_is_acted_on_next_unless_an_episode_ended():
    rollout, _ = rollouts(4)[3]
    on = ~rollout["next", "done"][:-1]
    assert on.any() and not on.all()
    reached, following = rollout["next", "observation"][:-1], rollout["observation"][1:]
    assert (reached[on] == following[on]).all() and (reached[~on] != following[~on]).all()


def test_log_probs_and_versions_are_those_of_the_params_that_acted():
    rollout, _ = rollouts(1)[0]
    assert (rollout["action_log_prob"] == RECIPE.policy.log_prob(PARAMS, rollout)).all()
    assert rollout["params_version"].shape == (16, 3) and (rollout["params_version"] == 0).all()


def test_scores_go_on_from_rollout_to_rollout():
    """A step of CartPole is worth 1, so returns are lengths."""
    reports = [report for _, report in rollouts(20)]
    lengths = torch.cat([report.episodes["length"] for report in reports])
    assert (lengths == torch.cat([report.episodes["return"] for report in reports])).all()
    assert lengths.max() > 16 and 20 * 48 - 3 * 100 < lengths.sum() <= 20 * 48


def test_moments_are_those_of_all_raw_observations():
    normalizer, found = PARAMS["normalizer"], rollouts(5)
    for _, report in found:
        normalizer = absorb(normalizer, {"observation": report.moments["observation"]})
    seen = torch.cat([rollout["observation"] for rollout, _ in found]).reshape(-1, 4)
    torch.testing.assert_close(
        normalizer["observation", "mean"], seen.mean(0), atol=1e-5, rtol=1e-4
    )
    shown = normalize(normalizer["observation"], seen)
    torch.testing.assert_close(shown.std(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)


def test_moments_of_discounted_returns_go_on_too():
    """Rewards of 1 and gamma 0.9: within an episode 1, 1.9, 2.71, ..., below 10."""
    first, second = (report.moments["return"] for _, report in rollouts(2))
    so_far, expected = torch.zeros(3).double(), torch.zeros(2).double()
    for rollout, _ in rollouts(2):
        found = []
        for done in rollout["next", "done"]:
            so_far = so_far * 0.9 + 1
            found.append(so_far)
            so_far = so_far * ~done
        expected = expected + torch.stack(
            [torch.stack(found).sum(), torch.stack(found).square().sum()]
        )
    assert first[0] + second[0] == 2 * 48
    torch.testing.assert_close((first + second)[1:], expected, atol=1e-3, rtol=1e-5)


def test_what_is_frozen_is_not_counted():
    still = replaced(PARAMS, normalizer=frozen(PARAMS["normalizer"]))
    _, report = rollouts(1, still)[0]
    assert not report.moments


def test_equal_seeds_give_equal_rollouts_and_others_do_not(same):
    one, other = (SOURCE.step(PARAMS, SOURCE.init(PARAMS, seed))[1] for seed in (5, 5))
    third = SOURCE.step(PARAMS, SOURCE.init(PARAMS, 6))[1]
    assert same(one, other) and not torch.equal(one["observation"], third["observation"])


class Broken(gymnasium.Env):
    """Gives something that is not finite at its third step."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, key="observation", value=np.nan):
        self.key, self.value, self.time = key, value, 0

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.time += 1
        bad = self.value if self.time == 3 else 0.0
        observation = np.array([0, bad if self.key == "observation" else 0], np.float32)
        return observation, bad if self.key == "reward" else 0.0, False, False, {}


@pytest.mark.parametrize("key", ["observation", "reward"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_place(key, value):
    env = envs.from_gym(Broken, 2, key=key, value=value)
    recipe = ppo(env, PPO(num_steps=4, num_minibatches=1))
    params = recipe.init(0)
    message = f"environment 0 of Broken gave an? {key} that is not finite, at step 2"
    with pytest.raises(ValueError, match=message):
        collect_of(recipe).step(params, collect_of(recipe).init(params, 0))


def test_the_action_recorded_is_the_one_sampled_though_the_environment_clips_it():
    """With a standard deviation of e, many actions are beyond 1; their log-prob is theirs."""
    recipe = ppo(envs.pendulum(8), PPO(num_steps=32, num_minibatches=1))
    params = recipe.init(0)
    params["weights", "log_std"] += 1
    _, rollout, _ = collect_of(recipe).step(params, collect_of(recipe).init(params, 0))
    assert rollout["action"].abs().max() > 2
    mean = recipe.greedy.act(params, rollout["observation"], (), None)[0]
    expected = torch.distributions.Normal(mean, torch.e).log_prob(rollout["action"]).sum(-1)
    torch.testing.assert_close(rollout["action_log_prob"], expected)


def test_another_distribution_fits_in():
    """The tanh-normal stays within (-1, 1)."""
    env = envs.pendulum(2)
    recipe = ppo(env, PPO(num_steps=8, num_minibatches=1), dist=distributions.tanh_normal())
    params = recipe.init(0)
    _, rollout, _ = collect_of(recipe).step(params, collect_of(recipe).init(params, 0))
    assert rollout["action"].abs().max() < 1 and rollout["action_log_prob"].isfinite().all()


def test_what_acting_left_may_be_written_to_and_differentiated():
    """It acts in inference mode and without looking for cycles, and leaves neither behind."""
    state, rollout, _ = SOURCE.step(PARAMS, SOURCE.init(PARAMS, 0))
    leaves = [x for x in tree_leaves((state, rollout.to_dict())) if isinstance(x, torch.Tensor)]
    assert len(leaves) > 10 and not any(x.is_inference() for x in leaves)
    assert gc.isenabled() and not torch.is_inference_mode_enabled()
    source = collect(envs.cartpole(3)._replace(step=lambda *_: 1 / 0), RECIPE.policy, 16)
    with pytest.raises(ZeroDivisionError):
        source.step(PARAMS, source.init(PARAMS, 0))
    assert gc.isenabled()


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_noise_that_is_drawn_before_is_the_noise_that_simulators_draw_in_each_step(env_id):
    """To the last bit."""
    env = envs.from_gym(env_id, 3)
    recipe = ppo(env, PPO(num_steps=16, hidden=(8,), num_minibatches=1))
    params, found = recipe.init(0), []
    for policy in (recipe.policy, recipe.policy._replace(from_noise=None)):
        source = collect(env, policy, 16)
        found.append(source.step(params, source.init(params, 4))[1])
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize("env", [envs.cartpole(3), envs.pendulum(3), envs.catch(3)])
def test_noise_of_environments_in_torch_is_one_draw_per_rollout(env):
    """The actions are those of the noise [T, B], to the last bit."""
    recipe = ppo(env, PPO(num_steps=16, hidden=(8,), num_minibatches=1))
    params, fixed = recipe.init(0), recipe.policy.from_noise
    state = collect_of(recipe).init(params, 4)
    _, rollout, _ = collect_of(recipe).step(params, state)
    _, key = split(state["collect"].seed)
    noise = fixed.draw(params, (16, 3), env.action_spec.size, generator(key))
    for t in range(16):
        action, _ = fixed.decide(params, rollout["observation"][t], (), noise[t])
        assert torch.equal(action_of(action), rollout["action"][t])


def test_a_policy_that_acts_in_another_way_is_asked_whatever_it_was_made_of():
    def left(params, observation, memory, rng):
        return torch.zeros(3, dtype=torch.int64), memory

    source = collect(envs.cartpole(3), RECIPE.policy._replace(act=left), 16)
    _, rollout, _ = source.step(PARAMS, source.init(PARAMS, 4))
    assert (rollout["action"] == 0).all()


# --- policies of one's own, whose actions are of other dtypes


def giving(actions):
    """A policy that gives these actions, as a function of observations [B, ...]."""

    def act(params, observation, memory, rng):
        return actions(observation), memory

    def log_prob(params, rollout):
        return torch.zeros(rollout["observation"].shape[:2])

    return Policy(memoryless, act, log_prob)


def collected(env, actions):
    source = collect(env, giving(actions), 4)
    return source.step(PARAMS, source.init(PARAMS, 0))[1]


def right(x):
    return x[:, 2] > 0


@pytest.mark.parametrize("dtype", [torch.bool, torch.int8, torch.int32, torch.uint8, torch.int64])
@pytest.mark.parametrize("make", [envs.cartpole, partial(envs.from_gym, "CartPole-v1")])
def test_choices_of_every_dtype_are_those_of_the_space_in_a_rollout(make, dtype):
    rollout = collected(make(2), lambda x: right(x).to(dtype))
    assert rollout["action"].dtype == torch.int64
    assert torch.equal(rollout["action"], (rollout["observation"][..., 2] > 0).long())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float32])
def test_numbers_of_every_dtype_are_float32_in_a_rollout(dtype):
    rollout = collected(envs.pendulum(2), lambda x: x[:, :1].to(dtype))
    assert rollout["action"].dtype == torch.float32 and rollout["action"].shape == (4, 2, 1)


def test_parts_of_actions_have_their_own_dtypes_in_a_rollout():
    def actions(x):
        return {"way": right(torch.cat([x] * 3, -1)), "far": x.abs().double()}

    rollout = collected(walk(2), actions)
    assert rollout["action", "way"].dtype == torch.int64
    assert rollout["action", "far"].dtype == torch.float32


@pytest.mark.parametrize(
    ("make", "actions", "text"),
    [
        (envs.cartpole, lambda x: right(x).float(), r"numbers of shape \(2,\) for actions; 2 of"),
        (envs.cartpole, lambda x: right(x).long()[:, None], r"integers of shape \(2, 1\) for act"),
        (envs.cartpole, lambda x: right(x).long() * 0 + 2, "the action 2 at step 0 of a rollout"),
        (
            envs.cartpole,
            lambda x: right(x).long() * 0 - 6,
            "-6 at .*, whose choices are from 0 to 1",
        ),
        (envs.pendulum, lambda x: right(x).long()[:, None], r"integers of shape \(2, 1\) for act"),
        (envs.pendulum, lambda x: x[:, 0], r"numbers of shape \(2,\) for actions"),
    ],
)
def test_actions_that_an_environment_in_torch_does_not_have_are_refused_at_the_first_rollout(
    make, actions, text
):
    with pytest.raises(ValueError, match=text):
        collected(make(2), actions)


def test_a_choice_that_there_is_not_is_named_by_its_environment_and_step():
    """Among several choices, of a rollout [T, B] = [2, 3]."""
    env = envs.cartpole(3)._replace(action_space=MultiDiscrete([2, 4]))
    actions = torch.zeros(2, 3, 2, dtype=torch.int32)
    assert as_actions(env, actions).dtype == torch.int64
    actions[1, 2, 1] = 4
    text = r"the action 4 at step 1 of a rollout, in environment 2 of .* from 0 to \[1, 3\]"
    with pytest.raises(ValueError, match=text):
        as_actions(env, actions)

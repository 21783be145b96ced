"""PPO beside Stable-Baselines3's, from the same weights: rollouts, advantages and whole updates."""

from copy import deepcopy
from functools import partial

import gymnasium
import numpy as np
import pybullet_envs_gymnasium  # noqa: F401
import pytest
import torch
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from nappo2 import envs
from nappo2.maths.moments import absorb, normalize, scale_reward
from nappo2.params import replaced, with_hyper
from nappo2.recipes import PPO, GsdePPO, ppo, ppo_gsde
from nappo2.stages.collecting.collect import count_moments
from nappo2.stages.learning.loops import eager_loop
from nappo2.stages.learning.scan_loop import scan_loop
from tests.makers.sb3 import (
    Recorder,
    actor_critic_weights,
    on_policy_rounds,
    passes,
    prepared,
    updated,
)

HOPPER = "HopperBulletEnv-v0"
STEPS, ENVS, BATCH, EPOCHS = 64, 4, 32, 20
TOTAL = 20 * STEPS * ENVS
SHARED = {"n_steps": STEPS, "batch_size": BATCH, "n_epochs": EPOCHS, "device": "cpu", "seed": 3}
KWARGS = {"ortho_init": False, "net_arch": {"pi": [16, 16], "vf": [16, 16]}}
OURS = {"num_steps": STEPS, "num_epochs": EPOCHS, "num_minibatches": STEPS * ENVS // BATCH}
ALIKE = {"hidden": (16, 16), "learning_rate": 3e-4, "normalize": False, "value_coef": 1.0}


def falling(left: float) -> float:
    return 0.4 * left


def hoppers() -> Recorder:
    """Four hoppers, of which two fall and two are stopped after 7 steps; normalised."""
    return Recorder(VecNormalize(stopped(7, 7, 100, 100), gamma=0.99))


def stopped(*limits: int) -> DummyVecEnv:
    """Hoppers that are stopped after so many steps, unless they fall before."""
    venv = DummyVecEnv([partial(gymnasium.make, HOPPER, max_episode_steps=x) for x in limits])
    venv.seed(3)
    return venv


def with_gsde():
    """The zoo's settings for Hopper, in small, and the same of nappo2."""
    kwargs = KWARGS | {"log_std_init": -2, "activation_fn": torch.nn.ReLU}
    theirs = SB3PPO(
        "MlpPolicy", hoppers(), gae_lambda=0.9, learning_rate=3e-4, clip_range=falling,
        use_sde=True, sde_sample_freq=4, policy_kwargs=kwargs, **SHARED,
    )  # fmt: skip
    return theirs, ppo_gsde(envs.make(HOPPER, ENVS), GsdePPO(**OURS, **ALIKE))


def with_normal_noise():
    theirs = SB3PPO(
        "MlpPolicy", hoppers(), gae_lambda=0.9, learning_rate=3e-4, clip_range=falling,
        policy_kwargs=dict(KWARGS), **SHARED,
    )  # fmt: skip
    return theirs, ppo(envs.make(HOPPER, ENVS), PPO(**OURS, **ALIKE, lambda_=0.9))


@pytest.mark.parametrize("make", [with_gsde, with_normal_noise])
@pytest.mark.parametrize("loop", [eager_loop, pytest.param(scan_loop, marks=pytest.mark.faults)])
def test_three_rollouts_move_weights_as_in_stable_baselines3(make, loop):
    """From its first weights, by 480 updates with its minibatches and its falling clip."""
    theirs, recipe = make()
    params, state = recipe.init(0), None
    params = replaced(params, weights=actor_critic_weights(theirs.policy))
    first, rounds = params["weights"].clone(), on_policy_rounds(theirs, TOTAL)
    for _ in range(3):
        rollout, orders, weights = next(rounds)
        clip = theirs.clip_range(theirs._current_progress_remaining)
        params = with_hyper(params, clip_eps=clip)
        assert rollout["next", "truncated"].any() and rollout["next", "terminated"].any()
        log_prob = recipe.policy.log_prob(params.to_dict(), rollout)
        torch.testing.assert_close(log_prob, rollout["action_log_prob"], atol=1e-4, rtol=1e-4)
        rollout, buffer = prepared(recipe, params, rollout), theirs.rollout_buffer
        for ours, name in (("state_value", "values"), ("advantage", "advantages")):
            expected = torch.tensor(getattr(buffer, name)).reshape(ENVS, STEPS).mT
            torch.testing.assert_close(rollout[ours], expected, atol=1e-5, rtol=1e-4)
        params, state = updated(recipe, params, state, passes(rollout, orders, BATCH), loop)
        difference = (params["weights"] - weights).abs()
        assert max(x.max() for x in difference.values(True, True)) < 1e-5
    assert all(x.any() for x in (params["weights"] - first).values(True, True))


def test_statistics_of_a_rollout_are_vec_normalizes():
    """Of observations up to the last but one, as it counts those before the first step, too."""
    raw, rng = Recorder(stopped(7, 7, 100, 100)), np.random.default_rng(0)
    theirs = VecNormalize(raw, gamma=0.99)
    theirs.obs_rms.count = theirs.ret_rms.count = 0
    theirs.reset()
    for _ in range(50):
        counted = deepcopy(theirs.obs_rms)
        theirs.step(rng.uniform(-1, 1, (ENVS, 3)).astype(np.float32))
    rollout = raw.rollout()
    env = envs.make(HOPPER, ENVS)
    params = ppo(env, PPO(num_minibatches=1)).init(0)
    zeros = torch.zeros(ENVS)
    done = rollout["next", "done"]
    _, moments = count_moments(params.to_dict(), rollout.to_dict(), done, zeros)
    stats = absorb(params["normalizer"], moments)
    observation, reward = rollout["observation"], rollout["next", "reward"]
    expected = theirs._normalize_obs(observation.double().numpy(), counted)
    found = normalize(stats["observation"], observation)
    torch.testing.assert_close(found, torch.tensor(expected).float(), atol=1e-4, rtol=0)
    scaled = torch.tensor(theirs.normalize_reward(reward.numpy()))
    torch.testing.assert_close(scale_reward(stats, reward), scaled, atol=1e-5, rtol=1e-4)


def test_first_weights_have_the_bounds_of_stable_baselines3s():
    """Uniform within 1 / sqrt(n) of n inputs; log standard deviations are -2 each."""
    theirs, recipe = with_gsde()
    ours, theirs = recipe.init(0)["weights"], actor_critic_weights(theirs.policy)
    assert set(ours.keys(True, True)) == set(theirs.keys(True, True))
    for name, x in theirs.items(True, True):
        assert ours[name].shape == x.shape
        if x.numel() > 200:
            assert ours[name].abs().max() == pytest.approx(x.abs().max(), rel=0.03), name

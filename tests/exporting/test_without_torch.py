"""An ONNX file plays without torch as ``evaluate`` plays with it."""

import json
import subprocess
import sys

import pytest
import torch

from nappo2 import PPO, Learner, envs, evaluate, ppo, preset, recurrent_ppo, scheme
from nappo2.exporting import export
from nappo2.seeds import fold_in, split
from nappo2.trained import TrainedAgent
from tests.makers.recipes import with_other_numbers

PLAY = """
import json, sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "nappo2", "tensordict"):
            raise ImportError(f"there is no {name} here")

sys.meta_path.insert(0, NoTorch())
import gymnasium, numpy as np, onnxruntime

path, env_id, seeds = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
session = onnxruntime.InferenceSession(path)
memory_shapes = {x.name: x.shape[1:] for x in session.get_inputs() if x.name == "memory"}
returns = []
for seed in seeds:
    env = gymnasium.make(env_id)
    observation, _ = env.reset(seed=seed)
    memory = {name: np.zeros((1, *shape), np.float32) for name, shape in memory_shapes.items()}
    score, over = np.float32(0), False
    while not over:
        action, *after = session.run(None, {"observation": observation[None], **memory})
        memory = dict(zip(memory, after))
        observation, reward, terminated, truncated, _ = env.step(action[0])
        score, over = score + np.float32(reward), terminated or truncated
    returns.append(float(score))
assert not any(name.partition(".")[0] == "torch" for name in sys.modules)
print(json.dumps(returns))
"""
EPISODES = 20


def played(path, env_id):
    """Returns of episodes in a process without torch, of the seeds of ``evaluate(seed=0)``."""
    env_seed, _, _ = split(fold_in(0, "evaluate"), 3)
    seeds = json.dumps([seed % 2**31 for seed in split(env_seed, EPISODES)])
    command = [sys.executable, "-c", PLAY, str(path), env_id, seeds]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def trained(env, config, target_steps):
    """A recipe and its params after a short run in torch."""
    recipe = ppo(env, config)
    pipe = scheme("3cs", recipe)
    learner = Learner(pipe, recipe.init(0), target_steps=target_steps, progress=False)
    return recipe, learner.run().params


def test_discrete_actions_give_the_returns_of_an_evaluation_to_the_last_digit(tmp_path):
    recipe, params = trained("torch/CartPole-v1", preset("ppo", "cartpole").config, 5_000)
    export(TrainedAgent(recipe, params), tmp_path / "policy.onnx", num_observations=100)
    ours = evaluate(envs.make("CartPole-v1", EPISODES), recipe.greedy, params, EPISODES).returns
    assert played(tmp_path / "policy.onnx", "CartPole-v1") == ours.tolist()
    assert len(ours.unique()) > 5 and ours.mean() > 50


def test_so_they_do_with_a_memory(tmp_path):
    env = envs.make("CartPole-v1", EPISODES)
    recipe = recurrent_ppo(env, PPO(num_steps=8, num_minibatches=1, hidden=(8, 8)))
    params = with_other_numbers(recipe.init(0), seed=3)
    export(TrainedAgent(recipe, params), tmp_path / "policy.onnx", num_observations=100)
    ours = evaluate(env, recipe.greedy, params, EPISODES).returns
    assert played(tmp_path / "policy.onnx", "CartPole-v1") == ours.tolist()


def test_continuous_actions_give_the_same_returns_up_to_rounding(tmp_path):
    """Products in another order differ by 1e-7, which an episode of 200 steps makes larger."""
    config = PPO(num_steps=64, num_epochs=4, num_minibatches=4, hidden=(16,))
    recipe, params = trained(envs.pendulum(8), config, 4_000)
    export(TrainedAgent(recipe, params), tmp_path / "policy.onnx", num_observations=100)
    ours = evaluate(envs.make("Pendulum-v1", EPISODES), recipe.greedy, params, EPISODES).returns
    theirs = torch.tensor(played(tmp_path / "policy.onnx", "Pendulum-v1"))
    print(
        f"\nthe largest difference is {(ours - theirs).abs().max():.1e} of {ours.abs().max():.0f}"
    )
    assert theirs.tolist() == pytest.approx(ours.tolist(), rel=1e-4)

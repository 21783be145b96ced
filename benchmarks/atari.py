"""PPO on Pong, beside Stable-Baselines3: 8 games of 128 steps, 4 epochs of minibatches of 256.

Mnih's network, 84 x 84 in grey, four frames stacked and skipped; one process each, torch and the
emulators with as many threads as there are cores. A turn is a rollout and the learning from it;
each goes on from where it was.
"""

import os
import sys
from collections.abc import Iterator

import torch

from benchmarks.figures import figure, interleaved, report
from benchmarks.locomotion import Turn, turns
from nappo2 import envs
from nappo2.recipes import ppo, preset
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme

GAME, NUM_ENVS, NUM_STEPS = "PongNoFrameskip-v4", 8, 128


def ours(threads: int) -> Iterator[Turn]:
    recipe = ppo(envs.make(GAME, NUM_ENVS, threads=threads), preset("ppo", "atari").config)
    learner = Learner(
        scheme("3cs", recipe), recipe.init(0), target_steps=10**9, progress=False, threads=threads
    )
    return _steps(learner)


def _steps(learner: Learner) -> Iterator[Turn]:
    for turn in turns(learner.step, []):
        yield turn._replace(
            simulator=learner.metrics[-1]["simulator_seconds"], steps=NUM_ENVS * NUM_STEPS
        )


def theirs(threads: int) -> Iterator[Turn]:
    model = stable_baselines()

    def run():
        torch.set_num_threads(threads)
        model.learn(NUM_ENVS * NUM_STEPS, reset_num_timesteps=False)
        torch.set_num_threads(1)

    for turn in turns(run, []):
        yield turn._replace(steps=NUM_ENVS * NUM_STEPS)


def stable_baselines():
    """Its PPO in the same configuration, on its own wrappers of Atari."""
    import ale_py
    import gymnasium
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import VecFrameStack

    gymnasium.register_envs(ale_py)
    model = PPO(
        "CnnPolicy",
        VecFrameStack(make_atari_env(GAME, n_envs=NUM_ENVS, seed=0), n_stack=4),
        n_steps=NUM_STEPS,
        batch_size=256,
        n_epochs=4,
        learning_rate=2.5e-4,
        clip_range=0.1,
        ent_coef=0.01,
        vf_coef=0.5,
        seed=0,
        device="cpu",
    )
    model.set_logger(Logger(None, []))
    return model


def measure(rounds: int = 3) -> list[dict]:
    threads = len(os.sched_getaffinity(0))
    taken = interleaved(rounds, warmup=1, nappo2=ours(threads), sb3=theirs(threads))
    mine, other = taken.values()
    ratios = (a.rate / b.rate for a, b in zip(mine, other, strict=True))
    return [
        figure("Pong, env steps/s: nappo2 / SB3", ratios, at_least=1.3),
        figure("Pong, env steps/s: nappo2", (t.rate for t in mine), "1/s"),
        figure("Pong, env steps/s: SB3", (t.rate for t in other), "1/s"),
        figure("Pong, simulator's share of wall time: nappo2", (t.share for t in mine)),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))

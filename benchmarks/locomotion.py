"""PPO on HalfCheetahBullet, beside Stable-Baselines3 and beside the simulator alone.

Eight environments in one process, one torch thread, 8 x 256 steps per rollout, 10 epochs of 32
minibatches of 64, observations and rewards normalised, separate 64-64 tanh actor and critic. A turn
is a rollout and the learning from it; each goes on from where it was.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import NamedTuple

import gymnasium

from benchmarks.figures import figure, interleaved, ratios, report
from benchmarks.simulators import NUM_ENVS, NUM_STEPS, half_cheetah
from nappo2 import envs
from nappo2.recipes import PPO, ppo
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme


class Turn(NamedTuple):
    """How long a turn took, and how much of that was inside of the simulator's step."""

    seconds: float
    simulator: float
    steps: int

    @property
    def share(self) -> float:
        return self.simulator / self.seconds

    @property
    def rate(self) -> float:
        return self.steps / self.seconds


def turns(run: Callable[[], None], spent: list[float]) -> Iterator[Turn]:
    """Runs again and again; ``spent`` gets the seconds of each of the simulator's steps."""
    while True:
        spent.clear()
        start = perf_counter()
        run()
        yield Turn(perf_counter() - start, sum(spent), len(spent))


def ours(jit: bool) -> Iterator[Turn]:
    spent = []
    recipe = ppo(envs.from_gym(half_cheetah(spent), NUM_ENVS), PPO(jit=jit))
    learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=10**9)
    return turns(learner.step, spent)


def theirs() -> Iterator[Turn]:
    spent = []
    model = stable_baselines(half_cheetah(spent))
    return turns(lambda: model.learn(NUM_ENVS * NUM_STEPS, reset_num_timesteps=False), spent)


def stable_baselines(make: Callable[[], gymnasium.Env]):
    """Its PPO in the same configuration; the policy's is its default, 64-64 tanh."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    model = PPO(
        "MlpPolicy",
        VecNormalize(DummyVecEnv([make] * NUM_ENVS), gamma=0.99),
        n_steps=NUM_STEPS,
        batch_size=64,
        n_epochs=10,
        learning_rate=3e-4,
        gamma=0.99,
        gae_lambda=0.95,
        clip_range=0.2,
        ent_coef=0.0,
        seed=0,
        device="cpu",
    )
    model.set_logger(Logger(None, []))  # or each call of learn would make a directory for one
    return model


BARE_STEPS = 1024


def bare() -> Iterator[Turn]:
    """One simulator with random actions, and nothing around it but its resets."""
    spent = []
    return turns(bare_run(half_cheetah(spent)()), spent)


def bare_run(env: gymnasium.Env) -> Callable[[], None]:
    """A function that takes ``BARE_STEPS`` steps."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(BARE_STEPS)]

    def run():
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return run


def measure(rounds: int = 25) -> list[dict]:
    taken = interleaved(rounds, eager=ours(False), jit=ours(True), sb3=theirs(), bare=bare())
    eager, jit, sb3, _ = taken.values()
    share, rate = "simulator's share of wall time", "env steps/s"
    speed = {name: [turn.rate for turn in found] for name, found in taken.items()}
    return [
        figure(f"{share}: nappo2", (t.share for t in eager), at_least=0.65),
        figure(f"{share}: nappo2, jit", (t.share for t in jit), at_least=0.88),
        figure(f"{share}: SB3", (t.share for t in sb3)),
        figure(f"{rate}: nappo2 / SB3", ratios(speed["eager"], speed["sb3"]), at_least=1.25),
        figure(f"{rate}: nappo2, jit / SB3", ratios(speed["jit"], speed["sb3"]), at_least=1.6),
        figure(f"{rate}: bare simulator / SB3", ratios(speed["bare"], speed["sb3"])),
        *(figure(f"{rate}: {name}", found, "1/s") for name, found in speed.items()),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))

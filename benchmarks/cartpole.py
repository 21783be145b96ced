"""PPO on CartPole, beside Stable-Baselines3: through Gymnasium, 8 x 128, and in torch, 1,024 at once.

Four epochs, 64-64 tanh actor and critic, one torch thread. Through Gymnasium minibatches of 256; of
1,024 environments as many minibatches. A turn is a rollout and the learning from it.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import gymnasium

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import envs
from nappo2.envs import Env
from nappo2.recipes import PPO, ppo
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme

CONFIG = PPO(num_steps=128, num_epochs=4, num_minibatches=4, normalize=False, jit=True)


def ours(env: Env, config: PPO = CONFIG) -> Iterator[float]:
    """Env steps/s."""
    recipe = ppo(env, config)
    learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=10**9)
    return rates(learner.step, env.num_envs * config.num_steps)


def theirs() -> Iterator[float]:
    model = stable_baselines()
    return rates(lambda: model.learn(1024, reset_num_timesteps=False), 1024)


def make() -> gymnasium.Env:
    return gymnasium.make("CartPole-v1")


def stable_baselines():
    """Its PPO in the same configuration."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv

    vector = DummyVecEnv([make] * 8)
    model = PPO(
        "MlpPolicy", vector, n_steps=128, batch_size=256, n_epochs=4, ent_coef=0.0, seed=0,
        device="cpu",
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    return model


def rates(run: Callable[[], None], steps: int) -> Iterator[float]:
    while True:
        start = perf_counter()
        run()
        yield steps / (perf_counter() - start)


def measure(rounds: int = 20) -> list[dict]:
    found = interleaved(
        rounds,
        gym=ours(envs.from_gym("CartPole-v1", 8)),
        torch=ours(envs.cartpole(1024)),
        sb3=theirs(),
    )
    gym, torch, sb3 = found.values()
    return [
        figure("CartPole through Gymnasium, steps/s: nappo2 / SB3", ratios(gym, sb3), at_least=3),
        figure("CartPole in torch, 1,024, steps/s: nappo2 / SB3", ratios(torch, sb3), at_least=12),
        *(figure(f"CartPole, steps/s: {name}", x, "1/s") for name, x in found.items()),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))

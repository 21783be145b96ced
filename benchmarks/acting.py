"""``agent.act`` on one observation, beside Stable-Baselines3's ``predict``: PPO's 64-64 networks."""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import gymnasium
from stable_baselines3 import PPO as TheirPPO

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import PPO, TrainedAgent, envs, ppo

CALLS = 500


def seconds(call: Callable[[], object]) -> Iterator[float]:
    """The seconds of each call."""
    while True:
        start = perf_counter()
        for _ in range(CALLS):
            call()
        yield (perf_counter() - start) / CALLS


def both(env_id: str) -> tuple[Callable, Callable]:
    """Functions that act on one observation."""
    observation, _ = gymnasium.make(env_id).reset(seed=0)
    recipe = ppo(envs.make(env_id, 2), PPO(num_steps=64, num_minibatches=2))
    ours = TrainedAgent(recipe, recipe.init(0))
    theirs = TheirPPO("MlpPolicy", env_id, device="cpu", policy_kwargs={"net_arch": [64, 64]})
    predict = lambda: theirs.predict(observation, deterministic=True)
    return lambda: ours.act(observation), predict


def measure(rounds: int = 15) -> list[dict]:
    figures = []
    for env_id in ("CartPole-v1", "Pendulum-v1"):
        ours, theirs = both(env_id)
        taken = interleaved(rounds, act=seconds(ours), predict=seconds(theirs))
        act, predict = taken.values()
        figures += [
            figure(f"{env_id}: act / SB3's predict", ratios(act, predict), at_most=0.5),
            figure(f"{env_id}: act", (1e6 * x for x in act), "us"),
            figure(f"{env_id}: SB3's predict", (1e6 * x for x in predict), "us"),
        ]
    return figures


if __name__ == "__main__":
    sys.exit(report(measure))

"""What ``advise`` predicts beside what schemes do: env steps/s of seven schemes, on Ray and two cores.

PPO on CartPole in torch, on HalfCheetahBullet, and on an environment that sleeps, each with little,
some and much learning; ``python -m benchmarks.advise "4 epochs"`` measures those with some. Two collectors
and two learners. The last figures say how far the scheme that ``advise`` chooses is from the fastest that
was measured.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from time import perf_counter

from benchmarks.figures import report
from benchmarks.simulators import NUM_ENVS
from benchmarks.sleeping import sleeping
from nappo2 import PPO, Learner, Recipe, envs, on_ray, ppo, scheme
from nappo2.advice import Advice, advise
from nappo2.schemes import TAKES

WORDS = ("3cs", "3ds", "2dacs", "2daca", "da2cs", "dadacs", "dadaca")
COUNTS = {"collectors": 2, "learners": 2}
SECONDS = 4.0  # of a scheme that is measured
CONFIG = PPO(num_steps=128, num_minibatches=8, num_epochs=4)
SLOW = PPO(num_steps=64, num_minibatches=2, num_epochs=4, hidden=(64, 64))


def cases() -> Iterator[tuple[str, Recipe]]:
    """Recipes by name."""
    for epochs in (1, 4, 10):
        config = replace(CONFIG, num_epochs=epochs)
        yield f"CartPole, {epochs} epochs", ppo(envs.cartpole(NUM_ENVS), config)
        cheetah = envs.pybullet("HalfCheetahBulletEnv-v0", NUM_ENVS)
        yield f"HalfCheetahBullet, {epochs} epochs", ppo(cheetah, config)
        yield f"sleeping, {epochs} epochs", ppo(sleeping(), replace(SLOW, num_epochs=epochs))


def rate_of(word: str, recipe: Recipe) -> float:
    """Env steps/s of a scheme on Ray, from one row to another."""
    on = {"on": on_ray(num_cpus=0.5)} if TAKES[word] else {}
    counts = {name: x for name, x in COUNTS.items() if name in TAKES[word]}
    pipe = scheme(word, recipe, **counts, **on)
    learner = Learner(pipe, recipe.init(0), target_steps=10**9, progress=False)
    try:
        for _ in range(4):
            row(learner)
        before, start = learner.env_steps, perf_counter()
        while perf_counter() - start < SECONDS:
            row(learner)
        return (learner.env_steps - before) / (perf_counter() - start)
    finally:
        learner.close()


def row(learner: Learner) -> None:
    """Steps until there is a new row."""
    before = learner.env_steps
    while learner.env_steps == before:
        learner.step()


def compared(name: str, advice: Advice, rates: dict[str, float]) -> list[dict]:
    """Figures of a case: predicted over measured of each scheme, and of the one that was chosen."""
    figures = []
    for predicted in advice.predictions:
        rate = rates[predicted.word]
        print(
            f"{name}: {predicted.word:6} predicted {predicted.steps_per_second:8,.0f}, "
            f"measured {rate:8,.0f}, ratio {predicted.steps_per_second / rate:.2f}",
            flush=True,
        )
        figures.append(_figure(f"{name}: {predicted.word}", predicted.steps_per_second / rate))
    chosen = rates[advice.best.word] / max(rates.values())
    print(f"{name}: {advice.sentence} Of the fastest: {chosen:.2f}", flush=True)
    return [*figures, _figure(f"{name}: the chosen scheme / the fastest", chosen)]


def _figure(name: str, value: float) -> dict:
    value = float(f"{value:.4g}")
    return {"figure": name, "value": value, "spread": [value, value], "unit": "", "met": True}


def measure(part: str = "") -> list[dict]:
    """Figures of the cases whose name has this part."""
    figures = []
    for name, recipe in cases():
        if part not in name:
            continue
        advice = advise(recipe, cores=2, **COUNTS, words=WORDS, on=on_ray(num_cpus=0.5))
        figures += compared(name, advice, {word: rate_of(word, recipe) for word in WORDS})
    chosen = [x["value"] for x in figures if "chosen" in x["figure"]]
    ratios = [x["value"] for x in figures if "chosen" not in x["figure"]]
    within = sum(1 / 1.15 <= x <= 1.15 for x in ratios)
    print(
        f"{within} of {len(ratios)} within 15 %; {sum(x >= 0.9 for x in chosen)} of {len(chosen)} chosen"
    )
    return figures


if __name__ == "__main__":
    sys.exit(report(partial(measure, *sys.argv[1:])))

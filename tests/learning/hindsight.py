"""Hindsight, with and without: bit flipping with DQN, and PandaReach-v3 with SAC.

``python -m tests.learning.hindsight`` runs both tasks and draws docs/pictures/hindsight.png.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from evidence.recipes import BITS, flipping, reaching
from nappo2 import Learner, envs, evaluate, scheme
from nappo2.stages import Recipe

PICTURE = Path(__file__).parents[2] / "docs/pictures/hindsight.png"
REACH = "PandaReach-v3"
Curve = Iterator[tuple[int, float]]


def bits(copies: bool, steps: int = 100_000) -> Curve:
    """Env steps and the share of 100 goals of 20 bits that are met in 20 flips."""
    recipe = flipping(copies)
    return successes(recipe, envs.bit_flipping(100, BITS), 100, BITS, steps, every=10_000)


def reach(copies: bool, steps: int = 30_000) -> Curve:
    """Env steps and the share of 30 goals that a hand comes within 5 cm of in 50 steps."""
    recipe = reaching(copies, REACH)
    return successes(recipe, envs.make(REACH, 3), 30, 50, steps, every=3_000)


def there(reward: Callable) -> Callable:
    """Whether a goal was reached, which ends an episode."""
    return lambda achieved, desired: reward(achieved, desired) == 0


def successes(
    recipe: Recipe, test: envs.Env, num: int, limit: int, steps: int, every: int
) -> Curve:
    """Until all goals are met. A step is worth -1 until then, so a return tells."""
    torch.set_num_threads(1)
    learner = Learner(scheme("3cs", recipe), recipe.init(0), 0, steps, progress=False)
    for due in range(every, steps + 1, every):
        while learner.env_steps < due:
            learner.step()
        found = evaluate(test, recipe.greedy, learner.params, num, seed=1)
        yield learner.env_steps, (found.returns > -limit).float().mean().item()


TASKS = {f"bit flipping, {BITS} bits, double DQN": bits, f"{REACH}, SAC": reach}
LOOKS = {True: ("with hindsight", "#1f5fa8"), False: ("without", "grey")}


def main() -> None:
    curves = {title: {} for title in TASKS}
    for title, run in TASKS.items():
        for copies, (label, _) in LOOKS.items():
            curves[title][copies] = [(0, 0.0)]
            for steps, success in run(copies):
                curves[title][copies].append((steps, success))
                print(f"{title}, {label}: {steps:,} steps, success {success:.2f}", flush=True)
    draw(curves)


def draw(curves: dict[str, dict[bool, list[tuple[int, float]]]]) -> None:
    """The picture of the curves of each task, by whether they are with hindsight."""
    import matplotlib.pyplot as plt

    figure, both = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
    for axes, (title, found) in zip(both, curves.items(), strict=True):
        for copies, curve in found.items():
            label, color = LOOKS[copies]
            axes.plot(*zip(*curve, strict=True), "o-", color=color, label=label, markersize=4)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set(title=title, xlabel="env steps", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
    both[0].set_ylabel("share of goals reached")
    both[0].legend(frameon=False)
    figure.savefig(PICTURE, dpi=130)


if __name__ == "__main__":
    main()

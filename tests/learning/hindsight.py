"""Hindsight, with and without: bit flipping with DQN, and PandaReach-v3 with SAC.

``python -m tests.learning.hindsight`` runs both tasks and draws docs/pictures/hindsight.png.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from nappo2 import Learner, envs, evaluate, scheme
from nappo2.recipes import DQN, SAC, double_dqn, sac
from nappo2.stages import Recipe, future, hindsight

PICTURE = Path(__file__).parents[2] / "docs/pictures/hindsight.png"
BITS, REACH = 20, "PandaReach-v3"
Curve = Iterator[tuple[int, float]]


def bits(copies: bool, steps: int = 100_000) -> Curve:
    """Env steps and the share of 100 goals of 20 bits that are met in 20 flips."""
    config = DQN(
        num_steps=BITS,
        capacity=500_000,
        batch_size=256,
        update_ratio=0.25,
        start_steps=2_000,
        learning_rate=1e-3,
        gamma=0.98,
        target_step_size=0.05,
        epsilon=0.1,
        hidden=(256,),
    )
    recipe = double_dqn(envs.bit_flipping(8, BITS), config)
    if copies:
        relabel = hindsight(envs.bits_reward, future(4), envs.bits_reached)
        recipe = recipe.replace(rollouts=relabel)
    return successes(recipe, envs.bit_flipping(100, BITS), 100, BITS, steps, every=10_000)


def reach(copies: bool, steps: int = 30_000) -> Curve:
    """Env steps and the share of 30 goals that a hand comes within 5 cm of in 50 steps."""
    config = SAC(
        num_steps=50,
        capacity=200_000,
        update_ratio=0.5,
        start_steps=1_000,
        learning_rate=1e-3,
        gamma=0.95,
        target_step_size=0.02,
        hidden=(64, 64),
    )
    recipe, reward = sac(envs.make(REACH, 1), config), envs.goal_reward(REACH)
    if copies:
        relabel = hindsight(reward, future(4), there(reward))
        recipe = recipe.replace(rollouts=relabel)
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

"""Runs in which something takes long: ``python -m tests.faults.situations NAME FOLDER``.

Each writes a file ``now`` into its folder when it has come to where it waits.
"""

import os
import sys
import time
from pathlib import Path

import torch

from nappo2 import DQN, PPO, Learner, dqn, envs, on_ray, ppo, scheme
from nappo2.schemes.words import TAKES

PLAIN = PPO(num_steps=8, num_epochs=1, num_minibatches=2, hidden=(8,))


def slow(folder: Path, reset=0.0, step=0.0, after=3, fails=False, num_envs=2):
    """CartPole that takes so many seconds, once ``after`` steps were taken or resets made."""
    env, calls = envs.cartpole(num_envs), []

    def takes(seconds):
        calls.append(seconds)
        if seconds and len(calls) > after:
            (folder / "now").write_text("")
            time.sleep(seconds)

    def reset_slowly(seed):
        takes(reset)
        return env.reset(seed)

    def step_slowly(state, action):
        takes(step)
        if fails and len(calls) > after:
            (folder / "now").write_text("")
            raise ZeroDivisionError("the simulator broke")
        return env.step(state, action)

    return env._replace(reset=reset_slowly, step=step_slowly)


def hung(folder, name, deadline=300.0):
    recipe = ppo(slow(folder, step=3600.0, after=40), PLAIN)
    counts = {word: 2 for word in ("collectors", "learners") if word in TAKES[name]}
    return recipe, scheme(name, recipe, on=on_ray(deadline=deadline), **counts)


def long_step(folder):
    recipe = ppo(slow(folder, step=1.0), PPO(num_steps=32, num_minibatches=2, hidden=(8,)))
    return recipe, scheme("3cs", recipe)


def long_step_of_workers(folder):
    recipe = ppo(slow(folder, step=1.0), PPO(num_steps=32, num_minibatches=2, hidden=(8,)))
    return recipe, scheme("3ds", recipe, learners=2)


def compiling(folder):
    recipe = ppo(slow(folder, step=0.001), PPO(num_steps=8, num_minibatches=2, jit=True))
    return recipe, scheme("3cs", recipe)


def learning(folder):
    config = PPO(num_steps=32, num_epochs=5000, num_minibatches=32, hidden=(8,))
    recipe = ppo(slow(folder, step=0.001), config)
    return recipe, scheme("3cs", recipe)


def start_steps(folder):
    config = DQN(num_steps=1, capacity=10**6, start_steps=10**6, hidden=(8,))
    recipe = dqn(slow(folder, step=0.05), config)
    return recipe, scheme("3cs", recipe)


def crash_loop(folder):
    recipe = ppo(slow(folder, fails=True, after=40), PLAIN)
    return recipe, scheme("2dacs", recipe, learners=2, on=on_ray(max_restarts=10))


def no_place(folder):
    """On a Ray with one CPU, two collectors."""
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    (folder / "now").write_text("")
    recipe = ppo(envs.cartpole(2), PLAIN)
    return recipe, scheme("da2cs", recipe, collectors=2, on=on_ray())


def starting(folder):
    """Actors whose environments take long to be made."""
    recipe = ppo(slow(folder, reset=3600.0, after=0), PLAIN)
    return recipe, scheme("2dacs", recipe, learners=2, on=on_ray())


SITUATIONS = {
    "an ordinary step": lambda folder: (
        recipe := ppo(slow(folder, step=0.001), PLAIN), scheme("3cs", recipe)
    ),
    "long env steps": long_step,
    "long env steps of workers in this process": long_step_of_workers,
    "compiling": compiling,
    "learning": learning,
    "before the first batch": start_steps,
    "an evaluation": lambda folder: (recipe := ppo(envs.cartpole(2), PLAIN), scheme("3cs", recipe)),
    "hung, 3ds": lambda folder: hung(folder, "3ds"),
    "hung, 2dacs": lambda folder: hung(folder, "2dacs"),
    "hung, da2cs": lambda folder: hung(folder, "da2cs"),
    "hung, dadacs": lambda folder: hung(folder, "dadacs"),
    "a crash loop": crash_loop,
    "actors that start": starting,
    "a wait for a place": no_place,
}  # fmt: skip


def main(name: str, folder: Path) -> None:
    recipe, pipe = SITUATIONS[name](folder)
    evaluate = None
    if name == "an evaluation":

        def evaluate(params):
            from nappo2 import evaluate

            return evaluate(slow(folder, step=0.2), recipe.greedy, params, 10**6)

    learner = Learner(
        pipe, recipe.init(0), 0, 10**9, folder / "run", checkpoint_every=10**6,
        evaluate=evaluate, evaluate_every=1, progress=False,
    )  # fmt: skip
    try:
        learner.run()
    finally:
        learner.close()
    print(learner.interrupted, learner.env_steps, int(learner.params["version"]), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    main(sys.argv[1], Path(sys.argv[2]))

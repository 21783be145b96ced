"""``nox -s offline``: IQL and TD3+BC on a data set that is made here, beside d3rlpy's on the same.

The data are 20,000 transitions of SAC on its way on Pendulum. Both have 64-64 perceptrons, batches of 256
and the papers' numbers, but for a faster rate of TD3+BC. d3rlpy runs in an environment of its own, whose
Python is the first argument; each agent plays 100 greedy episodes here. ``nox -s offline -- td3_bc 3`` takes
one of both and three seeds instead of five.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from evidence.recipes import mediocre
from evidence.summary import mean_of
from nappo2 import IQL, Learner, envs, evaluate, iql, preset, recorded, scheme, td3_bc
from nappo2.recipes import TD3BC

ENV, UPDATES, EPISODES = "torch/Pendulum-v1", 10_000, 100
MAKERS = {
    "iql": lambda env: iql(env, IQL(hidden=(64, 64), jit=True)),
    "td3_bc": lambda env: td3_bc(env, TD3BC(hidden=(64, 64), learning_rate=1e-3, jit=True)),
}


def arrays_of(data: TensorDict) -> dict[str, np.ndarray]:
    """The columns of a data set as d3rlpy calls them."""
    after = data["next"]
    return {
        "observations": data["observation"].numpy(),
        "actions": data["action"].numpy(),
        "rewards": after["reward"].numpy(),
        "terminals": after["terminated"].numpy(),
        "timeouts": after["truncated"].numpy(),
    }


def ours(name: str, data: TensorDict, seed: int) -> float:
    """The mean return of an agent of nappo2."""
    recipe = MAKERS[name](envs.make(ENV, EPISODES)).replace(source=recorded(data))
    learner = Learner(
        scheme("3cs", recipe), recipe.init(seed), seed, target_updates=UPDATES, progress=False
    )
    params = learner.run().params
    found = evaluate(recipe.env, recipe.greedy, params, EPISODES, seed=seed + 1_000)
    return float(found.returns.mean())


def theirs(name: str, python: str, path: Path, seed: int) -> float:
    """The mean return of an agent of d3rlpy."""
    policy = path.with_suffix(f".{name}.{seed}.pt")
    words = ["evidence.d3rlpy_offline", name, str(path), str(UPDATES), str(seed), str(policy)]
    subprocess.run([python, "-m", *words], check=True, capture_output=True)
    return played(torch.jit.load(policy), seed + 1_000)


@torch.no_grad()
def played(act: Callable[[Tensor], Tensor], seed: int) -> float:
    """The mean return of a function from observations to actions, of one episode in each environment."""
    env = envs.make(ENV, EPISODES)
    state, observation = env.reset(seed)
    total = torch.zeros(EPISODES)
    done = torch.zeros(EPISODES, dtype=torch.bool)
    while not done.all():
        state, observation, outcome = env.step(state, act(observation))
        total += torch.where(done, 0.0, outcome.reward)
        done |= outcome.terminated | outcome.truncated
    return float(total.mean())


def measure(python: str, names: tuple[str, ...], num_seeds: int) -> Iterator[dict]:
    """The returns of each recipe and seed, then both means with their intervals."""
    config = preset("sac", "pendulum").config
    with TemporaryDirectory() as folder:
        data = mediocre(Path(folder) / "recorded.npz", config)
        path = Path(folder) / "arrays.npz"
        np.savez(path, **arrays_of(data))
        before = float(data["next", "reward"].sum() / data["next", "done"].sum())
        yield {"transitions": len(data), "return of an episode": round(before, 1)}
        for name in names:
            returns: dict[str, list[float]] = {"nappo2": [], "d3rlpy": []}
            for seed in range(num_seeds):
                returns["nappo2"].append(ours(name, data, seed))
                returns["d3rlpy"].append(theirs(name, python, path, seed))
                last = {who: round(played[-1], 1) for who, played in returns.items()}
                yield {"recipe": name, "seed": seed, **last}
            yield {"recipe": name, **{who: str(mean_of(each)) for who, each in returns.items()}}


if __name__ == "__main__":
    torch.set_num_threads(1)
    python, *words = sys.argv[1:]
    names = tuple(word for word in words if word in MAKERS) or tuple(MAKERS)
    seeds = [int(word) for word in words if word not in MAKERS] or [5]
    for line in measure(python, names, seeds[0]):
        print(json.dumps(line), flush=True)

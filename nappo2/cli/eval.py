"""``nappo2 eval``."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Eval:
    """Evaluates the agent of a run, always with its most probable action.

    Attributes:
        run: the directory that it left.
        env: in which it acts; by default that of the run, unless it is of a module to be imported.
        episodes: to play, in full.
        seed: of the episodes.
        num_envs: in which they are played.
    """

    run: tyro.conf.Positional[Path]
    env: str | None = None
    episodes: int = 20
    seed: int = 0
    num_envs: int = 4


def run(argv: list[str]) -> int:
    """Prints one JSON object."""
    from nappo2.cli.saved import env_id, rebuilt, saved
    from nappo2.runs.evaluate import evaluate

    options = tyro.cli(Eval, args=argv, prog="nappo2 eval")
    found = saved(options.run)
    name = env_id(found.described, options.env, options.run)
    env, recipe = rebuilt(found, name, options.num_envs)
    result = evaluate(env, recipe.greedy, found.params, options.episodes, options.seed)
    numbers = {
        "mean_return": result.returns.mean().item(),
        "std_return": result.returns.std(correction=0).item(),
        "mean_length": result.lengths.mean().item(),
    }
    said = {"run": str(options.run), "env": name, "episodes": options.episodes}
    print(json.dumps(said | {name: round(x, 3) for name, x in numbers.items()}))
    return 0

"""``nappo2 eval``: plays full episodes with a trained agent."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Eval:
    """Evaluates the agent of a run, always with its most probable action.

    Attributes:
        run: the directory of the run.
        env: by default that of the run, unless it is of a module to be imported.
        episodes: number of full episodes.
        seed: of the episodes.
        num_envs: number of environments that are played at once.
    """

    run: tyro.conf.Positional[Path]
    env: str | None = None
    episodes: int = 20
    seed: int = 0
    num_envs: int = 4


def run(argv: list[str]) -> int:
    """Evaluates an agent and prints one JSON object."""
    from nappo2.cli.saved import env_id, load_agent_run, make_agent
    from nappo2.runs.evaluate import evaluate

    options = tyro.cli(Eval, args=argv, prog="nappo2 eval")
    saved_run = load_agent_run(options.run)
    name = env_id(saved_run.description, options.env, options.run)
    env, recipe = make_agent(saved_run, name, options.num_envs)
    result = evaluate(env, recipe.greedy, saved_run.params, options.episodes, options.seed)
    numbers = {
        "mean_return": result.returns.mean().item(),
        "std_return": result.returns.std(correction=0).item(),
        "mean_length": result.lengths.mean().item(),
    }
    labels = {"run": str(options.run), "env": name, "episodes": options.episodes}
    print(json.dumps(labels | {name: round(x, 3) for name, x in numbers.items()}))
    return 0

"""``nappo2 eval``: plays full episodes with a trained agent."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from nappo2.cli.words import INTEGERS, print_result


@dataclass(frozen=True)
class Eval:
    """Evaluates the agent of a run, always with its most probable action.

    Attributes:
        run: the directory of the run.
        env: by default that of the run, unless it is of a module to be imported.
        episodes: number of full episodes.
        seed: of the episodes.
        num_envs: number of environments that are played at once.
        best: whether to take the params of the best evaluation instead of the last ones.
        member: which agent of a population.
        threads: of torch; one is best for small networks.
    """

    run: tyro.conf.Positional[Path]
    env: str | None = None
    episodes: int = 20
    seed: int = 0
    num_envs: int = 4
    best: bool = False
    member: int | None = None
    threads: int = 1


def run(argv: list[str]) -> int:
    """Evaluates an agent and prints one JSON object.

    Raises:
        ValueError: if a count is not at least 1, or there is no such agent or environment.
    """
    from nappo2 import load, load_run
    from nappo2.cli.saved import agent_file, env_of
    from nappo2.machine.threads import check_threads, torch_threads
    from nappo2.pipeline import positive
    from nappo2.reports import SUCCESS
    from nappo2.runs.card import env_id
    from nappo2.runs.evaluate import evaluate

    options = tyro.cli(Eval, args=argv, prog="nappo2 eval", registry=INTEGERS)
    positive(threads=options.threads)
    check_threads(options.threads)
    agent = load(agent_file(options.run, options.best), member=options.member)
    env = env_of(load_run(options.run), options.env, options.num_envs)
    with torch_threads(options.threads):
        result = evaluate(env, agent.recipe.greedy, agent.params, options.episodes, options.seed)
    numbers = {
        "mean_return": result.returns.mean().item(),
        "std_return": result.returns.std(correction=0).item(),
        "mean_length": result.lengths.mean().item(),
    }
    for name, x in result.infos.items():
        numbers[f"mean_{name}" if name != SUCCESS else "success_rate"] = x.nanmean().item()
    labels = {"run": str(options.run), "env": env_id(env), "episodes": options.episodes}
    print_result(labels | {name: round(x, 3) for name, x in numbers.items()})
    return 0

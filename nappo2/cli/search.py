"""``nappo2 search``: searches the default space of a recipe, and leaves a preset to train from."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from nappo2.cli.env_options import env_arguments, env_options
from nappo2.cli.train_options import DEFAULT_ENV, option_in, preset_of, with_env
from nappo2.cli.words import INTEGERS, print_result


@dataclass(frozen=True)
class Search:
    """Searches hyper-parameters, and leaves the best as preset.json, which train takes as --preset.

    The same command with the same --out goes on with a search that was ended or killed.

    Attributes:
        env: an id of Gymnasium, PyBullet, Atari, or torch/CartPole-v1.
        trials: how many combinations of values are tried.
        seeds: runs of each, whose interquartile mean counts.
        steps: env steps of a run; by default those of the preset.
        rungs: how often a run is evaluated, and may be pruned.
        episodes: of each evaluation.
        num_envs: environments of a run; by default those of the preset.
        env_kwargs: arguments of the environment in JSON, such as '{"map_name": "8x8"}'.
        frame_skip: how often each action is done; rewards are summed.
        frame_stack: of how many observations each consists, the newest last.
        time_feature: whether the share of an episode's steps that remains is observed.
        preset: whose values are tried first, and stay where the space has none; a name, or the
            preset.json of a search; by default the one for the env.
        pruning: when a trial is given up.
        processes: how many trials are trained at once.
        seed: of all random numbers.
        out: the folder; by default one under runs/.
    """

    env: str = DEFAULT_ENV
    trials: int = 50
    seeds: int = 2
    steps: int | None = None
    rungs: int = 5
    episodes: int = 10
    num_envs: int | None = None
    env_kwargs: str = "{}"
    frame_skip: int = 1
    frame_stack: int = 1
    time_feature: bool = False
    preset: str | None = None
    pruning: Literal["median", "successive_halving", "unpruned"] = "median"
    processes: int = 1
    seed: int = 0
    out: Path | None = None


def run(argv: list[str]) -> int:
    """Searches, and prints what was found; returns the exit code, 130 after Ctrl-C and 143 after SIGTERM."""
    from nappo2 import search
    from nappo2.envs import make
    from nappo2.recipes import RECIPES

    argv = with_env(argv)
    algorithm = argv.pop(0) if argv and not argv[0].startswith("-") else "ppo"
    env, preset = preset_of(algorithm, option_in(argv, "--env"), option_in(argv, "--preset"))
    given = env_options(preset.env_arguments)
    default = Search(env, steps=preset.total_steps, num_envs=preset.num_envs, **given)
    prog = f"nappo2 search {algorithm}"
    options = tyro.cli(Search, args=argv, default=default, prog=prog, registry=INTEGERS)
    make_env = partial(make, options.env, options.num_envs, **env_arguments(options))
    space = search.space_for(RECIPES[algorithm](make_env(), preset.config), options.steps)
    found = search.search(
        partial(recipe_with, algorithm, make_env, preset.config),
        space,
        search.Budget(
            options.trials, options.steps, options.seeds, options.rungs, options.episodes
        ),
        options.out or _folder(algorithm, options.env),
        seed=options.seed,
        processes=options.processes,
        pruning=getattr(search, options.pruning),
        first=[search.values_in(space, preset.config)],
        progress=True,
    )
    print(found, file=sys.stderr)
    print_result({"algorithm": algorithm, "env": options.env} | result(found))
    return 128 + found.interrupted if found.interrupted else 0


def recipe_with(algorithm: str, make_env: Callable[[], Any], config: Any, **values: Any):
    """The recipe of a trial.

    Args:
        algorithm: name of the recipe.
        make_env: makes its environments.
        config: a configuration.
        **values: fields that are replaced in it.

    Returns:
        The recipe.
    """
    from nappo2.recipes import RECIPES

    return RECIPES[algorithm](make_env(), replace(config, **values))


def _folder(algorithm: str, env: str) -> Path:
    from nappo2.saving.log_dir import unused

    stamp = time.strftime("%Y%m%d-%H%M%S")
    return unused(Path("runs") / f"search-{algorithm}-{env.replace('/', '-')}-{stamp}")


def result(found) -> dict[str, Any]:
    """The result of a search for other programs: names and numbers, ready for JSON."""
    from nappo2.saving.calls import plain
    from nappo2.saving.log_dir import from_here

    folder = from_here(found.log_dir)
    return {
        "trials": found.counts(),
        "score": None if found.score is None else round(found.score, 3),
        "values": plain(found.values),
        "importances": {name: round(x, 3) for name, x in found.importances.items()},
        "preset": str(folder / "preset.json") if found.preset is not None else None,
        "interrupted": bool(found.interrupted),
        "log_dir": str(folder),
    }

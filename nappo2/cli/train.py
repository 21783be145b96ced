"""``nappo2 train``: makes the Learner of a command line, runs it and prints the result."""

import math
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from nappo2.checks import installs
from nappo2.cli.train_options import (
    DEFAULT_ENV,
    IN_TORCH,
    Train,
    all_env_arguments,
    check_used,
    description_of,
    option_in,
    parse,
    with_env,
)
from nappo2.cli.words import print_result
from nappo2.cli.worker_options import backends_of

EMPTY: Mapping[str, Any] = {}


def run(argv: list[str]) -> int:
    """Trains and prints the result; returns the exit code, 130 after Ctrl-C and 143 after SIGTERM.

    Raises:
        KeyboardInterrupt: with a second Ctrl-C; says where the params are.
    """
    argv = with_env(argv)
    path = option_in(argv, "--resume")
    description = description_of(Path(path), option_in(argv, "--env")) if path else {}
    recipe = argv.pop(0) if argv and not argv[0].startswith("-") else None
    algorithm = recipe or description.get("algorithm", "ppo")
    options = parse(algorithm, argv, description)
    check_used(argv, options)
    if options.env == DEFAULT_ENV == IN_TORCH and option_in(argv, "--env") is None:
        note = f"PyBullet is not installed ({installs('pybullet')}), so this trains in {IN_TORCH}"
        print(f"nappo2: {note}", file=sys.stderr)
    if options.seeds > 1 and not description and not is_population(algorithm, options):
        return _run_side_by_side(algorithm, [algorithm, *argv], options)
    from nappo2.saving.log_dir import from_here

    learner = learner_of(algorithm, options, description)
    if learner.done():
        steps = f"{learner.env_steps:,} env steps"
        print(f"nappo2: the run has its {steps}; a larger --total-steps goes on", file=sys.stderr)
    try:
        for _ in learner:
            pass
    except KeyboardInterrupt:
        folder = from_here(learner.log_dir)
        raise KeyboardInterrupt(f"what was learnt so far is in {folder}") from None
    finally:
        learner.close()
    seeds = curve_of_seeds(learner.log_dir) if options.seeds > 1 else {}
    print_result(result(algorithm, options, learner) | seeds)
    return 128 + learner.interrupted if learner.interrupted else 0


def _run_side_by_side(algorithm: str, argv: list[str], options: Train) -> int:
    """Trains seeds in processes, draws their curve, and prints one JSON object; returns the exit code."""
    from nappo2.cli.seeds import side_by_side
    from nappo2.saving.log_dir import made, unused

    log_dir = options.log_dir or unused(Path("runs") / _name(algorithm, options))
    runs = side_by_side(argv, options, made(log_dir))
    labels = {"algorithm": algorithm, "env": options.env, "scheme": options.scheme}
    curve = curve_of_seeds(log_dir) if runs["runs"] else {"episode_return": None}
    numbers = curve | {"log_dir": str(log_dir)}
    interrupted = runs.pop("interrupted")
    if interrupted:
        print(f"nappo2: interrupted; what was learnt so far is in {log_dir}", file=sys.stderr)
    print_result(labels | numbers | runs | {"interrupted": bool(interrupted)})
    return 128 + interrupted if interrupted else 0


def curve_of_seeds(log_dir: Path) -> dict[str, Any]:
    """Draws the curve of several seeds in a folder, and returns their last returns as one interval.

    ``episode_return`` is the interquartile mean, with the ends of its 95 % interval; the picture is
    curve.png. Nothing is drawn before an episode has ended.
    """
    from nappo2.show import compare, plot
    from nappo2.show.runs import group_runs

    runs = [run for group in group_runs(log_dir).values() for run in group]
    runs = [run for run in runs if any("episode_return" in row for row in run.metrics)]
    if not runs:
        return {"episode_return": None}
    plot(log_dir).save(log_dir / "curve.png")
    returns = compare({"all": runs})
    ends = {"iqm": returns.iqm[0], "low": returns.low[0], "high": returns.high[0]}
    return {"episode_return": {name: round(x, 3) for name, x in ends.items()}}


def is_population(algorithm: str, options: Train) -> bool:
    """Tests whether seeds are trained as one population: in torch, on this CPU, in one process."""
    from nappo2 import envs, population, recipes

    if options.env not in envs.TORCH or options.scheme != "3cs" or options.device != "cpu":
        return False
    try:
        recipe = recipes.RECIPES[algorithm](
            envs.make(options.env, options.num_envs, **all_env_arguments(options)), options.config
        )
        population(recipe, options.seeds)
    except (ValueError, NotImplementedError):
        return False
    return True


def learner_of(algorithm: str, options: Train, card: Mapping[str, Any] = EMPTY):
    """Makes the Learner of a command line, in a new folder unless ``log_dir`` is an option.

    Args:
        algorithm: the name of the recipe.
        options: of the command line.
        card: of the run that is resumed; empty for a new run.

    Returns:
        The Learner.
    """
    from nappo2.saving.log_dir import unused

    if options.log_dir is not None:
        return _learner_in(options.log_dir, algorithm, options, card)
    log_dir = unused(Path("runs") / _name(algorithm, options))
    try:
        return _learner_in(log_dir, algorithm, options, card)
    except BaseException:
        with suppress(OSError):  # it is not empty
            log_dir.rmdir()
        raise


def _learner_in(log_dir: Path, algorithm: str, options: Train, card: Mapping[str, Any]):
    from nappo2 import envs, recipes
    from nappo2.pipeline import positive
    from nappo2.runs.learner import Learner
    from nappo2.seeds import fold_in

    positive(total_steps=options.total_steps, num_envs=options.num_envs, seeds=options.seeds)
    for name in ("evaluate_every", "checkpoint_every"):
        if getattr(options, name) < 0:
            raise ValueError(f"{name} is at least 0, not {getattr(options, name)}")
    check_device(options.device)
    env = envs_of(options, card)
    env = envs.monitored(env, log_dir / "monitor") if options.monitor else env
    recipe = recipes.RECIPES[algorithm](env, options.config)
    recipe = population_of(recipe, card, options.seeds)
    pipeline = pipeline_of(options, recipe)
    learner = Learner(
        pipeline,
        recipe.init(fold_in(options.seed, "params")).to(options.device),
        options.seed,
        options.total_steps * options.seeds,
        log_dir,
        evaluate=_evaluation(options, recipe, card),
        evaluate_every=(options.evaluate_every or options.total_steps) * options.seeds,
        checkpoint_every=options.checkpoint_every * options.seeds or None,
        loggers=options.log,
        until=_until(options),
        progress=True,
        threads=options.threads,
        settings=vars(options) | {"config": asdict(options.config), "log_dir": log_dir},
    )
    if options.resume:
        learner.resume(options.resume)
    learner.begin()
    return learner


def envs_of(options: Train, card: Mapping[str, Any]):
    """The environments of a command line; of a run that is resumed, made again with its arguments."""
    from nappo2 import envs
    from nappo2.trained import env_again

    if not card.get("environment"):
        return envs.make(options.env, options.num_envs, **all_env_arguments(options))
    changed = options.processes != card.get("processes", 0)
    processes = {"processes": options.processes} if changed else {}
    return env_again(card, options.num_envs, **processes)


def population_of(recipe, card: Mapping[str, Any], seeds: int):
    """The population of several seeds, that of a run that is resumed, or the recipe alone.

    Args:
        recipe: of each member.
        card: of the run that is resumed; empty for a new one.
        seeds: how many there are.

    Returns:
        A population or the recipe.

    Raises:
        ValueError: if the run's recipe was given pieces that only its author has.
    """
    from nappo2 import population

    own = [
        *card.get("recipe", {}).get("arguments", {}),
        *card.get("recipe", {}).get("replaced", ()),
    ]
    if own:
        raise ValueError(
            f"the run's {card['algorithm']} was given {', '.join(own)} of its own, which no file says; "
            "Learner.resume goes on with it where its recipe is"
        )
    members = card.get("population")
    if members:
        return population(recipe, members.get("num_members", 0), **members.get("hyper", {}))
    return population(recipe, seeds) if seeds > 1 else recipe


def _evaluation(options: Train, recipe, card: Mapping[str, Any]):
    """The function of params that evaluates in environments of its own; None without evaluations.

    Of a population, all members play, and their returns are put together.
    """
    from nappo2.populations import Population
    from nappo2.runs.evaluate import evaluate, evaluate_members
    from nappo2.seeds import fold_in

    if not options.evaluate_every:
        return None
    env, seed = envs_of(options, card), fold_in(options.seed, "evaluation")
    play = evaluate_members if isinstance(recipe, Population) else evaluate
    return partial(play, env, recipe.greedy, num_episodes=options.evaluation_episodes, seed=seed)


def _until(options: Train):
    """The conditions that end a run before its steps; None without any."""
    from nappo2.runs.stopping import threshold_of, until

    limits = {"patience": options.until_patience, "seconds": options.until_seconds}
    if not options.until and not any(x is not None for x in limits.values()):
        return None
    return until(**limits, **dict(map(threshold_of, options.until)))


def check_device(name: str) -> None:
    """Refuses a device that torch cannot use.

    Raises:
        ValueError: with the reason of torch.
    """
    import torch

    try:
        torch.zeros((), device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {name!r} here: {error}") from error


def pipeline_of(options: Train, recipe):
    """Cuts the pipeline of a recipe by the scheme among the options."""
    from nappo2.schemes import scheme
    from nappo2.schemes.words import TAKES

    arguments = vars(options) | {"on": backends_of(options)}
    return scheme(
        options.scheme, recipe, **{name: arguments[name] for name in TAKES[options.scheme]}
    )


def _name(algorithm: str, options: Train) -> str:
    env = options.env.replace("/", "-")
    seeds = f"{options.seed}" if options.seeds == 1 else f"seeds-{options.seeds}"
    return f"{algorithm}-{env}-{options.scheme}-{seeds}-{time.strftime('%Y%m%d-%H%M%S')}"


def result(algorithm: str, options: Train, learner) -> dict[str, Any]:
    """The result of a run, for other programs.

    Args:
        algorithm: the name of the recipe.
        options: of the command line.
        learner: after the run.

    Returns:
        Numbers and texts by name, ready for JSON; None where a number is not finite.
    """
    from nappo2.saving.log_dir import from_here

    row = learner.metrics[-1] if learner.metrics else {}
    seconds = {k: x for k, x in learner.sums.items() if k.endswith("_seconds")}
    lags = {name: row.get(name, math.nan) for name in ("collection_lag", "gradient_lag")}
    numbers = {
        "seconds": learner.seconds,
        "simulator_seconds": learner.sums.get("simulator_seconds", 0.0),
        "steps_per_second": learner.env_steps / learner.seconds if learner.seconds else 0.0,
        "episode_return": row.get("episode_return", math.nan),
        **{name: row[name] for name in ("success_rate",) if name in row},
        **lags,
    }
    return {
        "algorithm": algorithm,
        "env": options.env,
        "scheme": options.scheme,
        "seed": options.seed,
        "env_steps": learner.env_steps,
        "updates": int(learner.params["version"]),
        **{name: round(x, 3) if math.isfinite(x) else None for name, x in numbers.items()},
        "restarts": int(learner.sums.get("restarts", 0)),
        "stage_seconds": {
            name.removesuffix("_seconds"): round(x, 3) for name, x in seconds.items()
        },
        "interrupted": bool(learner.interrupted),
        "stopped": learner.stopped or None,
        "log_dir": str(from_here(learner.log_dir)),
    }

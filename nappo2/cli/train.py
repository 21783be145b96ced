"""``nappo2 train``: makes the Learner of a command line, runs it and prints the result."""

import json
import math
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from nappo2.cli.train_options import (
    Train,
    check_used,
    description_of,
    option_in,
    parse,
    with_env,
)


def run(argv: list[str]) -> int:
    """Trains and prints the result; returns the exit code, 130 after Ctrl-C and 143 after SIGTERM."""
    argv = with_env(argv)
    path = option_in(argv, "--resume")
    description = description_of(Path(path), option_in(argv, "--env")) if path else {}
    recipe = argv.pop(0) if argv and not argv[0].startswith("-") else None
    algorithm = recipe or description.get("algorithm", "ppo")
    options = parse(algorithm, argv, description)
    check_used(argv, options)
    learner = learner_of(algorithm, options)
    if learner.done():
        steps = f"{learner.env_steps:,} env steps"
        print(f"nappo2: the run has its {steps}; a larger --total-steps goes on", file=sys.stderr)
    try:
        for _ in learner:
            pass
    finally:
        learner.close()
    print(json.dumps(result(algorithm, options, learner)), flush=True)
    return 128 + learner.interrupted if learner.interrupted else 0


def learner_of(algorithm: str, options: Train):
    """Makes the Learner of a command line, in a new folder unless ``log_dir`` is an option."""
    from nappo2.saving.log_dir import unused

    if options.log_dir is not None:
        return _learner_in(options.log_dir, algorithm, options)
    log_dir = unused(Path("runs") / _name(algorithm, options))
    try:
        return _learner_in(log_dir, algorithm, options)
    except BaseException:
        with suppress(OSError):  # it is not empty
            log_dir.rmdir()
        raise


def _learner_in(log_dir: Path, algorithm: str, options: Train):
    from nappo2 import envs, recipes
    from nappo2.pipeline import positive
    from nappo2.runs.learner import Learner
    from nappo2.saving.log_dir import write_whole
    from nappo2.seeds import fold_in

    positive(total_steps=options.total_steps, num_envs=options.num_envs)
    for name in ("evaluate_every", "checkpoint_every"):
        if getattr(options, name) < 0:
            raise ValueError(f"{name} is at least 0, not {getattr(options, name)}")
    check_device(options.device)
    folder = log_dir / "monitor" if options.monitor else None
    env = envs.make(options.env, options.num_envs, monitor=folder)
    recipe = recipes.RECIPES[algorithm](env, options.config)
    pipeline = pipeline_of(options, recipe)
    learner = Learner(
        pipeline,
        recipe.init(fold_in(options.seed, "params")).to(options.device),
        options.seed,
        options.total_steps,
        log_dir,
        evaluate=_evaluation(options, recipe),
        evaluate_every=options.evaluate_every or options.total_steps,
        checkpoint_every=options.checkpoint_every or None,
        loggers=options.log,
        until=_until(options),
        progress=True,
        threads=options.threads,
    )
    if options.resume:
        learner.resume(options.resume)
    learner.begin()
    description = {"algorithm": algorithm} | asdict(options) | {"log_dir": str(log_dir)}
    description["resume"] = options.resume and str(options.resume)
    write_whole(learner.log_dir / "run.json", json.dumps(description, indent=2) + "\n")
    return learner


def _evaluation(options: Train, recipe):
    """The function of params that evaluates in environments of its own; None without evaluations."""
    from nappo2 import envs
    from nappo2.runs.evaluate import evaluate
    from nappo2.seeds import fold_in

    if not options.evaluate_every:
        return None
    env, seed = envs.make(options.env, options.num_envs), fold_in(options.seed, "evaluation")
    return partial(
        evaluate, env, recipe.greedy, num_episodes=options.evaluation_episodes, seed=seed
    )


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
    from nappo2.schemes import on_ray, scheme, serial
    from nappo2.schemes.seven import TAKES

    if options.backend == "ray":
        on = on_ray(deadline=options.deadline, num_gpus=gpu_share(options))
    else:
        on = serial
    arguments = vars(options) | {"on": on}
    return scheme(
        options.scheme, recipe, **{name: arguments[name] for name in TAKES[options.scheme]}
    )


def gpu_share(options: Train) -> float:
    """How much of a GPU each worker on ray has: all share those of this machine, one at most each.

    In da2cs none has any, as workers only collect, on the CPU.
    """
    import torch

    from nappo2.schemes.seven import TAKES

    if not options.device.startswith("cuda") or "learners" not in TAKES[options.scheme]:
        return 0.0
    kinds = [name for name in ("collectors", "learners") if name in TAKES[options.scheme]]
    num_workers = sum(getattr(options, name) for name in kinds)
    share = min(1.0, torch.cuda.device_count() / num_workers)
    return math.floor(10_000 * share) / 10_000  # as finely as Ray counts


def _name(algorithm: str, options: Train) -> str:
    env = options.env.replace("/", "-")
    return f"{algorithm}-{env}-{options.scheme}-{options.seed}-{time.strftime('%Y%m%d-%H%M%S')}"


def result(algorithm: str, options: Train, learner) -> dict[str, Any]:
    """The result of a run, for other programs.

    Args:
        algorithm: the name of the recipe.
        options: of the command line.
        learner: after the run.

    Returns:
        Numbers and texts by name, ready for JSON; None where a number is not finite.
    """
    row = learner.metrics[-1] if learner.metrics else {}
    seconds = {k: x for k, x in learner.sums.items() if k.endswith("_seconds")}
    lags = {name: row.get(name, math.nan) for name in ("collection_lag", "gradient_lag")}
    numbers = {
        "seconds": learner.seconds,
        "simulator_seconds": learner.sums.get("simulator_seconds", 0.0),
        "steps_per_second": learner.env_steps / learner.seconds if learner.seconds else 0.0,
        "episode_return": row.get("episode_return", math.nan),
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
        "log_dir": str(learner.log_dir),
    }

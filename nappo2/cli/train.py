"""``nappo2 train``."""

import json
import math
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Generic, Literal, TypeVar

Config = TypeVar("Config")


@dataclass(frozen=True)
class Train(Generic[Config]):
    """Trains an agent, with progress on the standard error; options not given come from the preset.

    Attributes:
        config: the hyper-parameters of the recipe.
        env: an id of Gymnasium, PyBullet (*BulletEnv-v0), Atari (ALE/Pong-v5), or torch's own.
        total_steps: env steps to train for.
        num_envs: environments per collector.
        scheme: where the pipeline is cut: 3cs, 3ds, 2dacs, 2daca, da2cs, dadacs or dadaca.
        collectors: in all, where collection has a cut of its own.
        learners: where gradients are distributed.
        backend: where workers are: serial (this process, by turns) or ray (processes of their own).
        ahead: rollouts that a collector may begin before its last one was taken.
        wait_for: in 3ds and 2dacs, of how many learners a step waits for.
        preempt: in 3ds and 2dacs, the share of a rollout with which the others stop then.
        deadline: seconds after which a step on ray is given up and its worker replaced.
        device: of the learner, such as cuda; collectors stay on the CPU.
        seed: from which all randomness derives.
        log_dir: where the run is kept; by default under runs/.
        preset: whose values are the defaults of all others; by default the one for the env.
        evaluate_every: env steps between deterministic evaluations; 0 for none.
        evaluation_episodes: of each evaluation.
        checkpoint_every: env steps between checkpoints of the whole run, of which the last three and
            the best are kept; there is one at the end, too; 0 for none.
        resume: the log_dir of a run, or a checkpoint in it, to go on from; its options are the defaults.
        tensorboard: whether to write event files too.
        monitor: whether to write each episode of each environment to log_dir/monitor.
        threads: of torch; one is best for small networks.
    """

    config: Config
    env: str = "HalfCheetahBulletEnv-v0"
    total_steps: int = 300_000
    num_envs: int = 8
    scheme: str = "3cs"
    collectors: int = 2
    learners: int = 2
    backend: Literal["serial", "ray"] = "serial"
    ahead: int = 0
    wait_for: int | None = None
    preempt: float | None = None
    deadline: float = 300.0
    device: str = "cpu"
    seed: int = 0
    log_dir: Path | None = None
    preset: str | None = None
    evaluate_every: int = 0
    evaluation_episodes: int = 10
    checkpoint_every: int = 100_000
    resume: Path | None = None
    tensorboard: bool = False
    monitor: bool = False
    threads: int = 1


def run(argv: list[str]) -> int:
    """Trains, prints the JSON line, and returns the exit code: 130 after Ctrl-C, 143 after SIGTERM."""
    argv = with_env(argv)
    resumed = _option(argv, "--resume")
    told = described(Path(resumed), _option(argv, "--env")) if resumed else {}
    given = argv.pop(0) if argv and not argv[0].startswith("-") else None
    algorithm = given or told.get("algorithm", "ppo")
    options = parse(algorithm, argv, told)
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


def with_env(argv: list[str]) -> list[str]:
    """The words of a command line, in which an id behind the recipe is the ``--env``."""
    if len(argv) < 2 or argv[0].startswith("-") or argv[1].startswith("-"):
        return list(argv)
    return [argv[0], "--env", *argv[1:]]


def parse(algorithm: str, argv: list[str], told: dict | None = None) -> Train:
    """The options of a command line; the preset that they name, or that suits the env, fills the rest.

    Of a run that is resumed, what it was ``told``.
    """
    import tyro

    from nappo2.recipes import preset, preset_for

    env, name = _option(argv, "--env") or Train.env, _option(argv, "--preset")
    chosen = preset(algorithm, name) if name else preset_for(algorithm, env)
    default = Train(chosen.config, env, chosen.total_steps, chosen.num_envs)
    if told:
        default = _as_told(default, told, keep_preset=name is not None)
    kind = tyro.conf.configure(tyro.conf.OmitArgPrefixes)(Train[type(chosen.config)])
    options = tyro.cli(kind, args=argv, default=default, prog=f"nappo2 train {algorithm}")
    if told and options.seed != default.seed:
        raise ValueError(
            f"a resumed run goes on with its own random numbers, those of seed {default.seed}: "
            f"--seed {options.seed} would change nothing"
        )
    return options


def described(path: Path, env: str | None = None) -> dict:
    """What the run was told whose log_dir, or a checkpoint in it, is at ``path``.

    It goes on where it lies, wherever it was begun, and in ``env`` if that is given.

    Raises:
        ValueError: if there is no such run, or it alone names a module to be imported.
    """
    from nappo2.cli.saved import env_id
    from nappo2.show.runs import read_description

    log_dir = path if path.is_dir() else path.parent.parent
    if not (log_dir / "run.json").exists():
        raise ValueError(f"there is no run to resume at {path}: it has no run.json")
    told = read_description(log_dir / "run.json")
    env = env_id(told, env, log_dir)
    lacks = [name for name in ("algorithm", "env", "config") if name not in told]
    if lacks:
        raise ValueError(f"{log_dir}/run.json does not say the {', '.join(lacks)} of its run")
    return told | {"env": env, "log_dir": str(log_dir)}


def _as_told(default: Train, told: dict, keep_preset: bool) -> Train:
    """Options as a run.json has them, only those that are known; a preset's are kept if it was named."""
    from nappo2.cli.saved import settings

    names = {field.name for field in fields(Train)} - {"config", "resume"}
    names -= {"total_steps", "num_envs", "preset"} if keep_preset else set()
    values = settings(Train, {name: told[name] for name in names & set(told)})
    if keep_preset:
        return replace(default, **values)
    config = replace(default.config, **settings(type(default.config), told["config"]))
    return replace(default, config=config, **values)


def _option(argv: list[str], name: str) -> str | None:
    """The value of an option, read before all others, as their defaults depend on it."""
    for word, following in pairwise([*argv, None]):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def check_used(argv: list[str], options: Train) -> None:
    """Refuses options that were given and would change nothing; defaults that do are left out.

    Raises:
        ValueError: names the option, and what it is for.
    """
    from nappo2.schemes.seven import check_taken

    words = [word.partition("=")[0] for word in argv if word.startswith("--")]
    given = {word.removeprefix("--").replace("-", "_") for word in words}
    cuts = [
        name for name in ("collectors", "learners", "ahead", "wait_for", "preempt") if name in given
    ]
    check_taken(options.scheme, cuts)
    if "backend" in given and options.backend == "ray" and options.scheme == "3cs":
        raise ValueError("--backend ray is where workers are, and the scheme 3cs has none")
    if "deadline" in given and options.backend != "ray":
        raise ValueError("--deadline is of workers on ray; it needs --backend ray")
    if "evaluation_episodes" in given and not options.evaluate_every:
        raise ValueError("--evaluation-episodes is of evaluations; it needs --evaluate-every")


def learner_of(algorithm: str, options: Train):
    """The Learner of a command line, whose description is in its log_dir."""
    from nappo2.saving.log_dir import unused

    if options.log_dir is not None:
        return learner_in(options.log_dir, algorithm, options)
    log_dir = unused(Path("runs") / _name(algorithm, options))
    try:
        return learner_in(log_dir, algorithm, options)
    except BaseException:
        with suppress(OSError):  # unless something was written
            log_dir.rmdir()
        raise


def learner_in(log_dir: Path, algorithm: str, options: Train):
    """The Learner of a command line in this directory."""
    from nappo2 import envs, recipes
    from nappo2.pipeline import positive
    from nappo2.runs.evaluate import evaluate
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
    tested = None
    if options.evaluate_every:
        of_its_own, seed = (
            envs.make(options.env, options.num_envs),
            fold_in(options.seed, "evaluation"),
        )
        tested = partial(
            evaluate, of_its_own, recipe.greedy, num_episodes=options.evaluation_episodes, seed=seed
        )
    learner = Learner(
        pipeline,
        recipe.init(fold_in(options.seed, "params")).to(options.device),
        options.seed,
        options.total_steps,
        log_dir,
        evaluate=tested,
        evaluate_every=options.evaluate_every or options.total_steps,
        checkpoint_every=options.checkpoint_every or None,
        tensorboard=options.tensorboard,
        progress=True,
        threads=options.threads,
    )
    if options.resume:
        learner.resume(options.resume)
    learner.begin()
    told = {"algorithm": algorithm} | asdict(options) | {"log_dir": str(log_dir)}
    told["resume"] = options.resume and str(options.resume)
    write_whole(learner.log_dir / "run.json", json.dumps(told, indent=2) + "\n")
    return learner


def check_device(name: str) -> None:
    """Refuses a device that is not there.

    Raises:
        ValueError: says what torch says of it.
    """
    import torch

    try:
        torch.zeros((), device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {name!r} here: {error}") from error


def pipeline_of(options: Train, recipe):
    """The pipeline of a command line."""
    from nappo2.schemes import on_ray, scheme, serial
    from nappo2.schemes.seven import TAKES

    if options.backend == "ray":
        on = on_ray(deadline=options.deadline, num_gpus=gpu_share(options))
    else:
        on = serial
    given = vars(options) | {"on": on}
    return scheme(options.scheme, recipe, **{name: given[name] for name in TAKES[options.scheme]})


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


def result(algorithm: str, options: Train, learner) -> dict:
    """What a run came to, for programs to read."""
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
        "log_dir": str(learner.log_dir),
    }

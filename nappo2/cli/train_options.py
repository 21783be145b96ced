"""The options of ``nappo2 train``: their defaults, and how the words of a command line are read."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nappo2.checks import is_installed
from nappo2.cli.env_options import env_arguments, env_options
from nappo2.cli.words import INTEGERS, check_names
from nappo2.cli.worker_options import check_worker_options
from nappo2.cli.zoo_file import is_zoo_file, zoo_preset
from nappo2.recipes.presets import OF_ENV

Config = TypeVar("Config")
Placement = Literal["spread", "pack", "strict_spread", "strict_pack"]

BULLET, IN_TORCH = "HalfCheetahBulletEnv-v0", "torch/Pendulum-v1"
DEFAULT_ENV = BULLET if is_installed("pybullet_envs_gymnasium") else IN_TORCH
"""Where ``nappo2 train`` trains without ``--env``: in torch where PyBullet is not installed."""


NumWorkers = Annotated[
    int | str,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT|INT..INT",
        instance_from_str=lambda words: int(words[0]) if words[0].isdecimal() else words[0],
        is_instance=lambda value: isinstance(value, (int, str)),
        str_from_instance=lambda value: [str(value)],
    ),
]
"""A number of workers; ``2..16``, of a number that may change, stays a text."""


@dataclass(frozen=True)
class Train(Generic[Config]):
    """Trains an agent, with progress on the standard error; other options come from the preset.

    Attributes:
        config: the hyper-parameters of the recipe.
        env: an id of Gymnasium, PyBullet (...BulletEnv-v0), Atari (ALE/Pong-v5), or torch/CartPole-v1.
        total_steps: env steps to train for.
        num_envs: environments per collector.
        processes: that step the environments of a collector, each a share; 0 for the collector itself.
        env_kwargs: arguments of the environment in JSON, such as '{"map_name": "8x8"}'.
        frame_skip: how often each action is done; rewards are summed.
        frame_stack: of how many observations each consists, the newest last.
        time_feature: whether the share of an episode's steps that remains is observed.
        scheme: where the pipeline is cut: 3cs, 3ds, 2dacs, 2daca, ds2cs, da2cs, ds2ds, da2ds, dsdacs,
            dadacs, dsdaca or dadaca.
        collectors: number of all collectors, where collection has a cut of its own; 2..16 of a number
            that may change: they join when the cluster has room.
        learners: number of learners, where gradients are distributed; likewise.
        backend: where workers are: serial (this process, by turns) or ray (processes of their own).
        ahead: in words that begin with da, rollouts that a collector may begin before its last was taken.
        wait_for: in words of one cut, the number of workers that a step waits for.
        preempt: in 3ds, 2dacs and ds2cs, the share of a rollout with which the others stop then.
        address: of a Ray that runs: auto for that of this machine, or HOST:PORT of its head; by default
            that of RAY_ADDRESS, or else a Ray is started on this machine.
        collector_resources: on ray, what each collector takes, such as CPU=1,simulator=0.5.
        learner_resources: on ray, what each learner takes, such as GPU=1, with which it computes there.
        collector_placement: on ray, reserves places for all collectors, on many nodes or few.
        learner_placement: on ray, reserves places for all learners, on many nodes or few.
        deadline: seconds after which a step on ray is given up and its worker replaced.
        place_deadline: seconds in which workers find a place on ray; more where a cluster has to grow.
        record_timing: whether to write what the clock and other processes decide to timing.bin, so that
            the run can be replayed in one process.
        device: of the learner, such as cuda; collectors stay on the CPU.
        seed: of all random numbers; of several seeds, the first.
        seeds: how many are trained at once, into one folder: as a population where environments are
            in torch, else in processes side by side.
        log_dir: the folder of the run; by default one under runs/.
        preset: its values are the defaults of all others: a name, the preset.json of a search, or a
            file of rl-zoo3, such as ppo.yml or ppo.yml:ENTRY; by default the one for the env.
        evaluate_every: env steps between deterministic evaluations; 0 for none.
        evaluation_episodes: of each evaluation.
        checkpoint_every: env steps between checkpoints of the whole run, of which the last three and
            the best are kept; there is one at the end, too; 0 for none.
        resume: the log_dir of a run, or a checkpoint in it, to go on from; its options are the defaults.
        log: where rows go besides metrics.csv; once per logger. trace has the times of all stages, for
            nappo2 trace RUN.
        until: what ends the run before its steps, such as episode_return=475 or 'loss<0.1'; once per
            condition.
        until_patience: rows without a better value of the first column of --until, or of
            episode_return, that end the run.
        until_seconds: of wall time that end the run.
        monitor: whether to write each episode of each environment to log_dir/monitor.
        threads: of torch; one is best for small networks.
    """

    config: Config
    env: str = DEFAULT_ENV
    total_steps: int = 300_000
    num_envs: int = 8
    processes: int = 0
    env_kwargs: str = "{}"
    frame_skip: int = 1
    frame_stack: int = 1
    time_feature: bool = False
    scheme: str = "3cs"
    collectors: NumWorkers = 2
    learners: NumWorkers = 2
    backend: Literal["serial", "ray"] = "serial"
    ahead: int = 0
    wait_for: int | None = None
    preempt: float | None = None
    address: str | None = None
    collector_resources: str = ""
    learner_resources: str = ""
    collector_placement: Placement | None = None
    learner_placement: Placement | None = None
    deadline: float = 300.0
    place_deadline: float = 20.0
    record_timing: bool = False
    device: str = "cpu"
    seed: int = 0
    seeds: int = 1
    log_dir: Path | None = None
    preset: str | None = None
    evaluate_every: int = 0
    evaluation_episodes: int = 10
    checkpoint_every: int = 100_000
    resume: Path | None = None
    log: Annotated[
        tuple[Literal["tensorboard", "wandb", "mlflow", "trackio", "trace"], ...],
        tyro.conf.UseAppendAction,
    ] = ()
    until: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    until_patience: int | None = None
    until_seconds: float | None = None
    monitor: bool = False
    threads: int = 1


def all_env_arguments(options: Train) -> dict[str, Any]:
    """The arguments of ``envs.make`` among the options, its processes too.

    Raises:
        ValueError: if the arguments of the environment are no JSON object.
    """
    processes = {"processes": options.processes} if options.processes else {}
    return env_arguments(options) | processes


def with_env(argv: list[str]) -> list[str]:
    """A command line in which an id after the recipe has become the option ``--env``."""
    if len(argv) < 2 or argv[0].startswith("-") or argv[1].startswith("-"):
        return list(argv)
    return [argv[0], "--env", *argv[1:]]


def parse(algorithm: str, argv: list[str], description: dict | None = None) -> Train:
    """Parses a command line; defaults are those of the preset, or of the run that is resumed.

    Args:
        algorithm: the name of the recipe.
        argv: the words after it.
        description: the settings in run.json of a run that is resumed; None for a new run.

    Returns:
        The options.

    Raises:
        ValueError: if a resumed run gets another seed.
    """
    name = option_in(argv, "--preset")
    env, base = preset_of(algorithm, option_in(argv, "--env"), name)
    cuts = {"scheme": base.scheme, **base.cuts} | env_options(base.env_arguments)
    default = Train(base.config, env, total_steps=base.total_steps, num_envs=base.num_envs, **cuts)
    if description:
        default = _with_description(default, description, keep_preset=name is not None)
    for repeated in ("log", "until"):  # what is given stands for what the resumed run was given
        if option_in(argv, f"--{repeated}") is not None:
            default = replace(default, **{repeated: ()})
    parser = tyro.conf.configure(tyro.conf.OmitArgPrefixes)(Train[type(base.config)])
    names = [each.name for each in (*fields(Train), *fields(base.config))]
    check_names(argv, [name for name in names if name != "config"])
    prog = f"nappo2 train {algorithm}"
    options = tyro.cli(parser, args=argv, default=default, prog=prog, registry=INTEGERS)
    other = [name for name in OF_ENV if getattr(options, name) != getattr(default, name)]
    if description and other and option_in(argv, "--env") is None:
        raise ValueError(
            f"a resumed run goes on in its own environment: its {other[0]} is "
            f"{getattr(default, other[0])!r}, not {getattr(options, other[0])!r}"
        )
    if description and options.seed != default.seed:
        raise ValueError(
            f"a resumed run goes on with its own random numbers, those of seed {default.seed}: "
            f"--seed {options.seed} would change nothing"
        )
    if description and options.seeds != default.seeds:
        raise ValueError(
            f"a resumed run has as many seeds as it began with, {default.seeds}, not {options.seeds}"
        )
    return options


def preset_of(algorithm: str, env: str | None, name: str | None) -> tuple[str, Any]:
    """The environment and the preset of a command line.

    Args:
        algorithm: the name of the recipe.
        env: an id; None for that of a preset's file, or else the default.
        name: of the preset, or the path of its file, of rl-zoo3 also with the name of an entry behind
            a colon; None for the preset for the environment.

    Returns:
        The id and the preset.
    """
    from nappo2.recipes import preset, preset_for
    from nappo2.trained.presets import read_preset

    if name is not None and name.endswith(".json"):
        base = read_preset(name, algorithm)
        return env or base.env, base
    env = env or Train.env
    if name is not None and is_zoo_file(name):
        return env, zoo_preset(algorithm, env, name)
    return env, preset(algorithm, name) if name else preset_for(algorithm, env)


def description_of(path: Path, env: str | None = None) -> dict[str, Any]:
    """Reads the settings of a run whose log_dir, or a checkpoint in it, is at ``path``.

    The run goes on in this log_dir, wherever it was begun, and in ``env`` if that is not None.

    Raises:
        ValueError: if there is no such run, or only its file names a module to import.
    """
    from nappo2.show.runs import read_description, seeds_in
    from nappo2.trained.environments import check_id

    log_dir = path if path.is_dir() else path.parent.parent
    if seeds := seeds_in(log_dir):
        raise ValueError(f"{path} has the runs of {len(seeds)} seeds; name one, such as {seeds[0]}")
    if not (log_dir / "run.json").exists():
        raise ValueError(f"there is no run to resume at {path}: it has no run.json")
    description = read_description(log_dir / "run.json")
    if env is None:
        check_id(description)
    missing = [name for name in ("algorithm", "env", "config") if name not in description]
    if missing:
        raise ValueError(f"{log_dir}/run.json does not say the {', '.join(missing)} of its run")
    given = {} if env is None else {"env": env, "environment": None}
    return description | given | {"log_dir": str(log_dir)}


def _with_description(default: Train, description: Mapping, keep_preset: bool) -> Train:
    """Options with the values of a run.json; with ``keep_preset``, those of the preset stay."""
    from nappo2.trained.configs import settings

    names = {field.name for field in fields(Train)} - {"config", "resume"}
    names -= {"total_steps", "num_envs", "preset"} if keep_preset else set()
    values = settings(Train, {name: description[name] for name in names & set(description)})
    if keep_preset:
        return replace(default, **values)
    config = replace(default.config, **settings(type(default.config), description["config"]))
    return replace(default, config=config, **values)


def option_in(argv: list[str], name: str) -> str | None:
    """The value of an option, read before the others, whose defaults depend on it."""
    for word, next_word in pairwise([*argv, None]):
        if word == name:
            return next_word
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def check_used(argv: list[str], options: Train) -> None:
    """Refuses options on a command line that would change nothing.

    Raises:
        ValueError: if there is one; says which other option it needs.
    """
    from nappo2.schemes.words import check_taken

    words = [word.partition("=")[0] for word in argv if word.startswith("--")]
    names = {word.removeprefix("--").replace("-", "_") for word in words}
    cuts = [
        name for name in ("collectors", "learners", "ahead", "wait_for", "preempt") if name in names
    ]
    check_taken(options.scheme, cuts)
    check_worker_options(names, options)
    if options.record_timing and options.scheme == "3cs":
        raise ValueError("--record-timing is of workers, and the scheme 3cs has none")
    if "evaluation_episodes" in names and not options.evaluate_every:
        raise ValueError("--evaluation-episodes is of evaluations; it needs --evaluate-every")

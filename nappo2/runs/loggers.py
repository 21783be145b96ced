"""Loggers: where the rows of a run go besides metrics.csv.

A logger is anything with ``log(row)``, where a row is a dictionary of numbers and texts, by env steps.
One that has ``file(path, env_steps)`` gets the learning curve and videos too. A ``LoggerMaker`` makes one
when the run begins, and is given the run's settings; what it makes is closed with the run, by
``close()``. Each logger is called in a thread of its own: see ``Background``.

A number that comes after its row, such as the last evaluation, is a row of its own, which has
``env_steps`` of that row and the new columns alone.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from nappo2.checks import checked, installs, is_installed, shown, suggestion
from nappo2.runs.metrics import Row

__all__ = [
    "Logger",
    "LoggerMaker",
    "Run",
    "Service",
    "mlflow",
    "tensorboard",
    "trackio",
    "wandb",
]

PROJECT = "nappo2"


@runtime_checkable
class Logger(Protocol):
    """Anything that takes rows of metrics."""

    def log(self, row: Row) -> Any:
        """Takes a row: numbers and texts by name, ``env_steps`` among them."""


class Run(NamedTuple):
    """What a logger is told of a run when it begins.

    Attributes:
        name: of its log_dir; None without one.
        log_dir: the folder of the run's files; None without one.
        settings: the run card, as in run.json, and the hyper-parameters.
    """

    name: str | None
    log_dir: Path | None
    settings: Mapping[str, Any]


class LoggerMaker(NamedTuple):
    """Makes a logger when a run begins.

    Attributes:
        name: in warnings.
        make: ``run -> logger``.
        needs_log_dir: whether it can do nothing without a log_dir.
    """

    name: str
    make: Callable[[Run], Logger]
    needs_log_dir: bool = False


class Service(NamedTuple):
    """A logger made of functions.

    Attributes:
        log: takes a row.
        file: takes the path of a PNG or MP4, and the env steps that it belongs to.
        close: ends it.
    """

    log: Callable[[Row], Any]
    file: Callable[[Path, int], Any]
    close: Callable[[], Any]


@checked
def tensorboard(folder: str | Path | None = None) -> LoggerMaker:
    """Writes event files; videos become GIFs of at most 100 frames.

    ``folder`` None is the folder tensorboard in the log_dir of the run.

    Raises:
        ImportError: without tensorboard; says how to install it.
    """
    _check_installed("tensorboard")

    def make(run: Run) -> Service:
        from torchrl.record.loggers.tensorboard import TensorboardLogger  # 0.7 s, so only here

        from nappo2.runs.event_files import add_picture

        path = Path(folder or run.log_dir / "tensorboard")
        writer = TensorboardLogger(path.name, log_dir=str(path.parent)).experiment
        writer.add_text("settings", f"```\n{json.dumps(run.settings, indent=2)}\n```")

        def log(row):
            for name, value in row.items():
                add = writer.add_text if isinstance(value, str) else writer.add_scalar
                add(name, value, row["env_steps"])
            writer.flush()

        return Service(log, lambda *file: add_picture(writer, *file), writer.close)

    return LoggerMaker("tensorboard", make, needs_log_dir=folder is None)


@checked
def wandb(project: str = PROJECT, **options: Any) -> LoggerMaker:
    """Logs to Weights & Biases, or without a network to files in the log_dir of the run.

    Args:
        project: in which the run is.
        **options: of ``wandb.init``, such as ``mode="offline"``, ``entity``, ``name``, ``group``.

    Returns:
        The logger, for ``Learner(loggers=[...])``.

    Raises:
        ImportError: without wandb; says how to install it.
    """
    _check_installed("wandb")

    def make(run: Run) -> Service:
        import wandb
        from torchrl.record.loggers.wandb import WandbLogger

        given = {"reinit": "create_new", "config": dict(run.settings), "save_dir": run.log_dir}
        given |= {"exp_name": options.get("name", run.name), "log_env_packages": False}
        given |= {key: x for key, x in options.items() if key != "name"}
        experiment = WandbLogger(project=project, **given).experiment
        experiment.define_metric("*", step_metric="env_steps")

        def file(path, env_steps):
            picture = (
                wandb.Image(path) if path.suffix == ".png" else wandb.Video(path, format="mp4")
            )
            experiment.log({"env_steps": env_steps, key_of(path): picture})

        return Service(experiment.log, file, experiment.finish)

    return LoggerMaker("wandb", make)


@checked
def mlflow(experiment: str = PROJECT, tracking_uri: str | None = None, **tags: str) -> LoggerMaker:
    """Logs to MLflow; texts of rows become tags of the run, such as ``event.2048``.

    Args:
        experiment: in which the run is.
        tracking_uri: of the server or database; None is that of the environment, or
            ``sqlite:///mlflow.db``.
        **tags: of the run.

    Returns:
        The logger, for ``Learner(loggers=[...])``.

    Raises:
        ImportError: without mlflow; says how to install it.
    """
    _check_installed("mlflow")

    def make(run: Run) -> Service:
        import mlflow
        from torchrl.record.loggers.mlflow import MLFlowLogger

        board = MLFlowLogger(experiment, tracking_uri or mlflow.get_tracking_uri())
        mlflow.set_tags(({"mlflow.runName": run.name} if run.name else {}) | tags)
        mlflow.log_params({name: str(x)[:MLFLOW_TEXT] for name, x in flat(run.settings)})

        def log(row):
            step, texts = row["env_steps"], {k: x for k, x in row.items() if isinstance(x, str)}
            board.log_metrics({k: x for k, x in row.items() if k not in texts}, step=step)
            mlflow.set_tags({f"{name}.{step}": text for name, text in texts.items()})

        return Service(log, lambda path, _: mlflow.log_artifact(path), mlflow.end_run)

    return LoggerMaker("mlflow", make)


MLFLOW_TEXT = 6_000  # characters of a param


@checked
def trackio(project: str = PROJECT, **options: Any) -> LoggerMaker:
    """Logs to Trackio: by default to a database on this machine, in ``TRACKIO_DIR``.

    Args:
        project: in which the run is.
        **options: of ``trackio.init``, such as ``name``, ``group``, ``space_id``.

    Returns:
        The logger, for ``Learner(loggers=[...])``.

    Raises:
        ImportError: without trackio; says how to install it.
    """
    _check_installed("trackio")

    def make(run: Run) -> Service:
        import trackio
        from torchrl.record.loggers.trackio import TrackioLogger

        given = {"resume": "never", "embed": False, "config": dict(run.settings)}
        given |= {"exp_name": options.get("name", run.name)}
        given |= {key: x for key, x in options.items() if key != "name"}
        experiment = TrackioLogger(project=project, **given).experiment

        def log(row):
            experiment.log(row, step=row["env_steps"])

        def file(path, env_steps):
            picture = trackio.Image(path) if path.suffix == ".png" else trackio.Video(path)
            experiment.log({"env_steps": env_steps, key_of(path): picture}, step=env_steps)

        return Service(log, file, experiment.finish)

    return LoggerMaker("trackio", make)


def flat(settings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of nested mappings, by names such as ``config.gamma``."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{name}.")
        else:
            yield path + name, value


BY_NAME = {maker.__name__: maker for maker in (tensorboard, wandb, mlflow, trackio)}


def makers(loggers: Sequence[Any], log_dir: Path | None) -> list[LoggerMaker]:
    """The makers of loggers that are given by name, as makers, or as they are.

    Raises:
        ValueError: if one is none of these, or needs a log_dir and there is none.
        ImportError: if a package is missing; says how to install it.
    """
    found = [_maker(logger, f"loggers[{i}]") for i, logger in enumerate(loggers)]
    for maker in found:
        if maker.needs_log_dir and log_dir is None:
            raise ValueError(f"{maker.name} needs a log_dir to write to")
    return found


def _maker(logger: Any, argument: str) -> LoggerMaker:
    if isinstance(logger, LoggerMaker):
        return logger
    if isinstance(logger, str):
        if logger not in BY_NAME:
            raise ValueError(
                f"no logger is called {logger!r}; there is {suggestion(logger, BY_NAME)}"
            )
        return BY_NAME[logger]()
    if not isinstance(logger, Logger) or isinstance(logger, type):
        raise ValueError(
            f"{argument} has log(row), or is one of {', '.join(BY_NAME)}, not {shown(logger)}"
        )
    return LoggerMaker(type(logger).__name__, lambda run: Borrowed(logger))


class Borrowed:
    """A logger that somebody else closes."""

    def __init__(self, logger: Logger):
        self.log = logger.log
        if hasattr(logger, "file"):
            self.file = logger.file


def key_of(path: Path) -> str:
    """The name of a picture: that of its folder for one of several, such as ``videos``."""
    return path.parent.name if path.suffix == ".mp4" else path.stem


def _check_installed(name: str) -> None:
    """Refuses a logger whose package is missing.

    Raises:
        ImportError: says how to install it.
    """
    if not is_installed(name):
        raise ImportError(f"the logger {name} needs {name}: {installs(name)}")

"""Loggers: where the rows of a run go besides metrics.csv.

A logger is anything with ``log(row)``, where a row is a dictionary of numbers and texts, by env steps.
One that has ``file(path, env_steps)`` gets the learning curve and videos too, and one that has
``spans(spans)`` when stages took the steps of a row. A ``LoggerMaker`` makes one
when the run begins, and is given the run's settings; what it makes is closed with the run, by
``close()``. Each logger is called in a thread of its own: see ``Background``.

A number that comes after its row, such as the last evaluation, is a row of its own, which has
``env_steps`` of that row and the new columns alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nappo2.checks import shown, suggestion
from nappo2.runs.loggers._mlflow import mlflow
from nappo2.runs.loggers._tensorboard import tensorboard
from nappo2.runs.loggers._trace import trace
from nappo2.runs.loggers._trackio import trackio
from nappo2.runs.loggers._wandb import wandb
from nappo2.runs.loggers.logger import Logger, LoggerMaker, Run, Service

__all__ = [
    "Logger",
    "LoggerMaker",
    "Run",
    "Service",
    "mlflow",
    "tensorboard",
    "trace",
    "trackio",
    "wandb",
]

BY_NAME = {maker.__name__: maker for maker in (tensorboard, wandb, mlflow, trackio, trace)}


def makers(loggers: Sequence[Any], log_dir: Path | None) -> list[LoggerMaker]:
    """The makers of loggers that are given by name, as makers, or as they are.

    Raises:
        ValueError: if one is none of these, or needs a log_dir and there is none.
        ImportError: if a package is missing; says how to install it.
    """
    given = [_maker(logger, f"loggers[{i}]") for i, logger in enumerate(loggers)]
    for maker in given:
        if maker.needs_log_dir and log_dir is None:
            raise ValueError(f"{maker.name} needs a log_dir to write to")
    return given


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

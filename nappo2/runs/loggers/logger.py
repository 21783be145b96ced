"""What a logger is, what makes one, and what it is told of its run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from nappo2.checks import installs, is_installed
from nappo2.runs.metrics import Row

PROJECT = "nappo2"
"""The project or experiment in which runs are that name none."""


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


def key_of(path: Path) -> str:
    """The name of a picture: that of its folder for one of several, such as ``videos``."""
    return path.parent.name if path.suffix == ".mp4" else path.stem


def check_installed(name: str) -> None:
    """Refuses a logger whose package is missing.

    Raises:
        ImportError: says how to install it.
    """
    if not is_installed(name):
        raise ImportError(f"the logger {name} needs {name}: {installs(name)}")

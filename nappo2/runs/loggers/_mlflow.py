"""MLflow."""

from collections.abc import Iterator, Mapping
from typing import Any

from nappo2.checks import checked
from nappo2.runs.loggers.logger import PROJECT, LoggerMaker, Run, Service, check_installed
from nappo2.runs.metrics import position

MAX_TEXT = 6_000  # characters of a param


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
    check_installed("mlflow")

    def make(run: Run) -> Service:
        import mlflow
        from torchrl.record.loggers.mlflow import MLFlowLogger

        board = MLFlowLogger(experiment, tracking_uri or mlflow.get_tracking_uri())
        mlflow.set_tags(({"mlflow.runName": run.name} if run.name else {}) | tags)
        mlflow.log_params({name: str(x)[:MAX_TEXT] for name, x in flat(run.settings)})

        def log(row):
            step, texts = position(row), {k: x for k, x in row.items() if isinstance(x, str)}
            board.log_metrics({k: x for k, x in row.items() if k not in texts}, step=step)
            mlflow.set_tags({f"{name}.{step}": text for name, text in texts.items()})

        return Service(log, lambda path, _: mlflow.log_artifact(path), mlflow.end_run)

    return LoggerMaker("mlflow", make)


def flat(settings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of nested mappings, by names such as ``config.gamma``."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{name}.")
        else:
            yield path + name, value

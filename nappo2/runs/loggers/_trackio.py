"""Trackio."""

from typing import Any

from nappo2.checks import checked
from nappo2.runs.loggers.logger import PROJECT, LoggerMaker, Run, Service, check_installed, key_of
from nappo2.runs.metrics import position


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
    check_installed("trackio")

    def make(run: Run) -> Service:
        import trackio
        from torchrl.record.loggers.trackio import TrackioLogger

        given = {"resume": "never", "embed": False, "config": dict(run.settings)}
        given |= {"exp_name": options.get("name", run.name)}
        given |= {key: x for key, x in options.items() if key != "name"}
        experiment = TrackioLogger(project=project, **given).experiment

        def log(row):
            experiment.log(row, step=position(row))

        def file(path, env_steps):
            picture = trackio.Image(path) if path.suffix == ".png" else trackio.Video(path)
            experiment.log({"env_steps": env_steps, key_of(path): picture}, step=env_steps)

        return Service(log, file, experiment.finish)

    return LoggerMaker("trackio", make)

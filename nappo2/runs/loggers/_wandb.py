"""Weights & Biases."""

from typing import Any

from nappo2.checks import checked
from nappo2.runs.loggers.logger import PROJECT, LoggerMaker, Run, Service, check_installed, key_of


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
    check_installed("wandb")

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

"""Work on params beside a run: evaluations and films, in one process of their own.

``beside(evaluate)`` is a value for ``Learner(evaluate=...)``. The process is given copies of params, and
its results come to later rows. A run waits for it at the end of a loop alone, and then for so many
seconds at most; numbers of training are the same with and without it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.params import Params
from nappo2.runs.evaluate import Evaluation, as_evaluation
from nappo2.schemes.picklable import MEGABYTE, check_picklable

__all__ = ["Beside", "Job", "Place", "beside"]

MAX_MEGABYTES = 100  # of the functions


class Place(NamedTuple):
    """Where a run is when work on its params is due.

    Attributes:
        env_steps: at which the params were taken.
        log_dir: the folder of the run; None without one.
    """

    env_steps: int
    log_dir: Path | None


class Job(NamedTuple):
    """Work on params that is due every so often.

    Attributes:
        run: ``(params, place) -> result``: an ``Evaluation``, the path of a file, or None.
        every: env steps; None is ``evaluate_every`` of the Learner.
    """

    run: Callable[[Params, Place], Any]
    every: int | None = None


class Beside(NamedTuple):
    """Jobs for a process of their own.

    Attributes:
        pickled: the functions of the jobs.
        every: of each job.
        seconds: that the jobs which are due at once may take.
        wait: seconds, at the end of a loop.
    """

    pickled: bytes
    every: tuple[int | None, ...]
    seconds: float
    wait: float

    def __repr__(self):
        jobs = "1 job" if len(self.every) == 1 else f"{len(self.every)} jobs"
        return f"{jobs} beside a run, {len(self.pickled) / 1000:.0f} kB"


@checked
def beside(
    *jobs: Callable[[Params], Evaluation] | Job, seconds: float = 600.0, wait: float = 60.0
) -> Beside:
    """Evaluates params, or films them, in a process of its own, while the run goes on.

    ``Learner(evaluate=beside(test))`` takes the same function ``test`` as ``Learner(evaluate=test)``.
    Its result comes to a later row, with ``evaluation_env_steps``, at which the params were taken.
    While one evaluation is under way, of those that become due only the last is kept. A process that
    dies, or takes too long, is warned of, and another one started for the next evaluation.

    Functions and environments are pickled here, as they are now, and made again in the process, as
    those of workers on Ray are.

    Args:
        *jobs: functions ``params -> Evaluation``, due every ``evaluate_every`` env steps; and jobs, as
            ``videos`` makes them.
        seconds: that jobs which are due at once may take before the process is ended.
        wait: at the end of a loop, for what is under way.

    Returns:
        A value for ``Learner(evaluate=...)``.

    Raises:
        ValueError: if there is no job, or one cannot be pickled; names what is to blame.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> def test(params):
        ...     return evaluate(envs.cartpole(2), recipe.greedy, params, num_episodes=2)
        >>> beside(test, seconds=60.0)
        1 job beside a run, ... kB
    """
    import cloudpickle

    if not jobs:
        raise ValueError("beside(...) has no job, such as partial(evaluate, env, recipe.greedy)")
    each = [job if isinstance(job, Job) else evaluation_job(job) for job in jobs]
    limit = MAX_MEGABYTES * MEGABYTE
    pickled = check_picklable([job.run for job in each], "jobs", cloudpickle.dumps, limit)
    return Beside(pickled, tuple(job.every for job in each), seconds, wait)


def evaluation_job(evaluate: Callable[[Params], Evaluation]) -> Job:
    """The job of evaluating params every ``evaluate_every`` env steps."""
    return Job(lambda params, place: as_evaluation(evaluate(params)))

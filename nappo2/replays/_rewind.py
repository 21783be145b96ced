"""``rewind`` and ``fork``: a recorded run at any of its updates, and another run that begins there."""

import warnings
from pathlib import Path

from nappo2.checks import checked
from nappo2.replays.source import Run, Source, source_of
from nappo2.runs.learner import Learner
from nappo2.schemes import serial
from nappo2.schemes.backend import Backend
from nappo2.schemes.obeying import OtherRun, obeying
from nappo2.schemes.observed import digest
from nappo2.stages.recipe import Recipe


@checked
def rewind(run: Run, updates: int | None = None, *, recipe: Recipe | None = None) -> Learner:
    """A recorded run as it was after so many updates, in this process: ``rewind("runs/pole", updates=500)``.

    It is taken again from the nearest checkpoint before, or from the first params, with the timing that
    was recorded. Each item that a worker delivered is compared by seven bits, and params by 32 after each
    128 steps, at checkpoints and at the end. Further steps follow the record to its end.

    Args:
        run: the folder of a run with ``on=record_timing(...)``, or its Learner.
        updates: number of updates; of a step that makes several, the first that reaches it. None for
            the end.
        recipe: that it trains; None if it is one of nappo2's with an environment that is known here.

    Returns:
        A Learner without a log_dir; its workers are in this process, so that a debugger reaches them.

    Raises:
        FileNotFoundError: if the run was not recorded.
        ValueError: if it has fewer updates, or its recipe has to be given; and, as ``OtherRun``, where it
            differs from what was recorded.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> pipe = scheme("da2cs", recipe, collectors=2, on=record_timing(serial))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> learner = Learner(pipe, recipe.init(0), target_steps=96, log_dir=folder, progress=False)
        >>> learner.run().close()
        >>> past = rewind(folder, updates=20)
        >>> int(past.params["version"])
        20
    """
    source = source_of(run, recipe)
    return rewound(source, step_at(source, updates))


@checked
def fork(
    run: Run,
    updates: int | None = None,
    *,
    on: Backend = serial,
    log_dir: str | Path | None = None,
    recipe: Recipe | None = None,
    **hyper: float,
) -> Learner:
    """Another run, which begins where a recorded one was: ``fork("runs/pole", 500, learning_rate=1e-4)``.

    Calls that were under way are dropped, and not counted.

    Args:
        run: as for ``rewind``.
        updates: likewise.
        on: where its workers are.
        log_dir: folder for its files; None writes nothing.
        recipe: as for ``rewind``.
        **hyper: hyper-parameters that are changed.

    Returns:
        A Learner, which goes on to the target of the run.

    Raises:
        FileNotFoundError: as ``rewind`` does.
        ValueError: likewise; or if there is no such hyper-parameter.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> pipe = scheme("da2cs", recipe, collectors=2, on=record_timing(serial))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> learner = Learner(pipe, recipe.init(0), target_steps=96, log_dir=folder, progress=False)
        >>> learner.run().close()
        >>> other = fork(folder, updates=20)
        >>> other.set(learning_rate=1e-5)
        >>> other.run().env_steps
        96
    """
    source = source_of(run, recipe)
    learner = rewound(source, step_at(source, updates), log_dir)
    if hyper:
        learner.set(**hyper)
    return learner.adopt(source.pipeline(on))


def step_at(source: Source, updates: int | None) -> int:
    """The number of steps of a Learner after which there were so many updates.

    Raises:
        ValueError: if there were never so many.
    """
    steps = source.record.steps
    if updates is None:
        return len(steps)
    if updates <= 0:
        return 0
    reached = next((i for i, step in enumerate(steps, 1) if step.version >= updates), None)
    if reached is None:
        most = steps[-1].version if steps else 0
        after = ", and what came after them was not recorded" if source.record.broken else ""
        raise ValueError(f"the record of {source.log_dir} has {most} updates, not {updates}{after}")
    return reached


def rewound(source: Source, num_steps: int, log_dir: str | Path | None = None) -> Learner:
    """A run after so many steps of its Learner, from the nearest checkpoint before.

    Args:
        source: the recorded run.
        num_steps: steps to take.
        log_dir: folder for files; None writes nothing.

    Returns:
        The Learner.

    Raises:
        OtherRun: where it differs from what was recorded.
    """
    checkpoints = source.checkpoints()
    first = max((n for n in checkpoints if n <= num_steps), default=0)
    steps = source.record.steps
    notes = [note for step in steps[first:] for note in step.notes]
    learner = Learner(
        source.pipeline(obeying(notes)),
        source.params,
        source.record.seed,
        source.settings.get("total_steps", 1),
        log_dir,
        progress=False,
        threads=source.settings.get("threads", 1),
    )
    if first:
        learner.resume(checkpoints[first])
    for i in range(first, num_steps):
        take_again(learner, source, i)
    if num_steps == len(steps) and source.record.broken:
        warnings.warn(
            f"the run of {source.log_dir} went on after {num_steps} steps, by an interrupt or a change "
            "that is not in its record",
            stacklevel=3,
        )
    return learner


def take_again(learner: Learner, source: Source, i: int) -> None:
    """Takes a step of a recorded run again.

    Args:
        learner: before the step.
        source: the recorded run.
        i: which step.

    Raises:
        OtherRun: if it leads to other params than were recorded; the Learner is closed then.
    """
    step = source.record.steps[i]
    if step.set:
        learner.set(**step.set)
    learner.step()
    if step.digest is not None and digest(learner.params) != step.digest:
        learner.close()
        raise OtherRun(
            f"step {i} of {source.log_dir} leads to other params than were recorded: the recipe, "
            "the first params or a stage is another"
        )

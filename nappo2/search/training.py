"""The training of a job: a population where its runs differ in hyper-parameters alone, else by turns."""

import shutil
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import torch

from nappo2.machine.stop import Interrupted
from nappo2.machine.threads import torch_threads
from nappo2.params import Params, non_finite
from nappo2.pipeline import Pipeline
from nappo2.populations import Population, member
from nappo2.runs.evaluate import evaluate
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme
from nappo2.search.jobs import Job, Rung
from nappo2.search.joining import pipeline_of, recipe_of, together
from nappo2.seeds import fold_in
from nappo2.stages import Recipe

Make = Callable[..., Recipe | Pipeline]
"""``(**values) -> recipe``, or what ``scheme`` makes of one."""


class Runs(NamedTuple):
    """The runs of a job.

    Attributes:
        learners: that are advanced by turns.
        members: runs in each learner.
        params: ``(trial, seed) -> params`` of one of them, both counted from 0.
    """

    learners: tuple[Learner, ...]
    members: int
    params: Callable[[int, int], Params]


def train(make: Make, job: Job, interrupted: Callable[[], bool]) -> Generator[Rung, bool, None]:
    """Trains the runs of a job to its next rung, evaluates them there, and waits for whether to go on.

    Args:
        make: makes the recipe of a trial.
        job: what to train; goes on from the checkpoints in its folder.
        interrupted: whether to save, and to stop.

    Returns:
        A generator of rungs.

    Raises:
        ValueError: if several trials differ in more than hyper-parameters.
        Interrupted: if it was interrupted; all is saved.
    """
    lines = [pipeline_of(make(**values)) for values in job.values]
    recipe = recipe_of(lines[0])
    runs = begun(lines, job)
    try:
        for env_steps in job.budget.steps[job.rungs :]:
            for learner in runs.learners:
                advance(learner, env_steps * runs.members, interrupted)
            with torch_threads(1):
                rung = evaluated(recipe, runs, job, env_steps)
            if not (yield rung):
                break
        finish(runs)
    except Interrupted:
        for learner in runs.learners:
            learner.save()
        raise
    finally:
        for learner in runs.learners:
            learner.close()


def begun(lines: Sequence[Pipeline], job: Job) -> Runs:
    """The runs of a job, begun or gone on with.

    Raises:
        ValueError: if several trials differ in more than hyper-parameters.
    """
    many = together(lines, job.budget.seeds)
    if many is not None:
        learner = _learner(scheme("3cs", many), many, job, "population", job.seed)
        n = job.budget.seeds
        return Runs((learner,), many.num_members, lambda i, s: member(learner.params, i * n + s))
    if len(lines) > 1:
        raise ValueError("trials train together only where they differ in params['hyper'] alone")
    learners = tuple(
        _learner(lines[0], recipe_of(lines[0]), job, f"seed-{s}", fold_in(job.seed, s))
        for s in range(job.budget.seeds)
    )
    return Runs(learners, 1, lambda i, s: learners[s].params)


def _learner(
    pipeline: Pipeline, recipe: Recipe | Population, job: Job, name: str, seed: int
) -> Learner:
    """A Learner whose parameters, and random numbers, are those of ``seed``."""
    num, folder = getattr(recipe, "num_members", 1), job.folder / name
    saved = any((folder / "checkpoints").glob("steps-*.npz"))
    if not saved:
        shutil.rmtree(folder, ignore_errors=True)
    learner = Learner(
        pipeline,
        recipe.init(seed),
        seed,
        job.budget.total_steps * num,
        folder,
        checkpoint_every=max(1, job.budget.steps[0] * num),
        progress=False,
        settings={"trials": list(job.numbers)},
    )
    if saved:
        learner.resume(folder)
    return learner


def advance(learner: Learner, env_steps: int, interrupted: Callable[[], bool]) -> None:
    """Steps a learner until it has so many env steps.

    Args:
        learner: to be stepped.
        env_steps: which it is to have.
        interrupted: whether to stop before.

    Raises:
        Interrupted: if it is interrupted before.
    """
    while learner.env_steps < env_steps:
        if interrupted():
            raise Interrupted({})
        learner.step()


def evaluated(recipe: Recipe, runs: Runs, job: Job, env_steps: int) -> Rung:
    """Evaluates all runs with their most probable actions, in the same episodes.

    Args:
        recipe: of a run.
        runs: of the job.
        job: of which they are.
        env_steps: of each run.

    Returns:
        The mean returns, and why others have none.
    """
    scores, failed = {}, {}
    for i, number in enumerate(job.numbers):
        try:
            means = [_mean_return(recipe, runs.params(i, s), job) for s in range(job.budget.seeds)]
        except Interrupted:
            raise
        except Exception as error:
            failed[number] = f"{type(error).__name__}: {error}"
        else:
            scores[number] = tuple(means)
    return Rung(env_steps, scores, failed)


def _mean_return(recipe: Recipe, params: Params, job: Job) -> float:
    name = non_finite(params)
    if name is not None:
        raise ValueError(f"{name} is not finite")
    played = evaluate(recipe.env, recipe.greedy, params, job.budget.episodes, job.evaluation_seed)
    score = float(played.returns.mean())
    if not torch.tensor(score).isfinite():
        raise ValueError("the returns of an evaluation are not finite")
    return score


def finish(runs: Runs) -> None:
    """Leaves the params of runs, without the checkpoints that nobody goes on from."""
    for learner in runs.learners:
        learner.save_model()
        learner.files.checkpoints.finish()
        shutil.rmtree(learner.log_dir / "checkpoints", ignore_errors=True)

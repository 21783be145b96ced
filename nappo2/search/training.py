"""The training of a job: a population where its runs differ in hyper-parameters alone, else by turns."""

import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, NamedTuple

import torch

from nappo2.machine.stop import Interrupted
from nappo2.machine.threads import torch_threads
from nappo2.params import Params, non_finite
from nappo2.pipeline import Pipeline
from nappo2.populations import Population, member, population
from nappo2.runs.evaluate import evaluate
from nappo2.runs.learner import Learner
from nappo2.saving.calls import replaced_fields
from nappo2.schemes import scheme
from nappo2.search.jobs import Job, Rung
from nappo2.seeds import fold_in
from nappo2.stages import Recipe

FEWEST = 4  # members of a population that pays: two alone take as long as two in one, eight half

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

    Yields:
        Each rung.

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


def pipeline_of(made: Any) -> Pipeline:
    """The pipeline of what a ``make`` returned.

    Raises:
        ValueError: if it is neither a recipe nor what ``scheme`` made of one.
    """
    if isinstance(made, Recipe):
        return scheme("3cs", made)
    call = made.made if isinstance(made, Pipeline) else None
    if call is not None and isinstance(call.arguments.get("recipe"), Recipe):
        return made
    raise ValueError(
        f"make returns a recipe, or what scheme(...) makes of one; not {type(made).__name__}"
    )


def recipe_of(pipeline: Pipeline) -> Recipe:
    """The recipe of a pipeline that ``scheme`` made."""
    return pipeline.made.arguments["recipe"]


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


def together(lines: Sequence[Pipeline], seeds: int) -> Population | None:
    """The population of all seeds of several trials; None where they cannot be one.

    They can where one process trains them in environments in torch, and the recipes are equal but for
    ``params["hyper"]``. Fewer than four runs are as fast by turns.
    """
    recipes = [recipe_of(line) for line in lines]
    one_process = all(line.made.arguments["name"] == "3cs" for line in lines)
    num = len(lines) * seeds
    if num < FEWEST or not one_process or recipes[0].env.many is None or not alike(recipes):
        return None
    hyper = torch.stack([torch.stack([*_hyper(r).values()]) for r in recipes])  # [trials, names]
    columns = zip(_hyper(recipes[0]), hyper.repeat_interleave(seeds, 0).T, strict=True)
    differing = {name: x.tolist() for name, x in columns if (x != x[0]).any()}
    try:
        return population(recipes[0], num, **differing)
    except ValueError:  # of this recipe there are none
        return None


def _hyper(recipe: Recipe) -> dict[str, torch.Tensor]:
    return recipe.init(0)["hyper"].to_dict()


def alike(recipes: Sequence[Recipe]) -> bool:
    """Tests whether recipes are equal but for the hyper-parameters in ``params["hyper"]``."""
    names = [*_hyper(recipes[0])]
    same = all([*_hyper(recipe)] == names for recipe in recipes)
    first = rest(recipes[0], names)
    return same and all(rest(recipe, names) == first for recipe in recipes[1:])


def rest(recipe: Recipe, hyper: Sequence[str]) -> list[Any]:
    """All that a recipe was made of, but for hyper-parameters, to be compared."""
    if recipe.made is None:
        return [id(recipe)]
    arguments = dict(recipe.made.arguments)
    config, env = arguments.pop("config", None), arguments.pop("env", None)
    values = asdict(config) if is_dataclass(config) else {"config": config}
    made = getattr(env, "made", None)
    return [
        recipe.made.function,
        {name: x for name, x in values.items() if name not in hyper},
        (made.function, made.arguments, replaced_fields(env)) if made else id(env),
        {name: _identity(x) for name, x in arguments.items()},
        {name: _identity(getattr(recipe, name)) for name in replaced_fields(recipe)},
    ]


def _identity(piece: Any) -> Any:
    """Numbers, texts and functions themselves; of another piece, which object it is."""
    plain = isinstance(piece, (str, int, float, bool, type(None))) or hasattr(piece, "__code__")
    return piece if plain else id(piece)


def advance(learner: Learner, env_steps: int, interrupted: Callable[[], bool]) -> None:
    """Steps a learner until it has so many env steps.

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

"""Nappo's seven training schemes, as cuts of one pipeline.

    3cs      collect                            | gradients                           | update
    3ds      collect                            | gradients | all_reduce              | update | workers(n)
    2dacs    collect                            | gradients | workers(n)              | update
    2daca    collect                            | gradients | workers(n, wait_for=1)  | update
    da2cs    collect | workers(n, wait_for=1)   | gradients                           | update
    dadacs   collect | workers(n, wait_for=1)   | gradients | workers(m)              | update
    dadaca   collect | workers(n, wait_for=1)   | gradients | workers(m, wait_for=1)  | update

The letters are the operations in the order collection, gradients, update: c for central, d for
distributed over workers; s for synchronous, a for asynchronous; a digit n says that the next n
operations share the pair and one process. What is left of a cut runs on its workers.

Where no cut stands between them, ``gradients | update`` is one fused stage, ``learn``: PPO's da2cs is
``collect | collectors | to_device | gae | all_minibatches | learn``.
"""

import warnings
from collections.abc import Iterable

from nappo2.checks import checked, suggestion
from nappo2.pipeline import Pipeline, positive
from nappo2.populations import Population
from nappo2.saving.calls import remembering
from nappo2.schemes._workers import workers
from nappo2.schemes.backend import Backend, serial
from nappo2.schemes.reduction import all_reduce
from nappo2.stages.compatibility import SCHEMES, check_compatible
from nappo2.stages.recipe import (
    Recipe,
    batches_of,
    collect_of,
    gradients_of,
    learn_of,
    update_of,
)


@checked
def central(recipe: Recipe | Population) -> Pipeline:
    """3cs: all in one process, one after the other, as PPO and SAC were published."""
    _check("3cs", recipe)
    return recipe.central


@checked
def decentralised_update(
    recipe: Recipe, learners: int, *, on: Backend = serial, wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:  # fmt: skip
    """3ds: replicas of everything, which average their gradients (DD-PPO, https://arxiv.org/abs/1911.00357).

    Args:
        recipe: such as ``ppo(env)``.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial``, or ``on_ray()``.
        wait_for: number of learners that a step waits for; None for all.
        preempt: share of a rollout with which the others stop then; None if all finish.

    Returns:
        A pipeline of params.
    """
    _check("3ds", recipe)
    replica = _learner(collect_of(recipe), recipe, learners) | all_reduce() | update_of(recipe)
    return replica | workers(learners, wait_for, preempt=preempt, on=on, name="learners")


@checked
def synchronous_gradients(
    recipe: Recipe, learners: int, *, on: Backend = serial, wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:  # fmt: skip
    """2dacs: gradients of all workers make an update (A2C; a synchronous parameter server).

    Args:
        recipe: such as ``ppo(env)``.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial``, or ``on_ray()``.
        wait_for: number of learners that a step waits for; None for all.
        preempt: share of a rollout with which the others stop then; None if all finish.

    Returns:
        A pipeline of params.
    """
    _check("2dacs", recipe)
    cut = workers(learners, wait_for, preempt=preempt, on=on, name="learners")
    return _learner(collect_of(recipe), recipe, learners) | cut | update_of(recipe)


@checked
def asynchronous_gradients(recipe: Recipe, learners: int, *, on: Backend = serial) -> Pipeline:
    """2daca: the gradient of any worker makes an update (A3C, https://arxiv.org/abs/1602.01783).

    Args:
        recipe: such as ``ppo(env)``.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial``, or ``on_ray()``.

    Returns:
        A pipeline of params.
    """
    _check("2daca", recipe)
    cut = workers(learners, 1, on=on, name="learners")
    return _learner(collect_of(recipe), recipe, learners) | cut | update_of(recipe)


@checked
def asynchronous_collection(
    recipe: Recipe, collectors: int, *, on: Backend = serial, ahead: int = 0
) -> Pipeline:
    """da2cs: a central learner takes rollouts as they arrive (IMPALA, https://arxiv.org/abs/1802.01561).

    A step hands the newest params to each collector without a call, waits for the first rollout, and
    learns from it; the others still collect with older params. With ``ahead=0`` the collector whose
    rollout was taken idles while the learner learns. Of K updates per rollout and c collectors, data are
    between K (c - 1) and K c - 1 updates old.

    Args:
        recipe: such as ``ppo(env)``.
        collectors: number of workers that collect.
        on: where the workers are: ``serial``, or ``on_ray()``.
        ahead: how many rollouts a collector may begin before its last one was taken.

    Returns:
        A pipeline of params.
    """
    _check("da2cs", recipe)
    return _collected(recipe, collectors, on, ahead) | recipe.prepare | learn_of(recipe)


@checked
def asynchronous_collection_synchronous_gradients(
    recipe: Recipe, collectors: int, learners: int, *, on: Backend = serial, ahead: int = 0
) -> Pipeline:
    """dadacs: learners with collectors of their own, whose gradients make an update together (Rapid).

    Args:
        recipe: such as ``ppo(env)``.
        collectors: number of workers that collect in all, shared evenly by the learners.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial``, or ``on_ray()``.
        ahead: how many rollouts a collector may begin before its last one was taken.

    Returns:
        A pipeline of params.
    """
    each = shared(collectors, learners)
    _check("dadacs", recipe)
    line = _learner(_collected(recipe, each, on, ahead), recipe, learners)
    return line | workers(learners, on=on, name="learners") | update_of(recipe)


@checked
def asynchronous_collection_and_gradients(
    recipe: Recipe, collectors: int, learners: int, *, on: Backend = serial, ahead: int = 0
) -> Pipeline:
    """dadaca: learners with collectors of their own, each of whose gradients makes an update (Gorila).

    Args:
        recipe: such as ``ppo(env)``.
        collectors: number of workers that collect in all, shared evenly by the learners.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial``, or ``on_ray()``.
        ahead: how many rollouts a collector may begin before its last one was taken.

    Returns:
        A pipeline of params.
    """
    each = shared(collectors, learners)
    _check("dadaca", recipe)
    line = _learner(_collected(recipe, each, on, ahead), recipe, learners)
    return line | workers(learners, 1, on=on, name="learners") | update_of(recipe)


def _check(name: str, recipe: Recipe | Population) -> None:
    check_compatible(recipe.name, recipe.compatible, scheme=name)


def _learner(source: Pipeline, recipe: Recipe, num: int) -> Pipeline:
    """Rollouts to gradients, of one of ``num`` learners."""
    return source | recipe.prepare | batches_of(recipe, num) | gradients_of(recipe)


def _collected(recipe: Recipe, collectors: int, on: Backend, ahead: int) -> Pipeline:
    return collect_of(recipe) | workers(collectors, 1, ahead, on=on, name="collectors")


def shared(collectors: int, learners: int) -> int:
    """Number of collectors of each learner, at least one; warns if they cannot be shared evenly."""
    positive(collectors=collectors, learners=learners)
    each = max(1, collectors // learners)
    if each * learners != collectors:
        warnings.warn(
            f"{collectors} collectors cannot be shared evenly by {learners} learners; each has {each}, "
            f"so there are {each * learners}",
            stacklevel=4,
        )
    return each


TAKES = {
    "3cs": (),
    "3ds": ("learners", "on", "wait_for", "preempt"),
    "2dacs": ("learners", "on", "wait_for", "preempt"),
    "2daca": ("learners", "on"),
    "da2cs": ("collectors", "on", "ahead"),
    "dadacs": ("collectors", "learners", "on", "ahead"),
    "dadaca": ("collectors", "learners", "on", "ahead"),
}
"""The arguments of each scheme."""


def check_taken(name: str, arguments: Iterable[str]) -> None:
    """Refuses arguments that would change nothing.

    Raises:
        ValueError: if there is no such scheme; for an argument that it does not take.
    """
    if name not in TAKES:
        raise ValueError(f"no scheme is called {name!r}; there are {suggestion(name, SCHEMES)}")
    for argument in arguments:
        if argument not in TAKES[name]:
            known = ", ".join(TAKES[name])
            remedy = (
                f"it takes {known}" if known else "it runs in one process, and takes none of these"
            )
            raise ValueError(f"the scheme {name} takes no {argument}; {remedy}")


@remembering
@checked
def scheme(
    name: str,
    recipe: Recipe | Population,
    *,
    collectors: int | None = None,
    learners: int | None = None,
    on: Backend = serial,
    ahead: int = 0,
    wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:
    """Builds the training scheme of a recipe by its name.

    Args:
        name: one of the seven, such as "da2cs".
        recipe: such as ``ppo(env)``.
        collectors: how many there are in all, 2 by default, where collection has a cut of its
            own; learners share them evenly.
        learners: how many compute gradients, 2 by default, where these are distributed.
        on: where the workers are: ``serial``, or ``on_ray()``.
        ahead: how many rollouts a collector may begin before its last one was taken.
        wait_for: in 3ds and 2dacs: of how many learners a step waits for.
        preempt: in 3ds and 2dacs: the share of a rollout with which the others stop then.

    Returns:
        A pipeline of params.

    Raises:
        ValueError: if there is no such scheme, it does not go with the recipe, or an argument is
            given that it does not take.
    """
    defaults = {"on": serial, "ahead": 0}
    options = {"collectors": collectors, "learners": learners, "on": on, "ahead": ahead}
    options |= {"wait_for": wait_for, "preempt": preempt}
    options = {key: x for key, x in options.items() if x is not None and x != defaults.get(key)}
    check_taken(name, options)
    counts = [key for key in ("collectors", "learners") if key in TAKES[name]]
    options = dict.fromkeys(counts, 2) | options
    _check(name, recipe)
    make = {
        "3cs": central,
        "3ds": decentralised_update,
        "2dacs": synchronous_gradients,
        "2daca": asynchronous_gradients,
        "da2cs": asynchronous_collection,
        "dadacs": asynchronous_collection_synchronous_gradients,
        "dadaca": asynchronous_collection_and_gradients,
    }[name]
    return make(recipe, **options)

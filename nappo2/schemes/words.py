"""Training schemes by their words, as cuts of one pipeline.

    3cs      collect                            | gradients                           | update
    3ds      collect                            | gradients | all_reduce              | update | workers(n)
    2dacs    collect                            | gradients | workers(n)              | update
    2daca    collect                            | gradients | workers(n, wait_for=1)  | update
    ds2cs    collect | workers(n)               | gradients                           | update
    da2cs    collect | workers(n, wait_for=1)   | gradients                           | update
    ds2ds    collect | workers(n)               | gradients | all_reduce              | update | workers(m)
    da2ds    collect | workers(n, wait_for=1)   | gradients | all_reduce              | update | workers(m)
    dsdacs   collect | workers(n)               | gradients | workers(m)              | update
    dadacs   collect | workers(n, wait_for=1)   | gradients | workers(m)              | update
    dsdaca   collect | workers(n)               | gradients | workers(m, wait_for=1)  | update
    dadaca   collect | workers(n, wait_for=1)   | gradients | workers(m, wait_for=1)  | update

Replicas of ``3ds``, ``ds2ds`` and ``da2ds`` take ``all_updates`` of a rollout in a step of the cut. What is
left of a cut runs on its workers. ``grammar`` says what the letters mean, and why there are no
other words. Where no cut stands between them, ``gradients | update`` is one fused stage, ``learn``:
PPO's da2cs is ``collect | collectors | to_device | gae | all_minibatches | learn``.
"""

import warnings
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nappo2.checks import checked
from nappo2.pipeline import Between, Pipeline, Transform, is_recorded, positive
from nappo2.populations import Population
from nappo2.saving.calls import remembering
from nappo2.schemes._workers import workers
from nappo2.schemes.backend import Backend, serial
from nappo2.schemes.grammar import Wait, Word, parse
from nappo2.schemes.membership import bounds_of
from nappo2.schemes.reduction import all_reduce, all_updates
from nappo2.stages.compatibility import SCHEMES, check_compatible
from nappo2.stages.recipe import (
    Recipe,
    batches_of,
    collect_of,
    gradients_of,
    learn_of,
    update_of,
)

TAKES = {name: parse(name).arguments for name in SCHEMES}
"""The arguments of each scheme."""


class Cuts(NamedTuple):
    """The arguments of a scheme; see ``scheme``."""

    collectors: int | Between = 2
    learners: int | Between = 2
    on: Backend | Mapping[str, Backend] = serial
    ahead: int = 0
    wait_for: int | None = None
    preempt: float | None = None

    def on_of(self, name: str) -> Backend:
        """Where the workers of a cut are: of several backends, that of its name, or ``serial``."""
        return self.on.get(name, serial) if isinstance(self.on, Mapping) else self.on


def check_taken(name: str, arguments: Iterable[str]) -> None:
    """Refuses arguments that would change nothing.

    Raises:
        ValueError: if there is no such scheme; for an argument that it does not take.
    """
    taken = parse(name).arguments
    for argument in arguments:
        if argument not in taken:
            known = ", ".join(taken)
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
    collectors: int | Between | None = None,
    learners: int | Between | None = None,
    on: Backend | Mapping[str, Backend] = serial,
    ahead: int = 0,
    wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:
    """Builds the training scheme of a recipe by its word.

    Args:
        name: a word, such as "da2cs".
        recipe: such as ``ppo(env)``.
        collectors: how many there are in all, 2 by default, where collection has a cut of its
            own; learners share them evenly.
        learners: how many compute gradients, 2 by default, where these are distributed. Where there is
            one cut, both may be ``between(2, 16)``, which is also written "2..16": workers join when
            there is room for them, and leave when there is none.
        on: where the workers are: ``serial`` or ``on_ray()``, or one of the words "serial" and "ray";
            or one for each cut, ``{"collectors": on_ray(), "learners": on_ray(num_gpus=1)}``.
        ahead: where any collector's rollout makes a step: how many rollouts a collector may begin
            before its last one was taken.
        wait_for: where there is one cut: of how many workers a step waits for.
        preempt: where there is one cut, and it waits for all: the share of a rollout with which those
            that a step does not wait for stop.

    Returns:
        A pipeline of params.

    Raises:
        ValueError: if there is no such scheme, it does not go with the recipe, or an argument is
            given that it does not take.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> pipe = scheme("da2cs", recipe, collectors=2)        # on=on_ray() for processes
        >>> Learner(pipe, recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    given = {"collectors": collectors, "learners": learners, "on": on, "ahead": ahead}
    given |= {"wait_for": wait_for, "preempt": preempt}
    defaults = {"on": serial, "ahead": 0}
    given = {key: x for key, x in given.items() if x is not None and x != defaults.get(key)}
    check_taken(name, given)
    return line_of(name, recipe, Cuts(**given))


def line_of(name: str, recipe: Recipe | Population, cuts: Cuts) -> Pipeline:
    """The pipeline of a recipe, cut as a word says.

    Args:
        name: a word, such as "da2cs".
        recipe: such as ``ppo(env)``.
        cuts: the arguments of the scheme.

    Returns:
        A pipeline of params.
    """
    word = parse(name)
    cuts = cuts._replace(on=checked_backends(word, cuts.on))
    check_compatible(recipe.name, recipe.compatible, scheme=name)
    check_source(word, recipe)
    if isinstance(recipe, Population) or not word.arguments:
        return recipe.central
    source = collect_of(recipe)
    if word.collectors:
        source = source | _collectors(word, cuts)
    if not word.learners:
        return source | recipe.prepare | learn_of(recipe)
    _, most = bounds_of(cuts.learners)
    line = source | recipe.prepare | batches_of(recipe, most) | gradients_of(recipe)
    if word.replicas:
        replica = line | all_reduce() | update_of(recipe) | all_updates()
        return replica | _learners(word, cuts)
    return line | _learners(word, cuts) | update_of(recipe)


def checked_backends(
    word: Word, on: Backend | Mapping[str, Backend]
) -> Backend | Mapping[str, Backend]:
    """One backend as it is; of several, each by the name of a cut.

    Raises:
        ValueError: if the word has no such cut, or a value is no backend.
    """
    if not isinstance(on, Mapping):
        return on
    cuts = [name for name in ("collectors", "learners") if name in word.arguments]
    if wrong := [name for name in on if name not in cuts]:
        raise ValueError(
            f"on has a backend for {wrong[0]!r}, and the cuts of {word.name} are {', '.join(cuts)}"
        )
    return {name: backend_of(name, value) for name, value in on.items()}


@checked
def backend_of(name: str, on: Backend) -> Backend:
    """The backend of a cut, also by its word."""
    return on


def check_source(word: Word, recipe: Recipe | Population) -> None:
    """Refuses a scheme that distributes the collection of a recipe that does not collect.

    Raises:
        ValueError: names the schemes that fit.
    """
    source = None if isinstance(recipe, Population) else recipe.source
    if word.collectors and source is not None and is_recorded(source):
        fitting = ", ".join(name for name in SCHEMES if not parse(name).collectors)
        raise ValueError(
            f"{word.name} distributes collection, and recorded data are not collected; fitting schemes: "
            f"{fitting}"
        )


def _collectors(word: Word, cuts: Cuts) -> Transform:
    on = cuts.on_of("collectors")
    if word.learners:
        for count in (cuts.collectors, cuts.learners):
            check_stays(word.name, count)
        each = shared(cuts.collectors, cuts.learners)
        return workers(each, _first(word.collectors), cuts.ahead, on=on, name="collectors")
    _check_collectors(word, cuts)
    wait_for = _first(word.collectors) if cuts.wait_for is None else cuts.wait_for
    return workers(cuts.collectors, wait_for, cuts.ahead, cuts.preempt, on, "collectors")


def check_stays(name: str, count: int | Between) -> None:
    """Refuses a number of workers that may change, in a word of two cuts.

    Raises:
        ValueError: says which words take it.
    """
    if isinstance(count, Between):
        raise ValueError(
            f"{name} has two cuts, whose numbers of workers stay: {count} is for words of one cut, such "
            "as da2cs and 2daca"
        )


def _learners(word: Word, cuts: Cuts) -> Transform:
    wait_for = _first(word.learners) if cuts.wait_for is None else cuts.wait_for
    on = cuts.on_of("learners")
    return workers(cuts.learners, wait_for, preempt=cuts.preempt, on=on, name="learners")


def _first(wait: Wait | None) -> int | None:
    return 1 if wait == "one" else None


def _check_collectors(word: Word, cuts: Cuts) -> None:
    _, most = bounds_of(cuts.collectors)
    some = cuts.wait_for is not None and cuts.wait_for < most
    if word.collectors == "all" and some and cuts.preempt is None:
        raise ValueError(
            f"{word.name} learns from the rollouts of all collectors: with wait_for={cuts.wait_for} of "
            f"{cuts.collectors} the others need preempt=0.5 to stop early; da2cs leaves them to the "
            "next step"
        )


def shared(collectors: int, learners: int) -> int:
    """Number of collectors of each learner, at least one; warns if they cannot be shared evenly."""
    positive(collectors=collectors, learners=learners)
    each = max(1, collectors // learners)
    if each * learners != collectors:
        warnings.warn(
            f"{collectors} collectors cannot be shared evenly by {learners} learners; each has {each}, "
            f"so there are {each * learners}",
            stacklevel=6,
        )
    return each

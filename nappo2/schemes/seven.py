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
"""

import warnings
from collections.abc import Iterable

from nappo2.checks import checked, suggestion
from nappo2.pipeline import Pipeline, positive
from nappo2.schemes.backend import Backend, serial
from nappo2.schemes.fit import check
from nappo2.schemes.reduction import all_reduce
from nappo2.schemes.stages import Stages
from nappo2.schemes.workers import workers


@checked
def central(stages: Stages) -> Pipeline:
    """3cs: all in one process, one after the other, as PPO and SAC were published."""
    stages = _fitting(stages, "3cs")
    return stages.collect | stages.prepare | stages.learn


@checked
def decentralised_update(
    stages: Stages, learners: int, *, on: Backend = serial, wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:  # fmt: skip
    """3ds: replicas of everything, which average their gradients (DD-PPO, https://arxiv.org/abs/1911.00357)."""
    stages = _fitting(stages, "3ds", learners)
    replica = _gradients(stages) | all_reduce | stages.update
    return replica | workers(learners, wait_for, preempt=preempt, on=on, name="learners")


@checked
def synchronous_gradients(
    stages: Stages, learners: int, *, on: Backend = serial, wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:  # fmt: skip
    """2dacs: gradients of all workers make an update (A2C; a synchronous parameter server)."""
    stages = _fitting(stages, "2dacs", learners)
    cut = workers(learners, wait_for, preempt=preempt, on=on, name="learners")
    return _gradients(stages) | cut | stages.update


@checked
def asynchronous_gradients(stages: Stages, learners: int, *, on: Backend = serial) -> Pipeline:
    """2daca: the gradient of any worker makes an update (A3C, https://arxiv.org/abs/1602.01783)."""
    stages = _fitting(stages, "2daca", learners)
    cut = workers(learners, 1, on=on, name="learners")
    return _gradients(stages) | cut | stages.update


@checked
def asynchronous_collection(
    stages: Stages, collectors: int, *, on: Backend = serial, ahead: int = 0
) -> Pipeline:
    """da2cs: a central learner of whichever rollout comes first (IMPALA, https://arxiv.org/abs/1802.01561)."""
    stages = _fitting(stages, "da2cs")
    return _collected(stages, collectors, on, ahead) | stages.prepare | stages.learn


@checked
def asynchronous_collection_synchronous_gradients(
    stages: Stages, collectors: int, learners: int, *, on: Backend = serial, ahead: int = 0
) -> Pipeline:
    """dadacs: learners with collectors of their own, whose gradients make an update together (Rapid)."""
    each, stages = shared(collectors, learners), _fitting(stages, "dadacs", learners)
    line = _collected(stages, each, on, ahead) | stages.prepare | stages.batches | stages.gradients
    return line | workers(learners, on=on, name="learners") | stages.update


@checked
def asynchronous_collection_and_gradients(
    stages: Stages, collectors: int, learners: int, *, on: Backend = serial, ahead: int = 0
) -> Pipeline:
    """dadaca: learners with collectors of their own, each of whose gradients makes an update (Gorila)."""
    each, stages = shared(collectors, learners), _fitting(stages, "dadaca", learners)
    line = _collected(stages, each, on, ahead) | stages.prepare | stages.batches | stages.gradients
    return line | workers(learners, 1, on=on, name="learners") | stages.update


def _fitting(stages: Stages, name: str, num: int = 1) -> Stages:
    """The stages of one of so many workers, if this scheme goes with them."""
    check(stages.name, stages.fit, scheme=name)
    return stages._replace(batches=stages.share(num)) if stages.share and num > 1 else stages


def _gradients(stages: Stages) -> Pipeline:
    return stages.collect | stages.prepare | stages.batches | stages.gradients


def _collected(stages: Stages, collectors: int, on: Backend, ahead: int) -> Pipeline:
    return stages.collect | workers(collectors, 1, ahead, on=on, name="collectors")


def shared(collectors: int, learners: int) -> int:
    """How many collectors each learner has, of so many in all: at least one."""
    positive(collectors=collectors, learners=learners)
    each = max(1, collectors // learners)
    if each * learners != collectors:
        warnings.warn(
            f"{collectors} collectors cannot be shared evenly by {learners} learners; each has {each}, "
            f"so there are {each * learners}",
            stacklevel=4,
        )
    return each


NAMES = ("3cs", "3ds", "2dacs", "2daca", "da2cs", "dadacs", "dadaca")
"""The seven schemes."""


TAKES = {
    "3cs": (),
    "3ds": ("learners", "on", "wait_for", "preempt"),
    "2dacs": ("learners", "on", "wait_for", "preempt"),
    "2daca": ("learners", "on"),
    "da2cs": ("collectors", "on", "ahead"),
    "dadacs": ("collectors", "learners", "on", "ahead"),
    "dadaca": ("collectors", "learners", "on", "ahead"),
}
"""Which arguments mean something, by scheme."""


def check_taken(name: str, given: Iterable[str]) -> None:
    """Refuses arguments that would change nothing.

    Raises:
        ValueError: if there is no such scheme; for an argument that it does not take.
    """
    if name not in TAKES:
        raise ValueError(f"no scheme is called {name!r}; there are {suggestion(name, NAMES)}")
    for argument in given:
        if argument not in TAKES[name]:
            taken = ", ".join(TAKES[name])
            what = (
                f"it takes {taken}" if taken else "it runs in one process, and takes none of these"
            )
            raise ValueError(f"the scheme {name} takes no {argument}; {what}")


@checked
def scheme(
    name: str,
    stages: Stages,
    *,
    collectors: int | None = None,
    learners: int | None = None,
    on: Backend = serial,
    ahead: int = 0,
    wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:
    """The named scheme of a recipe's stages.

    Args:
        name: one of the seven.
        stages: what a recipe, such as ``ppo(env)``, makes.
        collectors: how many there are in all, 2 by default, where collection has a cut of its
            own; learners share them evenly.
        learners: how many compute gradients, 2 by default, where these are distributed.
        on: where the workers are: ``serial``, or ``on_ray()``.
        ahead: how many rollouts a collector may begin before its last one was taken.
        wait_for: in 3ds and 2dacs: of how many learners a step waits for.
        preempt: in 3ds and 2dacs: the share of a rollout with which the others stop then.

    Raises:
        ValueError: if there is no such scheme, it does not go with the recipe, or an argument is
            given that it does not take.
    """
    defaults = {"on": serial, "ahead": 0}
    given = {"collectors": collectors, "learners": learners, "on": on, "ahead": ahead}
    given |= {"wait_for": wait_for, "preempt": preempt}
    given = {key: x for key, x in given.items() if x is not None and x != defaults.get(key)}
    check_taken(name, given)
    given |= {
        key: 2 for key in ("collectors", "learners") if key in TAKES[name] and key not in given
    }
    make = {
        "3cs": central,
        "3ds": decentralised_update,
        "2dacs": synchronous_gradients,
        "2daca": asynchronous_gradients,
        "da2cs": asynchronous_collection,
        "dadacs": asynchronous_collection_synchronous_gradients,
        "dadaca": asynchronous_collection_and_gradients,
    }[name]
    return make(stages, **given)

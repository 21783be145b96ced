"""The training schemes that have a name of their own in the literature, as functions of a recipe.

Each is ``scheme`` with its word, and with those arguments alone that it takes.
"""

from collections.abc import Mapping

from nappo2.checks import checked
from nappo2.pipeline import Between, Pipeline
from nappo2.populations import Population
from nappo2.schemes.backend import Backend, serial
from nappo2.schemes.words import Cuts, line_of
from nappo2.stages.recipe import Recipe


@checked
def central(recipe: Recipe | Population) -> Pipeline:
    """3cs: all in one process, one after the other, as PPO and SAC were published.

    Example:
        >>> from nappo2.schemes import central
        >>> recipe = a2c(envs.cartpole(2))
        >>> central(recipe)  # what scheme("3cs", recipe) is
        collect(num_steps=8) | to_device | gae(lambda_=1.0) | all_minibatches(...) | learn
    """
    return line_of("3cs", recipe, Cuts())


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
    return line_of(
        "3ds", recipe, Cuts(learners=learners, on=on, wait_for=wait_for, preempt=preempt)
    )


@checked
def synchronous_gradients(
    recipe: Recipe, learners: int | Between, *, on: Backend = serial, wait_for: int | None = None,
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

    Example:
        >>> from nappo2.schemes import synchronous_gradients
        >>> synchronous_gradients(a2c(envs.cartpole(2)), learners=3)
        collect(num_steps=8) | ... | gradients | learners(num_workers=3) | update
    """
    return line_of(
        "2dacs", recipe, Cuts(learners=learners, on=on, wait_for=wait_for, preempt=preempt)
    )


@checked
def asynchronous_gradients(
    recipe: Recipe, learners: int | Between, *, on: Backend = serial, wait_for: int = 1
) -> Pipeline:
    """2daca: the gradient of any worker makes an update (A3C, https://arxiv.org/abs/1602.01783).

    Args:
        recipe: such as ``ppo(env)``.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial``, or ``on_ray()``.
        wait_for: number of learners that a step waits for.

    Returns:
        A pipeline of params.
    """
    return line_of("2daca", recipe, Cuts(learners=learners, on=on, wait_for=wait_for))


@checked
def synchronous_collection(
    recipe: Recipe, collectors: int | Between, *, on: Backend = serial, wait_for: int | None = None,
    preempt: float | None = None,
) -> Pipeline:  # fmt: skip
    """ds2cs: a central learner takes the rollouts of all collectors (PAAC, https://arxiv.org/abs/1705.04862).

    Like the vectors of environments in processes of other libraries, but that a policy acts in each
    process: nothing travels within a rollout.

    Args:
        recipe: such as ``ppo(env)``.
        collectors: number of workers that collect.
        on: where the workers are: ``serial``, or ``on_ray()``.
        wait_for: number of collectors that a step waits for, with ``preempt``; None for all.
        preempt: share of a rollout with which the others stop then; None if all finish.

    Returns:
        A pipeline of params.
    """
    return line_of("ds2cs", recipe, Cuts(collectors, on=on, wait_for=wait_for, preempt=preempt))


@checked
def asynchronous_collection(
    recipe: Recipe,
    collectors: int | Between,
    *,
    on: Backend = serial,
    ahead: int = 0,
    wait_for: int = 1,
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
        wait_for: number of rollouts, each of another collector, that a step waits for and learns from.

    Returns:
        A pipeline of params.
    """
    return line_of("da2cs", recipe, Cuts(collectors, on=on, ahead=ahead, wait_for=wait_for))


@checked
def asynchronous_collection_synchronous_gradients(
    recipe: Recipe,
    collectors: int,
    learners: int,
    *,
    on: Backend | Mapping[str, Backend] = serial,
    ahead: int = 0,
) -> Pipeline:
    """dadacs: learners with collectors of their own, whose gradients make an update together (Rapid).

    Args:
        recipe: such as ``ppo(env)``.
        collectors: number of workers that collect in all, shared evenly by the learners.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial`` or ``on_ray()``, or one for each cut, by its name.
        ahead: how many rollouts a collector may begin before its last one was taken.

    Returns:
        A pipeline of params.
    """
    return line_of("dadacs", recipe, Cuts(collectors, learners, on, ahead))


@checked
def asynchronous_collection_and_gradients(
    recipe: Recipe,
    collectors: int,
    learners: int,
    *,
    on: Backend | Mapping[str, Backend] = serial,
    ahead: int = 0,
) -> Pipeline:
    """dadaca: learners with collectors of their own, each of whose gradients makes an update (Gorila).

    Args:
        recipe: such as ``ppo(env)``.
        collectors: number of workers that collect in all, shared evenly by the learners.
        learners: number of workers that compute gradients.
        on: where the workers are: ``serial`` or ``on_ray()``, or one for each cut, by its name.
        ahead: how many rollouts a collector may begin before its last one was taken.

    Returns:
        A pipeline of params.
    """
    return line_of("dadaca", recipe, Cuts(collectors, learners, on, ahead))

"""Transforms of rollouts, and what they may stand behind."""

from collections.abc import Callable

from tensordict import TensorDict

from nappo2.params import Params
from nappo2.pipeline import Pipeline, Transform, stateless


def map_rollouts(name: str, fn: Callable[[Params, TensorDict], TensorDict]) -> Transform:
    """``stateless``, of a stage that takes rollouts [T, B] of single steps; the bare transform.

    Raises:
        ValueError: if a stage that makes others of them stands left of it; in a step, if what
            comes is no rollout.
    """

    def transform(source):
        check_left(name, source)
        return stateless(checked)(source)

    def checked(params, item):
        check_rollout(name, item)
        return fn(params, item)

    return transform


def check_left(name: str, source: Pipeline) -> None:
    """Refuses what makes others of the steps of rollouts, left of the stage that is called ``name``.

    Raises:
        ValueError: names both.
    """
    for stage in source.stages:
        if stage.regroups:
            raise ValueError(
                f"{name} does not stand right of {stage.kind}: it takes the single steps of "
                f"rollouts [T, B], of which {stage.kind} makes others; use one of the two"
            )


def check_rollout(name: str, item: TensorDict) -> None:
    """Refuses what is no rollout [T, B].

    Raises:
        ValueError: says of what shape it is.
    """
    if len(item.batch_size) != 2:
        raise ValueError(
            f"{name} takes rollouts [T, B], so it stands left of replay and minibatches; what came "
            f"is {list(item.batch_size)}"
        )

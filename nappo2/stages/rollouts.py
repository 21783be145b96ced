"""Transforms of whole rollouts [T, B]: where they may stand in a pipeline, and on which device they are."""

from collections.abc import Callable

from tensordict import TensorDict

from nappo2.params import Params, beside_params
from nappo2.pipeline import Pipeline, Transform, described, stage, stateless
from nappo2.pipeline.tensor_functions import Part, unchanged
from nappo2.stages.recording.sampling import check_collected


@stage
def to_device() -> Transform:
    """Moves rollouts, which are collected on a CPU, to the device of the params that learn from them.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> from nappo2.stages import to_device
        >>> collect_of(recipe) | to_device()
        collect(num_steps=8) | to_device
    """
    return described(stateless(beside_params), part=lambda *_: Part(None, (), unchanged))


def map_rollouts(name: str, fn: Callable[[Params, TensorDict], TensorDict]) -> Transform:
    """Replaces each rollout [T, B] of single steps by ``fn(params, rollout)``.

    It is the bare transform of a stage called ``name``, which ``@stage`` or ``described`` complete.

    Raises:
        ValueError: if a stage that regroups steps stands left of it; in a step, if the item is no
            rollout.
    """

    def transform(source):
        check_left(name, source)
        return stateless(checked)(source)

    def checked(params, item):
        check_rollout(name, item)
        return fn(params, item)

    return transform


def check_left(name: str, source: Pipeline) -> None:
    """Refuses a source that regroups the steps of rollouts, or has none, left of the stage ``name``.

    Raises:
        ValueError: names both.
    """
    check_collected(name, source)
    for left in source.stages:
        if left.regroups:
            raise ValueError(
                f"{name} does not stand right of {left.kind}: it takes the single steps of "
                f"rollouts [T, B], of which {left.kind} makes others; use one of the two"
            )


def check_rollout(name: str, item: TensorDict) -> None:
    """Refuses an item that is no rollout [T, B], in the stage called ``name``.

    Raises:
        ValueError: names the item's shape.
    """
    if len(item.batch_size) != 2:
        raise ValueError(
            f"{name} takes rollouts [T, B], so it stands left of replay and minibatches; what came "
            f"is {list(item.batch_size)}"
        )

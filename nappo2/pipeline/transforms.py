"""The plainest transforms: of items one by one, and of steps that are taken as one."""

from collections.abc import Callable
from typing import Any

from tensordict import TensorDict

from nappo2.checks import checked, positive
from nappo2.params import Params
from nappo2.pipeline.making import stage
from nappo2.pipeline.types import Pipeline, Transform
from nappo2.reports import join


def is_empty(item: Any) -> bool:
    """Tests for an empty batch, as a replay yields while none is due.

    Stages hand it on as it is: there is no gradient of it, no update, and params stay.
    """
    return 0 in getattr(item, "batch_size", ())


@checked
def stateless(fn: Callable[[Params, TensorDict], TensorDict]) -> Transform:
    """Replaces every item by ``fn(params, item)``; the bare transform, for use within a stage.

    Empty batches pass as they are.
    """

    def transform(source):
        def step(params, state):
            state, item, report = source.step(params, state)
            return state, item if is_empty(item) else fn(params, item), report

        return Pipeline(source.init, step)

    return Transform(transform)


@stage
def _map_items(fn: Callable[[Params, TensorDict], TensorDict], name: str) -> Transform:
    return stateless(fn)


@checked
def map_items(fn: Callable[[Params, TensorDict], TensorDict], name: str | None = None) -> Transform:
    """Replaces every item by ``fn(params, item)``; the stage is called ``name``, or as ``fn`` is.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> def clipped(params, rollout):
        ...     reward = rollout["next", "reward"].clamp(-1, 1)
        ...     return rollout.copy().set(("next", "reward"), reward)
        >>> collect_of(recipe) | map_items(clipped)
        collect(num_steps=8) | clipped
    """
    return _map_items(fn, name=name or getattr(fn, "__name__", "map_items"))


@stage
def repeat(num_steps: int) -> Transform:
    """Takes ``num_steps`` steps as one, each with the params that the one before it yielded.

    Raises:
        ValueError: if ``num_steps`` is not at least 1.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> twice = scheme("3cs", recipe) | repeat(2)
        >>> state, params, report = twice.step(recipe.init(0), twice.init(recipe.init(0), 0))
        >>> int(report.sums["env_steps"])
        64
    """
    positive(num_steps=num_steps)

    def transform(source):
        def step(params, state):
            reports = []
            for _ in range(num_steps):
                state, item, report = source.step(params, state)
                params = params if is_empty(item) else item
                reports.append(report)
            return state, params, join(reports)

        return Pipeline(source.init, step)

    return Transform(transform)

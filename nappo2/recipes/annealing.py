"""Hyper-parameters of recipes that fall to 0 during a run."""

from collections.abc import Iterable
from typing import Any

from nappo2 import optim
from nappo2.envs import Env
from nappo2.pipeline import Transform, compose
from nappo2.stages import scheduled


def annealing(config: Any, names: Iterable[str], every: int) -> Transform:
    """Lets hyper-parameters fall to 0 along lines, as a recipe's ``after``.

    Args:
        config: with ``anneal_updates``, in which they fall, or 0; and with their first values.
        names: of the hyper-parameters.
        every: updates in which they are constant, such as those of a rollout.

    Returns:
        The transform, which does nothing if ``anneal_updates`` is 0.
    """
    if not config.anneal_updates:
        return compose()
    lines = {
        name: optim.linear(getattr(config, name), 0.0, config.anneal_updates) for name in names
    }
    return scheduled(every=every, **lines)


def falling_rate(config: Any, env: Env) -> Transform:
    """``annealing`` of the learning rate of an off-policy recipe, once per rollout.

    Args:
        config: with ``learning_rate``, ``anneal_updates``, ``num_steps`` and ``update_ratio``.
        env: where the collectors act.
    """
    updates = round(config.update_ratio * config.num_steps * env.num_envs)
    return annealing(config, ("learning_rate",), max(1, updates))

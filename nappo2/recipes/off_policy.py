"""What off-policy recipes share: replay between rollouts and updates, and targets behind these."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nappo2.checks import shown
from nappo2.envs import Env
from nappo2.networks import ActorCritics
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.recipes.fit import compatible_of
from nappo2.stages import Recipe, Target, all_due, to_device
from nappo2.stages import replay as uniform
from nappo2.stages.recipe import fitting

Replay = Callable[..., Transform]
"""``(capacity, batch_size, update_ratio=, start_steps=) -> transform``: ``stages.replay``, or
``partial(stages.prioritized_replay, priority=...)``."""


def off_policy(
    env: Env,
    config: Any,
    *,
    name: str,
    replay: Replay,
    noise: Transform = compose(),
    target_delay: int = 1,
    **pieces: Any,
) -> Recipe:
    """An off-policy recipe, whose config has the fields that are read here.

    Args:
        replay: what transitions are kept in.
        noise: of batches, that a loss needs.
        target_delay: updates per movement of the targets.
        **pieces: of the ``Recipe``, as they are.
    """
    c = config

    def batches(num):
        """Those of one of ``num`` workers, which share the totals evenly."""
        capacity, start_steps = -(-c.capacity // num), -(-c.start_steps // num)
        kept = replay(capacity, c.batch_size, update_ratio=c.update_ratio, start_steps=start_steps)
        return compose(kept, to_device(), noise)

    # a priority may read params, which move between batches
    made = Recipe(
        name=name,
        env=env,
        num_steps=c.num_steps,
        batches=batches,
        all_batches=compose(batches(1), all_due()) if replay is uniform else None,
        target=Target(c.target_step_size, target_delay),
        jit=c.jit,
        compatible=compatible_of(name),
        **pieces,
    )
    return fitting(made)


def critics_of(
    agent: ActorCritics, action_size: int | None, shape: tuple[int, ...]
) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[int, ...]]:
    """The critics of an agent as ``check_fit`` asks them.

    Args:
        agent: whose they are.
        action_size: A of the actions that they value; None if they value all that there are.
        shape: of each one's values for one observation.
    """
    actions = () if action_size is None else (torch.zeros(2, action_size),)

    def values(params, x):
        outputs = agent.critics(params["weights"]["critics"], x, *actions)
        if not isinstance(outputs, Tensor):
            raise ValueError(
                f"critics give a tensor [K, ...] of all their values, not {shown(outputs)}"
            )
        return outputs.unbind()

    return values, shape


def first_params(
    agent_init: Callable[[int], Any], config: Any, *targets: str
) -> Callable[[int], Params]:
    """``seed -> params`` with targets of these branches of the weights."""

    def init(seed):
        weights = agent_init(seed)
        hyper = {name: getattr(config, name) for name in ("learning_rate", "gamma")}
        return make_params(weights, target=weights.select(*targets), **hyper)

    return init

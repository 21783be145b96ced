"""What off-policy recipes share: replay between rollouts and updates, and targets behind these."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nappo2.algorithms.fit import check_storage, fit_of
from nappo2.algorithms.pieces import remade
from nappo2.envs import Env
from nappo2.losses import Loss
from nappo2.networks import ActorCritics
from nappo2.optim import GradientTransformation, apply_if_finite
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.policies import Policy
from nappo2.schemes import Stages
from nappo2.stages import collect, gradients, learn_batches, placed, polyak, update
from nappo2.stages import replay as uniform

Replay = Callable[..., Transform]
"""``(capacity, batch_size, update_ratio=, start_steps=) -> transform``: ``stages.replay``, or
``partial(stages.prioritized_replay, priority=...)``."""


@remade
def off_policy(
    env: Env,
    config: Any,
    *,
    name: str,
    init: Callable[[int], Params],
    policy: Policy,
    greedy: Policy,
    loss: Loss,
    optimizer: GradientTransformation,
    replay: Replay,
    noise: Transform = compose(),
    prepare: Transform = compose(),
    target_delay: int = 1,
) -> Stages:
    """The stages of an off-policy recipe, whose config has the fields that are read here.

    Args:
        replay: what transitions are kept in.
        noise: of batches, that a loss needs.
        prepare: of rollouts, before they are kept, such as ``hindsight(...)`` or ``n_step(...)``.
        target_delay: updates per movement of the targets.
    """
    c, optimizer = config, apply_if_finite(optimizer)

    def batches(num):
        """Those of one of ``num`` workers, which share the totals evenly."""
        capacity, start_steps = -(-c.capacity // num), -(-c.start_steps // num)
        kept = replay(capacity, c.batch_size, update_ratio=c.update_ratio, start_steps=start_steps)
        return compose(kept, placed(), noise)

    check_storage(name, batches(1))
    step_size, skip = c.target_step_size, target_delay - 1
    grads, updates = gradients(loss, c.jit), compose(update(optimizer), polyak(step_size, skip))
    # not if batches read params
    fused = learn_batches(loss, optimizer, step_size, c.jit, skip)
    return Stages(
        init=init,
        collect=collect(env, policy, c.num_steps),
        prepare=prepare,
        batches=batches(1),
        gradients=grads,
        update=updates,
        learn=compose(batches(1), fused if replay is uniform else compose(grads, updates)),
        policy=policy,
        greedy=greedy,
        name=name,
        fit=fit_of(name),
        share=batches,
    )


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
    return lambda params, x: tuple(agent.critics(params["weights"]["critics"], x, *actions)), shape


def first_params(
    agent_init: Callable[[int], Any], config: Any, *targets: str
) -> Callable[[int], Params]:
    """``seed -> params`` with targets of these branches of the weights."""

    def init(seed):
        weights = agent_init(seed)
        hyper = {name: getattr(config, name) for name in ("learning_rate", "gamma")}
        return make_params(weights, target=weights.select(*targets), **hyper)

    return init

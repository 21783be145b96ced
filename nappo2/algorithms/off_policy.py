"""What off-policy recipes share: replay between rollouts and updates, and targets behind these."""

from collections.abc import Callable
from typing import Any

from nappo2.envs import Env
from nappo2.losses import Loss
from nappo2.optim import GradientTransformation
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.policies import Policy
from nappo2.schemes import Stages
from nappo2.stages import collect, gradients, placed, polyak, replay, update


def off_policy(
    name: str,
    env: Env,
    config: Any,
    *,
    init: Callable[[int], Params],
    policy: Policy,
    greedy: Policy,
    loss: Loss,
    optimizer: GradientTransformation,
    noise: Transform = compose(),
    share: Callable[[int], Stages],
) -> Stages:
    """The stages of an off-policy recipe, whose config has the fields that are read here."""
    c = config
    batches = compose(
        replay(c.capacity, c.batch_size, c.update_ratio, c.start_steps), placed(), noise
    )
    updates = compose(update(optimizer), polyak(c.target_step_size))
    return Stages(
        init=init,
        collect=collect(env, policy, c.num_steps),
        prepare=compose(),
        batches=batches,
        gradients=gradients(loss),
        update=updates,
        learn=compose(batches, gradients(loss), updates),
        policy=policy,
        greedy=greedy,
        name=name,
        share=share,
    )


def first_params(
    agent_init: Callable[[int], Any], config: Any, *targets: str
) -> Callable[[int], Params]:
    """``seed -> params`` with targets of these branches of the weights."""

    def init(seed):
        weights = agent_init(seed)
        hyper = {name: getattr(config, name) for name in ("learning_rate", "gamma")}
        return make_params(weights, target=weights.select(*targets), **hyper)

    return init


def divided(config: Any, num: int) -> dict[str, int]:
    """What each of ``num`` workers has of the totals of a config."""
    return {
        "capacity": -(-config.capacity // num),
        "start_steps": -(-config.start_steps // num),
    }

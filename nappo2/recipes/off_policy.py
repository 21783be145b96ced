"""Off-policy recipes in general: a replay between rollouts and updates, and Polyak targets."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from nappo2 import optim
from nappo2.checks import shown
from nappo2.envs import Env
from nappo2.networks import ActorCritics, RecurrentActorCritics
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.stages import Recipe, Target, all_due, to_device
from nappo2.stages import replay as uniform
from nappo2.stages.recipe import fitting

Replay = Callable[..., Transform]
"""``(capacity, batch_size, update_ratio=, start_steps=) -> transform``, such as ``stages.replay`` or
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
    """An off-policy recipe.

    Args:
        env: where the collectors act.
        config: with ``num_steps``, ``capacity``, ``batch_size``, ``update_ratio``, ``start_steps``,
            ``jit`` and, unless there is another ``target``, ``target_step_size``.
        name: of the recipe.
        replay: makes the replay.
        noise: adds to batches the noise that a loss needs; nothing by default.
        target_delay: updates per step of the targets.
        **pieces: other fields of the ``Recipe``; ``target`` None without target networks.

    Returns:
        The recipe.

    Raises:
        ValueError: if ``replay`` is a stage already, or still takes a dataset.
    """
    check_makes_replay(replay)
    c = config
    if "target" not in pieces:
        pieces["target"] = Target(c.target_step_size, target_delay)

    def batches(num):
        """Batches of one of ``num`` workers, which share capacity and start_steps evenly."""
        capacity, start_steps = -(-c.capacity // num), -(-c.start_steps // num)
        ring = replay(capacity, c.batch_size, update_ratio=c.update_ratio, start_steps=start_steps)
        return compose(ring, to_device(), noise)

    # all batches at once need uniform replay: a priority may read params, which change between them
    made = Recipe(
        name=name,
        env=env,
        num_steps=c.num_steps,
        batches=batches,
        all_batches=compose(batches(1), all_due()) if replay is uniform else None,
        jit=c.jit,
        **pieces,
    )
    return fitting(made)


def check_makes_replay(replay: Replay) -> None:
    """Refuses what makes no replay of ``(capacity, batch_size, update_ratio=, start_steps=)``.

    Raises:
        ValueError: for a stage that was made already, and for a function that needs a dataset first.
    """
    if isinstance(replay, Transform):
        raise ValueError(
            f"replay is a function, which the recipe gives capacity and batch_size, such as "
            f"partial(replay_with, dataset); the stage {replay!r} is made already"
        )
    if next(iter(signature(replay).parameters), "") == "dataset":
        raise ValueError(
            "replay is called with capacity and batch_size, and this function takes a dataset before "
            "them: partial(replay_with, dataset) has it already"
        )


def critics_of(
    agent: ActorCritics, action_size: int | None, shape: tuple[int, ...]
) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[int, ...]]:
    """The critics of an agent in the form that ``check_fit`` takes.

    Args:
        agent: with K critics.
        action_size: A of continuous actions; None for critics of all discrete actions.
        shape: of a critic's values for one observation.

    Returns:
        ``(params, observation) -> K tensors`` [2, ...] for two observations, and ``shape``.

    Raises:
        ValueError: when called, if the critics return anything but a tensor.
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
    """First params with target networks.

    Args:
        agent_init: ``seed -> weights``.
        config: with ``learning_rate`` and ``gamma``, which become ``params["hyper"]``.
        *targets: branches of the weights that have targets.

    Returns:
        ``seed -> params``.
    """

    def init(seed):
        weights = agent_init(seed)
        hyper = {name: getattr(config, name) for name in ("learning_rate", "gamma")}
        return make_params(weights, target=weights.select(*targets), **hyper)

    return init


def delayed_adam(
    agent: ActorCritics | RecurrentActorCritics, delay: int, fixed: Sequence[str] = ()
) -> optim.GradientTransformation:
    """Adam, which moves all weights but those of the critics at every ``delay``-th update only.

    Args:
        agent: with a branch ``critics`` of weights.
        delay: updates of the critics per update of the rest.
        fixed: branches that no update moves.

    Returns:
        The transformation, whose state has a branch for each of the agent's.
    """
    weights, delayed = agent.init(0), optim.every(delay, optim.adam())
    rules = {name: optim.adam() if name == "critics" else delayed for name in weights.keys()}
    return optim.partition(weights, rules | dict.fromkeys(fixed, optim.set_to_zero()))

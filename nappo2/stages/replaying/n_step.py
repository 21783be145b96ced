"""n-step returns, for off-policy learning."""

from typing import NamedTuple

import torch
from tensordict import TensorDict

from nappo2.batch import valid
from nappo2.machine.stop import current_stop
from nappo2.params import Params
from nappo2.pipeline import Pipeline, Transform, described, positive, stage
from nappo2.reports import join
from nappo2.stages.rollouts import check_left, check_rollout, map_rollouts


@stage
def n_step(num: int) -> Transform:
    """Makes transitions of up to ``num`` steps (Sutton, 1988, https://doi.org/10.1007/BF00115009).

    In a rollout [T, B], ``next`` of step t becomes that of step ``t + steps - 1``, its ``reward`` the sum
    of ``gamma**i * reward[t + i]`` over these steps, and ``steps`` [T, B] float32 their number, which is
    smaller at the end of an episode or of the rollout. Losses discount the next value by
    ``gamma**steps``. Left of replay.

    Raises:
        ValueError: if ``num`` is not at least 1, or ``hindsight`` or ``windows`` stands left of
            it; in a step, if rollouts are shorter than ``num``.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=8, hidden=(8,)))
        >>> rollout = first(collect_of(recipe) | n_step(3), recipe.init(0)).item
        >>> rollout["next", "steps"].shape
        torch.Size([8, 4])
    """
    positive(num=num)

    def fn(params, rollout):
        if len(rollout) < num and valid(rollout) is None:  # one that was cut short has a mask
            raise ValueError(
                f"n_step({num}) sums {num} steps of one rollout, and these have {len(rollout)}; "
                f"collect with num_steps of at least {num}, or take rolling_n_step({num})"
            )
        return summed(params, rollout, num)

    return described(map_rollouts("n_step", fn), regroups=True)


class RollingState(NamedTuple):
    """The steps whose ``num`` steps are not complete yet."""

    waiting: TensorDict | None  # [less than num, B]; None at first

    def episodes_begun(self) -> "RollingState":
        """The state for environments that begin new episodes: without steps of those before."""
        return RollingState(None)


@stage
def rolling_n_step(num: int) -> Transform:
    """``n_step`` over the borders of rollouts, which may have any number of steps, such as 1.

    A transition is handed on with the rollout that completes its ``num`` steps; only the end of an
    episode makes them fewer. It stands right of ``collect`` and left of any cut, where the columns of
    a rollout are the same environments from step to step.

    Raises:
        ValueError: if ``num`` is not at least 1, or ``hindsight``, ``windows`` or a cut stands left of it.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=1, hidden=(8,)))
        >>> collect_of(recipe) | rolling_n_step(3) | replay(1_000, batch_size=32)
        collect(num_steps=1) | rolling_n_step(num=3) | replay(capacity=1000, batch_size=32, update_ratio=1.0)
    """
    positive(num=num)

    def transform(source):
        check_left("rolling_n_step", source)
        check_uncut("rolling_n_step", source)

        def init(params, seed):
            return source.init(params, seed) | {"rolling_n_step": RollingState(None)}

        def step(params, state):
            waiting, reports, ready = state["rolling_n_step"].waiting, [], 0
            while not ready:
                state, rollout, report = source.step(params, state)
                check_rollout("rolling_n_step", rollout)
                reports.append(report)
                waiting = rollout if waiting is None else joined(waiting, rollout)
                ready = max(0, len(waiting) - (num - 1))
                if not ready and current_stop().each_rollout:
                    state = state | {"rolling_n_step": RollingState(waiting)}
                    return state, TensorDict(batch_size=[0]), join(reports)
            item, rest = summed(params, waiting, num)[:ready], waiting[ready:].clone()
            return state | {"rolling_n_step": RollingState(rest)}, item, join(reports)

        return Pipeline(init, step)

    return described(transform, regroups=True)


def check_uncut(name: str, source: Pipeline) -> None:
    """Refuses a source that merges the rollouts of workers, left of the stage called ``name``.

    Raises:
        ValueError: names both.
    """
    for left in source.stages:
        if left.cut is not None:
            raise ValueError(
                f"{name} does not stand right of {left.name}, which merge the rollouts of several "
                f"environments; it is a piece of collectors: recipe.replace(rollouts={name}(...))"
            )


def joined(first: TensorDict, then: TensorDict) -> TensorDict:
    """Two rollouts [T, B] of the same environments as one; with a mask, if one of them has one."""
    if valid(first) is None and valid(then) is None:
        return torch.cat([first, then])
    return torch.cat([with_mask(first), with_mask(then)])


def with_mask(rollout: TensorDict) -> TensorDict:
    """The rollout [T, B] with a mask, in which all steps count if it had none."""
    if valid(rollout) is not None:
        return rollout
    return rollout.copy().update({"mask": torch.ones(rollout.batch_size, dtype=torch.bool)})


def summed(params: Params, rollout: TensorDict, num: int) -> TensorDict:
    """A copy of a rollout with transitions of up to ``num`` steps.

    Args:
        params: of which ``gamma`` is read.
        rollout: [T, B].
        num: of steps.

    Returns:
        The copy, [T, B], with other keys under ``next``.
    """
    following, gamma = rollout["next"], params["hyper", "gamma"].to("cpu")
    reward, going = following["reward"], ~following["done"]
    steps = torch.ones_like(reward)
    for i in range(1, min(num, len(rollout))):
        ahead = torch.zeros_like(reward)
        ahead[:-i] = following["reward"][i:]
        going[-i:] = False
        reward = reward + going * gamma**i * ahead
        steps = steps + going
        done = torch.ones_like(going)
        done[:-i] = following["done"][i:]
        going = going & ~done
    last = torch.arange(len(rollout))[:, None] + steps.long() - 1
    column = torch.arange(rollout.batch_size[1])
    summed_next = following[last, column].update({"reward": reward, "steps": steps})
    return rollout.copy().update({"next": summed_next})

"""Hindsight experience replay: transitions are repeated with goals that their episode achieved."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import valid_transitions
from nappo2.checks import checked
from nappo2.machine.stop import current_stop
from nappo2.pipeline import Pipeline, Transform, described, positive, stage
from nappo2.reports import join
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.rollouts import check_left, check_rollout

LONGEST = 100_000  # steps of an episode

Relabel = Callable[[int, torch.Generator], Tensor]
"""``(length, generator) -> [length, k] int64``: the steps whose achieved goals each step is given."""


@checked
def future(k: int = 4) -> Relabel:
    """Draws ``k`` goals for each step that were achieved at or after it (section 4.5 of the paper).

    Example:
        >>> from nappo2.stages import future
        >>> future(k=4)(6, generator(0)).shape
        torch.Size([6, 4])
    """
    positive(k=k)

    def relabel(length, rng):
        step = torch.arange(length)[:, None]
        share = torch.rand(length, k, generator=rng)
        return step + (share * (length - step)).long().clamp(max=length - 1 - step)

    return relabel


def final() -> Relabel:
    """Takes for each step the goal that was achieved at the end of the episode.

    Example:
        >>> from nappo2.stages import final
        >>> final()(6, generator(0))
        tensor([[5],
                [5],
                [5],
                [5],
                [5],
                [5]])
    """
    return lambda length, rng: torch.full((length, 1), length - 1)


@checked
def episode(k: int = 4) -> Relabel:
    """Draws ``k`` goals for each step that were achieved anywhere in the episode.

    Example:
        >>> from nappo2.stages import episode
        >>> episode(k=4)(6, generator(0)).shape
        torch.Size([6, 4])
    """
    positive(k=k)
    return lambda length, rng: torch.randint(length, (length, k), generator=rng)


class HindsightState(NamedTuple):
    """The episodes that have not ended yet."""

    unfinished: tuple[TensorDict, ...] | None  # of each environment, the episode so far, [t]
    seed: int

    def episodes_begun(self) -> "HindsightState":
        """The state for environments that begin new episodes: without unfinished ones."""
        return self._replace(unfinished=None)


@stage
def hindsight(
    reward: Callable[[Tensor, Tensor], Tensor],
    relabel: Relabel = future(4),
    terminated: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Transform:
    """Adds to each episode copies of its transitions with goals that it achieved.

    Hindsight experience replay (Andrychowicz et al., https://arxiv.org/abs/1707.01495). Rollouts [T, B]
    become transitions [N] of the episodes that ended. It stands right of ``collect`` and left of any
    cut, where the columns of a rollout are the same environments from step to step. Observations are
    dictionaries of ``observation``, ``achieved_goal`` and ``desired_goal``.

    Args:
        reward: ``(achieved, desired) -> reward`` [...] of goals [..., G].
        relabel: which goals replace the desired ones: ``future(k)``, ``final()`` or ``episode(k)``.
        terminated: ``(achieved, desired) -> bool`` [...], whether this ends an episode; None keeps
            ``terminated`` of the original transitions.

    Returns:
        A transform from rollouts to transitions.

    Raises:
        ValueError: if ``n_step`` or ``windows`` stands left of it; in a step, if observations have
            no goals, or episodes do not end.

    Example:
        >>> from nappo2.envs import bits_reward
        >>> from nappo2.stages import future
        >>> recipe = double_dqn(envs.bit_flipping(4, num_bits=5), DQN(num_steps=8, hidden=(8,)))
        >>> collect_of(recipe) | hindsight(bits_reward, relabel=future(4))
        collect(num_steps=8) | hindsight
    """

    def transform(source):
        check_left("hindsight", source)

        def init(params, seed):
            first = HindsightState(None, fold_in(seed, "hindsight"))
            return source.init(params, seed) | {"hindsight": first}

        def step(params, state):
            (unfinished, seed), reports, ended = state["hindsight"], [], []
            while not ended:
                state, rollout, report = source.step(params, state)
                check_rollout("hindsight", rollout)
                check_goals(rollout)
                reports.append(report)
                ended, unfinished = episodes(rollout, unfinished)
                if not ended:
                    check_lengths(unfinished)
                    if current_stop().each_rollout:
                        state = state | {"hindsight": HindsightState(unfinished, seed)}
                        return state, TensorDict(batch_size=[0]), join(reports)
            seed, key = split(seed)
            rng = generator(key)
            flat = torch.cat([relabelled(x, reward, relabel, terminated, rng) for x in ended])
            return state | {"hindsight": HindsightState(unfinished, seed)}, flat, join(reports)

        return Pipeline(init, step)

    return described(transform, regroups=True)


def check_goals(rollout: TensorDict) -> None:
    """Refuses observations that have no goals.

    Raises:
        ValueError: names the keys of a goal environment.
    """
    x = rollout["observation"]
    if isinstance(x, Tensor) or not {"achieved_goal", "desired_goal"} <= set(x.keys()):
        raise ValueError(
            "hindsight takes observations of {observation, achieved_goal, desired_goal}, as a "
            "goal environment has them"
        )


def check_lengths(unfinished: tuple[TensorDict, ...]) -> None:
    """Refuses to wait any longer for the end of an episode.

    Raises:
        ValueError: if an unfinished episode has 100,000 steps.
    """
    if (longest := max(map(len, unfinished))) >= LONGEST:
        raise ValueError(
            f"hindsight learns from whole episodes, and none ended in {longest:,} steps; a time "
            "limit truncates them"
        )


def episodes(
    rollout: TensorDict, unfinished: tuple[TensorDict, ...] | None
) -> tuple[list[TensorDict], tuple[TensorDict, ...]]:
    """The episodes [t] that ended in a rollout, and the unfinished episode of each environment."""
    ended, rests = [], []
    for b in range(rollout.batch_size[1]):
        column = valid_transitions(rollout[:, b])
        if unfinished is not None:
            column = torch.cat([unfinished[b], column])
        ends = (column["next", "done"].nonzero().flatten() + 1).tolist()
        lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        *complete, rest = column.split([*lengths, len(column) - sum(lengths)])
        ended += complete
        rests.append(rest.clone())
    return ended, tuple(rests)


def relabelled(
    episode: TensorDict,
    reward: Callable,
    relabel: Relabel,
    terminated: Callable | None,
    rng: torch.Generator,
) -> TensorDict:
    """The transitions of an episode, and behind them their copies with other goals.

    Args:
        episode: [t].
        reward: of achieved and desired goals.
        relabel: chooses the steps whose goals are taken.
        terminated: of achieved and desired goals, or None.
        rng: with which steps are chosen.

    Returns:
        Transitions [t + t * k].
    """
    chosen = relabel(len(episode), rng)  # [t, k]
    goals = episode["next", "observation", "achieved_goal"][chosen]
    copies = episode.unsqueeze(1).expand(*chosen.shape).clone()
    copies["observation", "desired_goal"] = goals
    copies["next", "observation", "desired_goal"] = goals
    achieved, following = copies["next", "observation", "achieved_goal"], copies["next"]
    following["reward"] = as_before("reward", reward(achieved, goals), following["reward"])
    if terminated is not None:
        ends = terminated(achieved, goals)
        following["terminated"] = as_before("terminated", ends, following["terminated"])
    return torch.cat([episode, copies.reshape(-1)])


def as_before(name: str, x: Tensor, before: Tensor) -> Tensor:
    """The result of a function of goals, converted to the dtype of the numbers that it replaces.

    Args:
        name: of the function.
        x: its result, [t, k].
        before: the numbers that it replaces, [t, k].

    Returns:
        The result, [t, k] of the dtype of ``before``.

    Raises:
        ValueError: if the result is of another shape, or not finite; names the function.
    """
    if not isinstance(x, Tensor) or x.shape != before.shape:
        shape = list(x.shape) if isinstance(x, Tensor) else x
        raise ValueError(
            f"{name} of hindsight is a function of goals [..., G] that gives [...]; of "
            f"{list(before.shape)} goals it gave {shape}"
        )
    if not x.isfinite().all():
        raise ValueError(
            f"{name} of hindsight gave what is not finite: {x[~x.isfinite()][0].item()}"
        )
    return x.to(before.dtype)

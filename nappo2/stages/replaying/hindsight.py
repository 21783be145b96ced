"""Hindsight: what an episode reached, as if it had been the goal."""

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
"""``(length, generator) -> [length, k]``: the steps whose achieved goals are taken for each step."""


@checked
def future(k: int = 4) -> Relabel:
    """Goals that were reached at, or after, the step: ``k`` for each (their section 4.5)."""
    positive(k=k)

    def relabel(length, rng):
        step = torch.arange(length)[:, None]
        share = torch.rand(length, k, generator=rng)
        return step + (share * (length - step)).long().clamp(max=length - 1 - step)

    return relabel


def final() -> Relabel:
    """The goal that was reached at the end."""
    return lambda length, rng: torch.full((length, 1), length - 1)


@checked
def episode(k: int = 4) -> Relabel:
    """Goals that were reached anywhere in the episode: ``k`` for each step."""
    positive(k=k)
    return lambda length, rng: torch.randint(length, (length, k), generator=rng)


class HindsightState(NamedTuple):
    unfinished: tuple[TensorDict, ...] | None  # of each environment, the episode so far, [t]
    seed: int

    def episodes_begun(self) -> "HindsightState":
        """The state where the episodes that are unfinished will not go on."""
        return self._replace(unfinished=None)


@stage
def hindsight(
    reward: Callable[[Tensor, Tensor], Tensor],
    relabel: Relabel = future(4),
    terminated: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Transform:
    """Adds to each episode copies of its transitions with goals that it reached.

    (Andrychowicz et al., https://arxiv.org/abs/1707.01495.) Rollouts [T, B] become transitions
    [N] of the episodes that ended, so it stands where an environment keeps its column: right
    of ``collect``, left of any cut. Observations are ``observation``, ``achieved_goal`` and
    ``desired_goal``.

    Args:
        reward: ``(achieved, desired) -> reward``, on tensors [..., G].
        relabel: which goals: ``future(k)``, ``final()`` or ``episode(k)``.
        terminated: whether a step that achieved this ends the episode; None for what did.

    Raises:
        ValueError: if ``n_step`` or ``windows`` stands left of it; in a step, if observations have
            no goals, or episodes do not end.
    """

    def transform(source):
        check_left("hindsight", source)

        def init(params, seed):
            own = HindsightState(None, fold_in(seed, "hindsight"))
            return source.init(params, seed) | {"hindsight": own}

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
                        own = HindsightState(unfinished, seed)
                        return state | {"hindsight": own}, TensorDict(batch_size=[0]), join(reports)
            seed, key = split(seed)
            rng = generator(key)
            found = [relabelled(x, reward, relabel, terminated, rng) for x in ended]
            own = HindsightState(unfinished, seed)
            return state | {"hindsight": own}, torch.cat(found), join(reports)

        return Pipeline(init, step)

    return described(transform, regroups=True)


def check_goals(rollout: TensorDict) -> None:
    """Refuses observations that have no goals."""
    seen = rollout["observation"]
    if isinstance(seen, Tensor) or not {"achieved_goal", "desired_goal"} <= set(seen.keys()):
        raise ValueError(
            "hindsight takes observations of {observation, achieved_goal, desired_goal}, as a "
            "goal environment has them"
        )


def check_lengths(unfinished: tuple[TensorDict, ...]) -> None:
    """Refuses to wait for the end of episodes any longer."""
    if (longest := max(map(len, unfinished))) >= LONGEST:
        raise ValueError(
            f"hindsight learns from whole episodes, and none ended in {longest:,} steps; a time "
            "limit truncates them"
        )


def episodes(
    rollout: TensorDict, unfinished: tuple[TensorDict, ...] | None
) -> tuple[list[TensorDict], tuple[TensorDict, ...]]:
    """The episodes [t] that ended in a rollout, and what is left of each environment."""
    ended, left = [], []
    for b in range(rollout.batch_size[1]):
        column = valid_transitions(rollout[:, b])
        if unfinished is not None:
            column = torch.cat([unfinished[b], column])
        ends = (column["next", "done"].nonzero().flatten() + 1).tolist()
        lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        *whole, rest = column.split([*lengths, len(column) - sum(lengths)])
        ended += whole
        left.append(rest.clone())
    return ended, tuple(left)


def relabelled(
    episode: TensorDict, reward: Callable, relabel: Relabel, terminated: Callable | None, rng
) -> TensorDict:
    """The transitions of an episode, and behind them those with other goals."""
    chosen = relabel(len(episode), rng)  # [t, k]
    goals = episode["next", "observation", "achieved_goal"][chosen]
    copies = episode.unsqueeze(1).expand(*chosen.shape).clone()
    copies["observation", "desired_goal"] = goals
    copies["next", "observation", "desired_goal"] = goals
    reached = copies["next", "observation", "achieved_goal"]
    copies["next", "reward"] = checked("reward", reward(reached, goals), copies["next", "reward"])
    if terminated is not None:
        ends = terminated(reached, goals)
        copies["next", "terminated"] = checked("terminated", ends, copies["next", "terminated"])
    return torch.cat([episode, copies.reshape(-1)])


def checked(name: str, given: Tensor, before: Tensor) -> Tensor:
    """What a function of goals gave, of the dtype of what it replaces.

    Raises:
        ValueError: if it is not of that shape, or not finite; names the function.
    """
    if not isinstance(given, Tensor) or given.shape != before.shape:
        shape = list(given.shape) if isinstance(given, Tensor) else given
        raise ValueError(
            f"{name} of hindsight is a function of goals [..., G] that gives [...]; of "
            f"{list(before.shape)} goals it gave {shape}"
        )
    if not given.isfinite().all():
        raise ValueError(
            f"{name} of hindsight gave what is not finite: {given[~given.isfinite()][0].item()}"
        )
    return given.to(before.dtype)

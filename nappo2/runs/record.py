"""Recording: the transitions that an agent collects, as a dataset in memory or in a file."""

import logging
from pathlib import Path
from typing import NamedTuple

import torch
from tensordict import TensorDict

from nappo2.batch import valid
from nappo2.checks import checked
from nappo2.params import Params
from nappo2.pipeline import Pipeline, positive
from nappo2.runs.card import env_of_pipeline
from nappo2.runs.interrupts import interruptible
from nappo2.saving.datasets import save_dataset
from nappo2.saving.outputs import check_output
from nappo2.saving.snapshots import close_state
from nappo2.stages.recording.checking import within_bounds
from nappo2.stages.recording.datasets import of_rollouts
from nappo2.stages.rollouts import check_rollout

log = logging.getLogger("nappo2")
LONGEST = 100_000  # steps of an environment without the end of an episode


class Progress(NamedTuple):
    """How far a recording is.

    Attributes:
        transitions: that are not masked.
        ends: of episodes.
        idle: steps of each environment since the last end.
    """

    transitions: int = 0
    ends: int = 0
    idle: int = 0


@checked
def record(
    source: Pipeline,
    params: Params,
    num_steps: int | None = None,
    path: str | Path | None = None,
    *,
    episodes: int | None = None,
    seed: int = 0,
) -> TensorDict:
    """Records transitions of a pipeline of rollouts, such as ``collect(env, policy, 100)``.

    ``collect_of(recipe)`` acts as in training, ``collect(recipe.env, recipe.greedy, 100)`` as in an
    evaluation. Its simulators are closed after it.

    Args:
        source: whose items are rollouts [T, B], as ``collect`` yields them.
        params: of the agent, which stay as they are.
        num_steps: transitions to record at least, of whole rollouts; None to record ``episodes``.
        path: of an .npz file to write, which ``load_dataset`` reads; None for none.
        episodes: how many whole episodes to record, the first to end; None to record ``num_steps``.
        seed: of environments and policy.

    Returns:
        The dataset [N]. Where the source says its environment, as ``collect`` does, actions are those that
        it did, clipped to their bounds; ``action_log_prob`` is of what the policy gave. After an
        interrupt it has what there is so far.

    Raises:
        ValueError: unless one of ``num_steps`` and ``episodes`` is given and at least 1; for items that
            are no rollouts of single steps, where no episode ends within 100,000 steps, and for a path at
            which there can be no file.
        KeyboardInterrupt: after a signal, if there is nothing yet.

    Example:
        >>> from nappo2 import collect_of, envs, ppo
        >>> recipe = ppo(envs.cartpole(2))
        >>> data = record(collect_of(recipe), recipe.init(0), episodes=3)
        >>> int(data["next", "done"].sum())
        3
    """
    if (num_steps is None) == (episodes is None):
        raise ValueError("record takes num_steps or episodes, one of them")
    positive(**({"episodes": episodes} if num_steps is None else {"num_steps": num_steps}))
    check_single_steps(source)
    if path is not None:
        check_output(path)
    parts = recorded_parts(source, params, num_steps, episodes, seed)
    data = torch.cat([of_rollouts(part) for part in parts])
    if (env := env_of_pipeline(source)) is not None:
        data = within_bounds(data, env)
    if path is not None:
        save_dataset(data, path)
    return data


def check_single_steps(source: Pipeline) -> None:
    """Refuses a source whose transitions are no single steps, such as those of ``rainbow``.

    Raises:
        ValueError: names the stage that makes others of them.
    """
    for left in source.stages:
        if left.regroups:
            raise ValueError(
                f"record takes the single steps of rollouts, of which {left.kind} makes others; "
                "collect(recipe.env, recipe.policy, 100) has them"
            )


def recorded_parts(
    source: Pipeline, params: Params, num_steps: int | None, episodes: int | None, seed: int
) -> list[TensorDict]:
    """Steps a source until there are enough transitions or episodes, or a signal arrives.

    Args:
        source: of rollouts [T, B].
        params: of the agent.
        num_steps: transitions, or None.
        episodes: episodes, or None.
        seed: of environments and policy.

    Returns:
        One rollout of all steps, or one [t, 1] for each episode. After an interrupt those so far.

    Raises:
        ValueError: if an item is no rollout, or no episode ends within 100,000 steps.
        KeyboardInterrupt: if there is nothing yet.
    """
    state, rollouts, parts, progress = source.init(params, seed), [], [], Progress()
    try:
        with interruptible() as signals:
            while not parts and not signals.number:
                state, rollout, _ = source.step(params, state)
                check_rollout("record", rollout)
                rollouts.append(rollout.clone())
                progress = counted(progress, rollout)
                if episodes is None:
                    parts = [torch.cat(rollouts)] if progress.transitions >= num_steps else []
                    continue
                if progress.ends >= episodes:  # all of them whole, unless some were masked
                    found = first_episodes(torch.cat(rollouts), episodes)
                    parts = found if len(found) == episodes else []
                check_ends(progress)
    finally:
        close_state(source, state)
    return parts or _interrupted(torch.cat(rollouts), progress, episodes)


def _interrupted(whole: TensorDict, progress: Progress, episodes: int | None) -> list[TensorDict]:
    """What there is when a signal arrives.

    Raises:
        KeyboardInterrupt: if that is nothing.
    """
    parts = [whole] if episodes is None else first_episodes(whole, episodes)
    if not parts or not progress.transitions:
        raise KeyboardInterrupt
    num = f"{progress.transitions:,} transitions" if episodes is None else f"{len(parts)} episodes"
    log.warning(f"record was interrupted, and returns the {num} that it had")
    return parts


def counted(progress: Progress, rollout: TensorDict) -> Progress:
    """The progress after one more rollout [T, B]."""
    mask, done = valid(rollout), rollout["next", "done"]
    ended = done if mask is None else done & mask
    last = ended.any(1).nonzero()
    return Progress(
        progress.transitions + (done.numel() if mask is None else int(mask.sum())),
        progress.ends + int(ended.sum()),
        len(rollout) - 1 - int(last[-1]) if len(last) else progress.idle + len(rollout),
    )


def check_ends(progress: Progress) -> None:
    """Refuses to record for ever where episodes have no end.

    Raises:
        ValueError: after 100,000 steps of each environment without one.
    """
    if progress.idle >= LONGEST:
        raise ValueError(
            f"no episode ended in {progress.idle} steps of each environment; "
            "record(..., num_steps=...) records parts of episodes"
        )


def first_episodes(rollout: TensorDict, num: int) -> list[TensorDict]:
    """The ``num`` episodes of a rollout [T, B] that end first, whole ones alone, each [t, 1].

    An episode in which a transition is masked is cut there, and neither part of it is whole.
    """
    done, mask = rollout["next", "done"], valid(rollout)
    ends = done.nonzero()  # by time, then by environment
    parts: list[TensorDict] = []
    for t, b in ends.tolist():
        before = done[:t, b].nonzero()
        start = int(before[-1]) + 1 if len(before) else 0
        if mask is None or mask[max(0, start - 1) : t + 2, b].all():
            parts.append(rollout[start : t + 1, b].unsqueeze(1))
        if len(parts) == num:
            break
    return parts

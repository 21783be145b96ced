"""Recording: the transitions that an agent collects, as a dataset in memory or in a file."""

from pathlib import Path

import torch
from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.params import Params
from nappo2.pipeline import Pipeline, positive
from nappo2.runs.card import env_of_pipeline
from nappo2.saving.datasets import save_dataset
from nappo2.saving.snapshots import close_state
from nappo2.stages.recording.checking import within_bounds
from nappo2.stages.recording.datasets import of_rollouts
from nappo2.stages.rollouts import check_rollout

LONGEST = 100_000  # steps of an environment without the end of an episode


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
        it did, clipped to their bounds; ``action_log_prob`` is of what the policy gave.

    Raises:
        ValueError: unless one of ``num_steps`` and ``episodes`` is given and at least 1; for items that
            are no rollouts, and where no episode ends within 100,000 steps.

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
    state, rollouts = source.init(params, seed), []
    try:
        while not _enough(rollouts, num_steps, episodes):
            state, rollout, _ = source.step(params, state)
            check_rollout("record", rollout)
            rollouts.append(rollout.clone())
            _check_ends(rollouts, episodes)
    finally:
        close_state(source, state)
    whole = torch.cat(rollouts)
    parts = [whole] if episodes is None else first_episodes(whole, episodes)
    data = torch.cat([of_rollouts(part) for part in parts])
    if (env := env_of_pipeline(source)) is not None:
        data = within_bounds(data, env)
    if path is not None:
        save_dataset(data, path)
    return data


def _enough(rollouts: list[TensorDict], num_steps: int | None, episodes: int | None) -> bool:
    if episodes is None:
        return sum(rollout.numel() for rollout in rollouts) >= num_steps
    return sum(int(rollout["next", "done"].sum()) for rollout in rollouts) >= episodes


def _check_ends(rollouts: list[TensorDict], episodes: int | None) -> None:
    """Refuses to record for ever where episodes have no end.

    Raises:
        ValueError: after 100,000 steps of each environment without one.
    """
    steps = sum(len(rollout) for rollout in rollouts)
    if episodes is None or steps < LONGEST:
        return
    if not any(rollout["next", "done"].any() for rollout in rollouts):
        raise ValueError(
            f"no episode ended in {steps} steps of each environment; record(..., num_steps=...) records "
            "parts of episodes"
        )


def first_episodes(rollout: TensorDict, num: int) -> list[TensorDict]:
    """The ``num`` episodes of a rollout [T, B] that end first, whole ones alone, each [t, 1]."""
    ends = rollout["next", "done"].nonzero()[:num]  # by time, then by environment
    parts = []
    for t, b in ends.tolist():
        before = rollout["next", "done"][:t, b].nonzero()
        start = int(before[-1]) + 1 if len(before) else 0
        parts.append(rollout[start : t + 1, b].unsqueeze(1))
    return parts

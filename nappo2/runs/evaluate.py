"""Evaluation of params: episodes in new environments, with their own seeds."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.checks.words import shown
from nappo2.envs import Env, counted
from nappo2.machine.stop import check_interrupt
from nappo2.params import Params, Plain, beside_environments
from nappo2.pipeline import positive
from nappo2.policies import Policy, action_of
from nappo2.policies.fitting import first_act
from nappo2.populations import member
from nappo2.reports import SUCCESS, Report, join
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.collecting.forbidden import check_mask

LONGEST = 30_000  # steps; those of Atari are truncated after 27,000


class Evaluation(NamedTuple):
    """Returns and lengths of finished episodes, and what environments told of them.

    Attributes:
        returns: undiscounted and unscaled, [num_episodes] float32.
        lengths: in steps, [num_episodes] float32.
        infos: what was told of episodes by name, such as ``is_success``, [num_episodes] float32, NaN
            where it was not.
    """

    returns: Tensor
    lengths: Tensor
    infos: dict[str, Tensor] = {}

    @property
    def success_rate(self) -> float:
        """The share of successes among the episodes that told of one; NaN if none did."""
        return float(self.infos[SUCCESS].nanmean()) if SUCCESS in self.infos else math.nan

    def __repr__(self):
        spread, success = self.returns.std(correction=0), self.success_rate
        rate = "" if math.isnan(success) else f", {success:.0%} successes"
        return f"{self.returns.mean():.1f} ± {spread:.1f} ({len(self.returns)} episodes{rate})"


@checked
@torch.no_grad()
def evaluate(
    env: Env,
    policy: Policy,
    params: Params,
    num_episodes: int = 10,
    seed: int = 0,
    max_steps: int = LONGEST,
) -> Evaluation:
    """Plays exactly ``num_episodes`` episodes, and returns their returns, lengths and successes.

    Each environment plays a fixed number of them: the first to finish would mostly be short ones.
    ``recipe.greedy`` is the policy for a deterministic evaluation, ``recipe.policy`` acts as in training.

    Args:
        env: environments, whose simulators are made for the evaluation and closed after it.
        policy: how to act.
        params: of the policy.
        num_episodes: episodes to play.
        seed: of environments and policy.
        max_steps: steps after which to wait no longer for the end of an episode.

    Returns:
        Returns, lengths and what environments told of them, [num_episodes].

    Raises:
        ValueError: if a count is not at least 1, an episode does not end, or a mask forbids everything.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> result = evaluate(envs.cartpole(4), recipe.greedy, recipe.init(0), num_episodes=3)
        >>> result.returns.shape, bool((result.returns == result.lengths).all())
        (torch.Size([3]), True)
    """
    positive(num_episodes=num_episodes, max_steps=max_steps)
    env_seed, memory_seed, key = split(fold_in(seed, "evaluate"), 3)
    state, observation = env.reset(env_seed)
    size, rng, num_steps = env.num_envs, generator(key), 0
    plain = Plain(beside_environments(params).to_dict())
    quota = [num_episodes // size + (i < num_episodes % size) for i in range(size)]
    score, length, episodes = torch.zeros(size), torch.zeros(size), [[] for _ in quota]
    try:
        memory = policy.init(size, memory_seed)
        act = partial(first_act, env, policy)
        while any(len(played) < due for played, due in zip(episodes, quota, strict=True)):
            check_interrupt()
            check_mask(env, observation, num_steps)
            num_steps += 1
            decision, memory = act(plain, observation, memory, rng)
            act = policy.act
            state, observation, outcome = env.step(state, action_of(decision))
            memory = policy.reset(memory, outcome.terminated | outcome.truncated, rng)
            reward, over = counted(outcome)
            score, length = score + reward, length + 1
            for i in over.nonzero().flatten().tolist():
                if len(episodes[i]) < quota[i]:
                    infos = {name: x[i].item() for name, x in outcome.info.items()}
                    episodes[i].append(
                        {"return": score[i].item(), "length": length[i].item(), **infos}
                    )
            score, length = score * ~over, length * ~over
            _check_ends(env, length, max_steps, episodes, quota)
    finally:
        env.close(state)
    return _evaluation([episode for played in episodes for episode in played])


def as_evaluation(value: Any) -> Evaluation:
    """An evaluation as a user's function of params gave it; anything else is refused.

    Raises:
        ValueError: if it is none; says what is one.
    """
    if not all(hasattr(value, name) for name in Evaluation._fields):
        raise ValueError(
            "evaluate is a function params -> Evaluation, such as partial(evaluate, env, recipe.greedy); "
            f"this one gave {shown(value)}, and learner.record(...) takes numbers of one's own"
        )
    return value


def evaluate_members(
    env: Env, policy: Policy, params: Params, num_episodes: int = 10, seed: int = 0
) -> Evaluation:
    """``evaluate`` for each member of a population, in the same episodes, one after the other.

    Args:
        env: environments.
        policy: how a member acts.
        params: of all members, [n, ...].
        num_episodes: of each member.
        seed: of environments and policy.

    Returns:
        Returns, lengths and what was told of all, [n * num_episodes].
    """
    num = len(params["hyper", "learning_rate"])
    played = [evaluate(env, policy, member(params, i), num_episodes, seed) for i in range(num)]
    return joined(played)


def joined(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The episodes of several evaluations, one after the other."""
    reports = [
        Report(episodes={"return": returns, "length": lengths, **infos})
        for returns, lengths, infos in evaluations
    ]
    columns = dict(join(reports).episodes)
    return Evaluation(columns.pop("return"), columns.pop("length"), columns)


def _evaluation(episodes: Sequence[dict[str, float]]) -> Evaluation:
    names = dict.fromkeys(name for episode in episodes for name in episode)
    columns = {
        name: torch.tensor([episode.get(name, math.nan) for episode in episodes]) for name in names
    }
    return Evaluation(columns.pop("return"), columns.pop("length"), columns)


def _check_ends(
    env: Env, length: Tensor, max_steps: int, episodes: list[list], quota: list[int]
) -> None:
    """Refuses to wait any longer for the end of an episode that counts."""
    if length.max() < max_steps:
        return
    for i in (length >= max_steps).nonzero().flatten().tolist():
        if len(episodes[i]) < quota[i]:
            raise ValueError(
                f"environment {i} of {env.name} ended no episode in {max_steps:,} steps; a time "
                "limit truncates them, and max_steps says how long an evaluation waits"
            )

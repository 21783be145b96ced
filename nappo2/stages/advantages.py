"""Advantage estimation, as transforms of rollouts.

Each adds ``state_value``, ``advantage`` and ``value_target``, [T, B], with the params of the
stage that runs it: on a learner, those are fresher than the params that collected.
"""

from collections.abc import Mapping

import torch
from tensordict import TensorDict

from nappo2.maths import returns
from nappo2.maths.moments import scale_reward
from nappo2.maths.surrogates import standardize
from nappo2.networks import ActorCritic
from nappo2.pipeline import Transform, mapped, stage


@stage
def gae(agent: ActorCritic, lambda_: float = 0.95) -> Transform:
    """Generalised advantage estimation (Schulman et al., https://arxiv.org/abs/1506.02438).

    Raises:
        ValueError: if ``lambda_`` is not within 0 and 1.
    """
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_ is within 0 and 1, not {lambda_}")

    @torch.no_grad()
    def fn(params, rollout):
        seen = evaluated(agent, params.to_dict(), rollout)
        advantage = returns.gae(**seen, gamma=params["hyper", "gamma"], lambda_=lambda_)
        return estimated(rollout, seen["value"], advantage, advantage + seen["value"])

    return mapped(fn)


@stage
def discounted(agent: ActorCritic) -> Transform:
    """Discounted returns, less the values as a baseline (the original's ``OnPolicyBuffer``)."""

    @torch.no_grad()
    def fn(params, rollout):
        seen = evaluated(agent, params.to_dict(), rollout)
        value = seen.pop("value")
        target = returns.discounted(**seen, gamma=params["hyper", "gamma"])
        return estimated(rollout, value, target - value, target)

    return mapped(fn)


@stage
def standardized() -> Transform:
    """Advantages of mean 0 and standard deviation 1 over the whole rollout."""

    def fn(params, rollout):
        return rollout.copy().update({"advantage": standardize(rollout["advantage"])})

    return mapped(fn)


def evaluated(agent: ActorCritic, params: Mapping, rollout: TensorDict) -> dict:
    """What an advantage is estimated from: scaled rewards, values and flags, each [T, B]."""
    reached = rollout["next"]
    return {
        "reward": scale_reward(params["normalizer"], reached["reward"]),
        "value": agent.critic(params, rollout["observation"]),
        "next_value": agent.critic(params, reached["observation"]),
        "terminated": reached["terminated"],
        "done": reached["done"],
    }


def estimated(rollout: TensorDict, value, advantage, target) -> TensorDict:
    """The rollout with these keys more."""
    added = {"state_value": value, "advantage": advantage, "value_target": target}
    return rollout.copy().update(added)



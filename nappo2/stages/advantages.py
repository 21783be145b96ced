"""Advantage estimation, as transforms of rollouts.

Each adds ``state_value``, ``advantage`` and ``value_target``, [T, B], with the params of the
stage that runs it: on a learner, those are fresher than the params that collected. Those of a
recurrent agent are unrolled from the memory recorded at t=0.
"""

from collections.abc import Mapping

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import only_valid
from nappo2.maths import returns
from nappo2.maths.distributions import Distribution
from nappo2.maths.moments import scale_reward
from nappo2.maths.surrogates import standardize
from nappo2.maths.traced import is_traced
from nappo2.networks import ActorCritic, Agent
from nappo2.params import Params, Plain
from nappo2.pipeline import Transform, stage, stateless
from nappo2.stages.rollouts import map_rollouts


@stage
def gae(agent: Agent, lambda_: float = 0.95) -> Transform:
    """Generalised advantage estimation (Schulman et al., https://arxiv.org/abs/1506.02438).

    Raises:
        ValueError: if ``lambda_`` is not within 0 and 1.
    """
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_ is within 0 and 1, not {lambda_}")

    @torch.no_grad()
    def fn(params, rollout):
        seen = evaluated(*_read(agent, params, rollout))
        advantage = returns.gae(**seen, gamma=params["hyper", "gamma"], lambda_=lambda_)
        return estimated(rollout, seen["value"], advantage, advantage + seen["value"])

    return map_rollouts("gae", fn)


@stage
def vtrace(
    agent: Agent, dist: Distribution, clip_rho: float = 1.0, clip_c: float = 1.0
) -> Transform:
    """V-trace, for rollouts of policies that lag behind (https://arxiv.org/abs/1802.01561).

    Values and log-probabilities are computed anew, with the params of the stage that runs it.

    Raises:
        ValueError: if a clip is not above 0.
    """
    if not (clip_rho > 0 and clip_c > 0):
        raise ValueError(f"clip_rho and clip_c are above 0, not {clip_rho} and {clip_c}")

    @torch.no_grad()
    def fn(params, rollout):
        heads, plain, view = _read(agent, params, rollout)
        seen = evaluated(heads, plain, view)
        outputs = heads.actor(plain, view["observation"])
        log_ratio = dist.log_prob(outputs, rollout["action"]) - rollout["action_log_prob"]
        target, advantage = returns.vtrace(
            log_ratio, **seen, gamma=plain["hyper"]["gamma"], clip_rho=clip_rho, clip_c=clip_c
        )
        return estimated(rollout, seen["value"], advantage, target)

    return map_rollouts("vtrace", fn)


@stage
def discounted(agent: Agent) -> Transform:
    """Discounted returns, less the values as a baseline (the original's ``OnPolicyBuffer``)."""

    @torch.no_grad()
    def fn(params, rollout):
        seen = evaluated(*_read(agent, params, rollout))
        value = seen.pop("value")
        target = returns.discounted(**seen, gamma=params["hyper", "gamma"])
        return estimated(rollout, value, target - value, target)

    return map_rollouts("discounted", fn)


@stage
def standardized() -> Transform:
    """Advantages of mean 0 and standard deviation 1 over the whole rollout."""

    def fn(params, rollout):
        advantage = rollout["advantage"]
        scaled = standardize(advantage, only_valid(advantage, rollout))
        return rollout.copy().update({"advantage": scaled})

    return stateless(fn)


def _read(agent: Agent, params: Params, rollout: TensorDict) -> tuple[ActorCritic, dict, Mapping]:
    plain = Plain(params.to_dict())
    heads, seen = agent.read(plain, rollout)
    return heads, plain, seen


def evaluated(agent: ActorCritic, params: Mapping, rollout: Mapping) -> dict:
    """What an advantage is estimated from: scaled rewards, values and flags, each [T, B]."""
    reached, value = rollout["next"], agent.critic(params, rollout["observation"])
    return {
        "reward": scale_reward(params["normalizer"], reached["reward"]),
        "value": value,
        "next_value": following(agent, params, reached, value),
        "terminated": reached["terminated"],
        "done": reached["done"],
    }


def following(agent: ActorCritic, params: Mapping, reached: Mapping, value: Tensor) -> Tensor:
    """Values of what was reached, [T, B]; of images those of the next row, which are the same.

    Only where an episode or the rollout ends are these valued themselves: a pass over images takes
    as long as learning from them. (Numbers are all valued, as it costs nothing, and a few rows
    are not multiplied to the same last bit wherever the weights lie in memory.)
    """
    seen = reached["observation"]
    if is_traced(value) or seen.dtype != torch.uint8:
        return agent.critic(params, seen)
    ends = reached["done"].clone()
    ends[-1] = True
    return value.roll(-1, 0).masked_scatter(ends, agent.critic(params, seen[ends]))


def estimated(rollout: TensorDict, value, advantage, target) -> TensorDict:
    """The rollout with these keys more."""
    added = {"state_value": value, "advantage": advantage, "value_target": target}
    return rollout.copy().update(added)

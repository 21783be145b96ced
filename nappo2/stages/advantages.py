"""Advantage estimation, as transforms of rollouts [T, B].

Each adds ``state_value``, ``advantage`` and ``value_target``, [T, B] float32, or of these the target
alone. Values are computed with
the params of the stage that runs it, which on a learner are newer than those that collected. A
recurrent agent is unrolled from the memory recorded at t=0. The formulas are in ``maths.returns``.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2.batch import only_valid, valid, with_columns
from nappo2.maths import returns
from nappo2.maths.distributions import Distribution
from nappo2.maths.moments import scale_reward
from nappo2.maths.surrogates import explained_variance, standardize
from nappo2.networks import Agent
from nappo2.params import Plain
from nappo2.pipeline import Pipeline, Transform, described, is_empty, stage, stateless
from nappo2.pipeline.tensor_functions import Part, unchanged
from nappo2.reports import note
from nappo2.stages.rollouts import map_rollouts


@stage
def gae(agent: Agent, lambda_: float = 0.95) -> Transform:
    """Adds generalised advantage estimates (Schulman et al., https://arxiv.org/abs/1506.02438).

    The value target is ``advantage + value``; ``lambda_`` 0 is the TD error, 1 the Monte Carlo return.

    Raises:
        ValueError: if ``lambda_`` is not within 0 and 1.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=0.99)
        >>> rollouts = collect(envs.cartpole(4), agent.policy(dist), num_steps=8)
        >>> rollout = first(rollouts | gae(agent, lambda_=0.95), params).item
        >>> rollout["advantage"].shape, rollout["value_target"].shape
        (torch.Size([8, 4]), torch.Size([8, 4]))
    """
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_ is within 0 and 1, not {lambda_}")

    def estimates(params, rollout):
        columns = returns_inputs(agent, params, rollout)
        advantage = returns.gae(**columns, gamma=params["hyper"]["gamma"], lambda_=lambda_)
        return Estimates(columns["value"], advantage, advantage + columns["value"])

    return estimated("gae", estimates)


@stage
def vtrace(
    agent: Agent, dist: Distribution, clip_rho: float = 1.0, clip_c: float = 1.0
) -> Transform:
    """Adds V-trace estimates (Espeholt et al., https://arxiv.org/abs/1802.01561).

    They correct for a policy that lags behind: log-probabilities are computed again with the params
    of the stage, and compared with ``action_log_prob``.

    Args:
        agent: whose outputs and values are computed.
        dist: of the agent's outputs.
        clip_rho: largest importance ratio in a TD error.
        clip_c: largest importance ratio in the trace.

    Returns:
        A transform of rollouts that have ``action_log_prob`` [T, B].

    Raises:
        ValueError: if a clip is not above 0.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=0.99)
        >>> rollouts = collect(envs.cartpole(4), agent.policy(dist), num_steps=8)
        >>> first(rollouts | vtrace(agent, dist), params).item["advantage"].shape
        torch.Size([8, 4])
    """
    if not (clip_rho > 0 and clip_c > 0):
        raise ValueError(f"clip_rho and clip_c are above 0, not {clip_rho} and {clip_c}")

    def estimates(params, rollout):
        columns = returns_inputs(agent, params, rollout)
        unmasked = {key: x for key, x in rollout.items() if key != "mask"}
        outputs, _ = agent.outputs_and_values(params, unmasked)
        log_ratio = dist.log_prob(outputs, rollout["action"]) - rollout["action_log_prob"]
        target, advantage = returns.vtrace(
            log_ratio, **columns, gamma=params["hyper"]["gamma"], clip_rho=clip_rho, clip_c=clip_c
        )
        return Estimates(columns["value"], advantage, target)

    return estimated("vtrace", estimates)


@stage
def discounted(agent: Agent) -> Transform:
    """Adds discounted returns as value targets, and these minus the values as advantages.

    As the ``OnPolicyBuffer`` of Nappo does.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=1.0)
        >>> rollouts = collect(envs.cartpole(4), agent.policy(dist), num_steps=8)
        >>> first(rollouts | discounted(agent), params).item["value_target"].shape
        torch.Size([8, 4])
    """

    def estimates(params, rollout):
        columns = returns_inputs(agent, params, rollout)
        value = columns.pop("value")
        target = returns.discounted(**columns, gamma=params["hyper"]["gamma"])
        return Estimates(value, target - value, target)

    return estimated("discounted", estimates)


@stage
def lambda_returns(agent: Agent, lambda_: float = 0.95) -> Transform:
    """Adds lambda-returns as value targets: of a Q-function, those of Peng's Q(lambda).

    ``G[t] = r[t] + gamma ((1 - lambda) V(s[t + 1]) + lambda G[t + 1])`` (Gallici et al.,
    https://arxiv.org/abs/2407.04811, eq. 4), where V is the agent's value, such as ``max_a Q(s, a)``.
    Values are those of the params of the stage, once per rollout.

    Raises:
        ValueError: if ``lambda_`` is not within 0 and 1.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=1.0)
        >>> rollouts = collect(envs.cartpole(4), agent.policy(dist), num_steps=8)
        >>> first(rollouts | lambda_returns(agent, lambda_=0.5), params).item["value_target"].shape
        torch.Size([8, 4])
    """
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_ is within 0 and 1, not {lambda_}")

    @torch.no_grad()
    def fn(params, rollout):
        columns = returns_inputs(agent, Plain(params.to_dict()), rollout)
        del columns["value"]
        gamma = params["hyper", "gamma"]
        target = returns.lambda_return(**columns, gamma=gamma, lambda_=lambda_)
        return with_columns(rollout, {"value_target": target})

    return map_rollouts("lambda_returns", fn)


@stage
def standardized() -> Transform:
    """Scales advantages to mean 0 and standard deviation 1 over the whole rollout, without masked steps.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=0.99)
        >>> rollouts = collect(envs.cartpole(4), agent.policy(dist), num_steps=8) | gae(agent)
        >>> round(float(first(rollouts | standardized(), params).item["advantage"].std()), 3)
        1.0
    """

    def scaled(rollout):
        advantage = rollout["advantage"]
        return {"advantage": standardize(advantage, only_valid(advantage, rollout))}

    def run(params, rollout, _):
        return rollout | scaled(rollout), ()

    bare = stateless(lambda params, rollout: with_columns(rollout, scaled(rollout)))
    return described(bare, part=lambda *_: Part(run, (), unchanged))


class Estimates(NamedTuple):
    """Columns of a rollout, each [T, B] float32."""

    state_value: Tensor
    advantage: Tensor
    value_target: Tensor


def estimated(name: str, estimates: Callable[[Mapping, Mapping], Estimates]) -> Transform:
    """Adds estimates to rollouts, and reports ``explained_variance`` of the critic.

    It is the bare transform of a stage called ``name``.

    Args:
        name: of the stage.
        estimates: ``(params, rollout) -> estimates``, of plain params.

    Returns:
        A transform of rollouts [T, B].
    """

    @torch.no_grad()
    def fn(params, rollout):
        columns = estimates(Plain(params.to_dict()), rollout)
        return with_columns(rollout, columns._asdict())

    mapped = map_rollouts(name, fn)

    def transform(source):
        pipe = mapped(source)

        def step(params, state):
            state, rollout, report = pipe.step(params, state)
            if not is_empty(rollout):
                columns = rollout["state_value"], rollout["value_target"], valid(rollout)
                report = note(
                    report, rollout.numel(), explained_variance=explained_variance(*columns)
                )
            return state, rollout, report

        return Pipeline(pipe.init, step)

    def run(params, rollout, _):
        columns = estimates(params, rollout)
        explained = explained_variance(columns.state_value, columns.value_target)
        return rollout | columns._asdict(), explained

    def end(params, state, explained, report):
        steps = report.sums["env_steps"]
        return state, params, note(report, steps, explained_variance=explained)

    return described(transform, part=lambda *_: Part(run, (), end))


def returns_inputs(agent: Agent, params: Mapping, rollout: Mapping) -> dict[str, Tensor]:
    """The arguments of the functions in ``maths.returns``, by their names.

    Args:
        agent: whose values are computed.
        params: of the agent, plain ones.
        rollout: [T, B].

    Returns:
        ``reward``, scaled by the normalizer, ``value`` and ``next_value``, [T, B] float32;
        ``terminated`` and ``done``, [T, B] bool.
    """
    following = rollout["next"]
    value, next_value = agent.values(params, rollout)
    return {
        "reward": scale_reward(params["normalizer"], following["reward"]),
        "value": value,
        "next_value": next_value,
        "terminated": following["terminated"],
        "done": following["done"],
    }

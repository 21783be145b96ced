"""``collect``: the source of pipelines, whose items are rollouts [T, B] of environments."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from nappo2.batch import valid
from nappo2.envs import Env
from nappo2.envs.infos import check_names
from nappo2.machine.compiling import with_fallback
from nappo2.machine.stop import check_interrupt
from nappo2.maths import returns
from nappo2.maths.masks import unmasked
from nappo2.maths.moments import moments, named
from nappo2.params import Plain, beside_environments
from nappo2.pipeline import Pipeline, described, positive, stage
from nappo2.pipeline.tensor_functions import Part
from nappo2.policies import Policy
from nappo2.policies.fitting import as_actions, check_acts
from nappo2.reports import Report, count, timed
from nappo2.seeds import fold_in, split
from nappo2.stages.collecting.forbidden import check_masks
from nappo2.stages.collecting.interaction import (
    FOR_COUNTS,
    CollectState,
    interact,
)
from nappo2.stages.collecting.non_finite import NonFinite, cut_at_masked, fail
from nappo2.stages.collecting.scanned_interaction import (
    can_be_scanned,
    scan_interact,
    scan_of,
)
from nappo2.stages.collecting.simulators import live_environments, restarts_of
from nappo2.stages.collecting.tally import Sums, Tally, sums_of, tally
from nappo2.trees import as_tensordict


@stage
def collect(
    env: Env, policy: Policy, num_steps: int, non_finite: NonFinite = fail, jit: bool = False
) -> Pipeline:
    """Collects rollouts of ``num_steps`` steps, as TensorDicts of shape [T, B] on the CPU.

    Their keys are ``observation``, ``action``, ``action_log_prob``, ``params_version`` and, under
    ``next``, ``observation`` (before any reset), ``reward``, ``terminated``, ``truncated`` and ``done``.
    A recurrent policy adds ``memory``, that before each step, and ``is_init``, whether an episode began
    with the step. Nothing is normalised. The report counts env steps, the seconds inside of ``env.step``,
    and processes of simulators that were replaced; it has the returns and lengths of finished episodes,
    what environments tell of them,
    and the moments of observations and discounted returns for which ``params["normalizer"]`` has entries.

    Args:
        env: environments in which to act.
        policy: how to act.
        num_steps: steps of each environment per rollout.
        non_finite: ``fail``, ``mask`` or ``clamp(limit)``: how to treat observations and rewards that
            are not finite. The policy acts on finite ones, and moments leave masked ones out.
        jit: whether a rollout of an environment in torch is one compiled call; where that fails, a
            warning says so and the eager loop runs. A compiled rollout is not preempted, and its
            report has no seconds in a simulator.

    Returns:
        A pipeline of rollouts.

    Raises:
        ValueError: if ``num_steps`` is not at least 1, ``non_finite`` treats nothing, or what is to be
            compiled is not in torch; in a step, by ``fail``, if an observation or a reward is not finite,
            if the policy gives actions that are none of the environment, and if a mask forbids every one.

    Example:
        >>> recipe = ppo(envs.cartpole(4))
        >>> rollouts = collect(recipe.env, recipe.policy, num_steps=16)
        >>> state = rollouts.init(recipe.init(0), 0)
        >>> state, rollout, report = rollouts.step(recipe.init(0), state)
        >>> rollout.batch_size, rollout["observation"].shape
        (torch.Size([16, 4]), torch.Size([16, 4, 4]))
    """
    positive(num_steps=num_steps)
    if jit and not can_be_scanned(env, policy):
        raise ValueError(
            f"rollouts of {env.name} cannot be compiled: jit takes an environment of physics_env "
            "and a policy that samples from a distribution, such as stochastic"
        )
    act = with_fallback(scan_interact, interact, "collect") if jit else interact
    limit = getattr(non_finite, "limit", 0.0)

    def init(params, seed):
        env_seed, memory_seed, seed = split(fold_in(seed, "collect"), 3)
        env_state, observation = env.reset(env_seed)
        zeros = torch.zeros(env.num_envs)
        memory, fresh = policy.init(env.num_envs, memory_seed), torch.ones(env.num_envs).bool()
        state = CollectState(env_state, observation, memory, zeros, zeros, fresh, zeros, seed)
        return {"collect": state}

    @torch.no_grad()
    def step(params, states):
        before = states["collect"]
        restarts = restarts_of(env, before.env)
        params = beside_environments(params)
        plain = Plain(params.to_dict())
        seed, key = split(before.seed)
        try:
            state, rollout, result, seconds = act(env, policy, num_steps, plain, before, key, limit)
        except Exception:  # the reason may be params of another environment
            check_acts(env, policy, plain, before.observation, before.memory)
            raise
        rollout["action"] = as_actions(env, rollout["action"])
        done, num_bad = result.done, 0
        if not result.is_finite:
            rollout, num_bad = non_finite(env.name, {**rollout, "is_init": result.is_init})
            rollout.pop("is_init")
            sums = sums_of(rollout, Sums(before.score, before.length))
            result = tally(rollout, before.fresh, sums)
        check_masks(env, rollout)
        rollout["next"]["done"] = done
        if "memory" in rollout:
            rollout["is_init"] = result.is_init
        if "action_log_prob" not in rollout:
            rollout["action_log_prob"] = policy.log_prob(plain, rollout)
        rollout["params_version"] = params["version"].expand(done.shape)
        if len(done) < num_steps:
            rollout.setdefault("mask", torch.ones_like(done))  # says that it was cut short
        state, report = account(plain, rollout, result, state._replace(seed=seed))
        if len(done) < num_steps:
            check_interrupt({"collect": state})
        report = timed(report, **seconds)
        if num_bad:
            report = count(report, non_finite=num_bad)
        if restarts := restarts_of(env, state.env) - restarts:
            report = count(report, restarts=restarts)
        for key in FOR_COUNTS:
            rollout["next"].pop(key, None)
        if valid(rollout) is not None:  # the traces, not the episodes, which were counted above
            rollout = cut_at_masked(rollout)
        return {"collect": state}, as_tensordict(rollout, done.shape), report

    def with_non_finite(non_finite):
        return collect(env, policy, num_steps, non_finite, jit)

    def part(params, states, _):
        state = states["collect"]
        seed, key = split(state.seed)
        plain = Plain(params.to_dict())
        roll, (_, *inputs), after_scan = scan_of(env, policy, num_steps, plain, state, key, limit)

        def end(params, states, outputs, report):
            carry, rollout, result = outputs
            if not result.is_finite:
                return None
            check_masks(env, rollout)
            state, report = account(plain, rollout, result, after_scan(carry)._replace(seed=seed))
            return {**states, "collect": state}, params, report

        return Part(collected_by(roll.run), tuple(inputs), end, (num_steps, env.num_envs))

    return described(
        Pipeline(init, step),
        env=env,
        live=live_environments(env),
        with_non_finite=with_non_finite,
        part=part if can_be_scanned(env, policy) else None,
    )


@lru_cache(64)
def collected_by(roll: Callable) -> Callable:
    """The function ``(params, _, inputs) -> (rollout, outputs)`` of a rollout's function.

    Cached, as compiled programs are found again by the functions in them.
    """

    def run(params, _, inputs):
        carry, rollout, result = roll(dict(params), *inputs)
        item = rollout | {"next": rollout["next"] | {"done": result.done}}
        return item, (carry, rollout, result)

    return run


def account(
    params: Mapping, rollout: dict, result: Tally, state: CollectState
) -> tuple[CollectState, Report]:
    """Reports a rollout: env steps, finished episodes, and moments for the normalizer.

    Args:
        params: whose ``normalizer`` says which moments are wanted.
        rollout: tensors [T, B, ...].
        result: its tally.
        state: after the rollout, with the counters before it.

    Returns:
        The state with the returns and lengths of unfinished episodes, and the report.

    Raises:
        ValueError: if an environment tells a number by the name of another one, such as ``length``.
    """
    done, (score, length) = result.done, result.left
    discounted, counts = count_moments(params, rollout, done, state.discounted)
    state = state._replace(score=score, length=length, fresh=done[-1], discounted=discounted)
    infos = rollout["next"].get("info", {})
    check_names(tuple(infos))
    ends = result.over.flatten().nonzero().squeeze(-1)
    columns = {"return": result.sums.score, "length": result.sums.length, **infos}
    episodes = {name: x.flatten()[ends].float() for name, x in columns.items()}
    return state, Report(sums={"env_steps": done.numel()}, moments=counts, episodes=episodes)


def count_moments(
    params: Mapping, rollout: dict, done: Tensor, discounted: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Counts the moments of a rollout [T, B].

    Args:
        params: whose ``normalizer`` says which moments are wanted.
        rollout: tensors [T, B, ...].
        done: where episodes end, [T, B] bool.
        discounted: the discounted return of each episode before the rollout, [B].

    Returns:
        The discounted returns after it, [B], and moments [3, ...] by name.
    """
    names = [name for name, x in params["normalizer"].items() if "moments" in x.keys()]
    counts, mask = {}, valid(rollout)
    for name, x in named(unmasked(rollout["observation"])).items():
        if name in names:
            counts[name] = moments(x, mask)
    if "return" in names:
        reward, gamma = rollout["next"]["reward"], params["hyper"]["gamma"]
        running = returns.running_return(reward, done, discounted, gamma)
        counts["return"] = moments(running, mask)
        discounted = running[-1].where(~done[-1], 0)
    return discounted, counts

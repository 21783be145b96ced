"""``collect`` of many members at once, in environments that step many at once."""

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.batch import with_columns, without
from nappo2.envs import Env
from nappo2.machine.compiling import compiled, with_fallback
from nappo2.machine.stop import check_interrupt
from nappo2.maths import returns
from nappo2.maths.masks import unmasked
from nappo2.maths.moments import moments, named
from nappo2.params import Params, Plain, beside_environments
from nappo2.pipeline import Pipeline, Stage, Transform, described, is_of_stages, stage
from nappo2.policies import FromNoise, Policy
from nappo2.populations.checking import check_members
from nappo2.populations.lifting import in_one_layout, over_members
from nappo2.reports import Report, timed
from nappo2.seeds import fold_in, split, split_each
from nappo2.stages.collecting.collect import account, collect
from nappo2.stages.collecting.forbidden import check_masks
from nappo2.stages.collecting.interaction import FOR_COUNTS, CollectState, interact
from nappo2.stages.collecting.non_finite import fail
from nappo2.stages.collecting.scanned_interaction import scan_interact
from nappo2.stages.collecting.simulators import live_environments


@stage
def collect_members(
    env: Env,
    policy: Policy,
    num_steps: int,
    prepare: Transform,
    num_members: int,
    jit: bool = False,
    name: str = "members",
) -> Pipeline:
    """Prepared rollouts of all members, [n, T, B]: those that each would collect and prepare alone.

    Args:
        env: of one member; has ``many``.
        policy: of one member; has ``from_noise``.
        num_steps: steps of each environment per rollout, T.
        prepare: transform of the rollouts of a member.
        num_members: number of members, n.
        jit: whether the loop is compiled, as for ``collect``, and ``prepare``.
        name: of the stage.

    Returns:
        A source.
    """
    together, n = env.many(num_members), num_members
    act = with_fallback(scan_interact, interact, "collect_members") if jit else interact
    line = collect(env, policy, num_steps) | prepare
    stages, eager = line.stages[1:], partial(prepared, prepare)
    known = is_of_stages(line)
    can_be_compiled = jit and known and all(each.part is not None for each in stages)
    program = partial(prepared_in_one_program, stages, eager)
    prepare_each = with_fallback(program, eager, "prepare") if can_be_compiled else eager
    prepare_each = prepare_each if stages or not known else lambda params, rollout: rollout

    def init(params, seed):
        check_members(params, n)
        seeds = [split(fold_in(fold_in(seed, i), "collect"), 3) for i in range(n)]
        env_seeds, memory_seeds, seeds = zip(*seeds, strict=True)
        env_state, observation = together.reset(list(env_seeds))
        memory = trees.map(joined, *(policy.init(env.num_envs, x) for x in memory_seeds))
        zeros, fresh = torch.zeros(together.num_envs), torch.ones(together.num_envs).bool()
        state = CollectState(env_state, observation, memory, zeros, zeros, fresh, zeros, seeds)
        return {name: state}

    @torch.no_grad()
    def step(params, states):
        state, here = states[name], in_one_layout(beside_environments(params))
        seeds, keys = split_each(state.seed)
        each = over_members(here)
        acting = acting_at_once(policy, n, each)
        state, rollout, result, seconds = act(
            together, acting, num_steps, here.to_dict(), state, keys
        )
        if not result.is_finite:
            fail(env.name, rollout)
        check_masks(env, rollout)
        done = rollout["next"]["done"] = result.done
        if "memory" in rollout:
            rollout["is_init"] = result.is_init
        uncounted = {"normalizer": {}}
        state, report = account(uncounted, rollout, result, state._replace(seed=seeds))
        for key in FOR_COUNTS:
            rollout["next"].pop(key, None)
        report = with_members(report, result.over, n)
        rollout = trees.map(lambda x: x.unflatten(1, (n, -1)).transpose(0, 1).contiguous(), rollout)
        state, counts = counted(here, rollout, state)
        if len(done) < num_steps:
            check_interrupt({name: state})
        if "action_log_prob" not in rollout:
            rollout["action_log_prob"] = each(policy.log_prob)(rollout)
        size = (n, len(done), env.num_envs)
        rollout["params_version"] = here["version"].expand(size)
        learners = here if params["version"].is_cpu else params
        item = prepare_each(learners, TensorDict(rollout, batch_size=size))
        return {name: state}, item, timed(report._replace(moments=counts), **seconds)

    return described(Pipeline(init, step), env=env, live=live_environments(together))


def is_pure(prepare: Transform, params: Params) -> bool:
    """Tests whether a transform of rollouts keeps no state, so that it can run under vmap."""
    source = Pipeline(lambda params, seed: {}, lambda params, state: (state, None, Report()))
    return not (source | prepare).init(params, 0)


def joined(*parts: Tensor) -> Tensor:
    """What the environments of all members have, [n * B, ...], of what those of each have, [B, ...]."""
    return torch.cat(parts)


def acting_at_once(
    policy: Policy, num_members: int, each: Callable[[Callable], Callable]
) -> Policy:
    """The policy of all members at once, a function of noise, for a rollout.

    Observations, memories and actions are [n * B, ...], noise is [n, B, ...], or [T, n, B, ...], drawn
    with a generator of each member.

    Args:
        policy: of one member.
        num_members: number of members, n.
        each: runs a function of the params of each member, as ``over_members`` makes it.

    Returns:
        The policy, which takes its params from ``each``.
    """
    draw_alone, decide_alone, _ = policy.from_noise
    decide_each = each(decide_alone)

    def decide(_, observation: Any, memory: Any, noise: Any):
        given = trees.map(lambda x: x.unflatten(0, (num_members, -1)), (observation, memory))
        return trees.map(lambda x: x.flatten(0, 1), decide_each(*given, noise))

    def draw(params: dict, shape: tuple, size: int, rngs: Sequence[torch.Generator]):
        *times, num_envs = shape
        alone = (*times, num_envs // num_members)
        noise = [draw_alone(params, alone, size, rng) for rng in rngs]
        return trees.map(lambda *each: torch.stack(each, len(times)), *noise)

    return policy._replace(from_noise=FromNoise(draw, decide, policy.act))


def counted(params: Params, rollout: dict, state: CollectState) -> tuple[CollectState, dict]:
    """Counts moments of each member.

    Args:
        params: whose normalizer says which moments are counted.
        rollout: [n, T, B].
        state: with the discounted returns so far, [n * B].

    Returns:
        The state with discounted returns after the rollout, and moments [n, 3, ...] by name.
    """
    names = [name for name, x in params["normalizer"].items() if "moments" in x.keys()]
    reward, done, counts = rollout["next"]["reward"], rollout["next"]["done"], {}
    for name, x in named(unmasked(rollout["observation"])).items():
        if name in names:
            counts[name] = torch.vmap(moments)(x)
    if "return" in names:
        before, gamma = state.discounted.view(len(done), -1), params["hyper", "gamma"]
        running = torch.vmap(returns.running_return)(reward, done, before, gamma)
        counts["return"] = torch.vmap(moments)(running)
        state = state._replace(discounted=running[:, -1].where(~done[:, -1], 0).flatten())
    return state, counts


def prepared(prepare: Transform, params: Params, rollout: TensorDict) -> TensorDict:
    """The item that ``prepare`` makes of each member's rollout, under vmap.

    Args:
        prepare: transform of the rollouts of a member.
        params: [n, ...].
        rollout: [n, T, B].

    Returns:
        An item [n, ...], such as the rollouts.
    """
    size, sizes = rollout.batch_size, []

    def prepare_one(member, rollout):
        item = TensorDict(rollout, batch_size=size[1:])
        source = Pipeline(lambda params, seed: {}, lambda params, state: ({}, item, Report()))
        _, item, _ = (source | prepare).step(TensorDict(member), {})
        sizes.append(item.batch_size)
        return item.to_dict()

    items = over_members(params)(prepare_one)(rollout.to_dict())
    return TensorDict(items, batch_size=(size[0], *sizes[0]))


def prepared_in_one_program(
    stages: Sequence[Stage], eager: Callable, params: Params, rollout: TensorDict
) -> TensorDict:
    """``prepared`` as one compiled program; eager where params are not on the CPU, as rollouts are.

    Args:
        stages: of a transform of the rollouts of a member; functions of tensors.
        eager: ``(params, rollout) -> rollout``, the same.
        params: [n, ...], in one layout.
        rollout: [n, T, B].

    Returns:
        The rollouts.
    """
    parts = [each.part(params, {}, None) for each in stages]
    runs = tuple(part.run for part in parts if part.run is not None)
    if not runs or not params["version"].is_cpu:
        return eager(params, rollout)
    constants = without(params, "version").to_dict()
    return with_columns(rollout, preparation(runs)(constants, rollout.to_dict()))


@lru_cache(64)
def preparation(runs: tuple[Callable, ...]) -> Callable:
    """The program ``(params, rollouts [n, T, B]) -> columns`` of stages; cached, as ``roll`` is.

    Args:
        runs: ``(params, rollout, inputs) -> (rollout, outputs)`` of each stage, without inputs.
    """

    def one(params, rollout):
        item = rollout
        for run in runs:
            item, _ = run(Plain(params), item, ())
        return {key: x for key, x in item.items() if x is not rollout.get(key)}

    def each(params, rollout):
        return torch.vmap(one)(params, rollout)

    program, traced = compiled(each), set()  # facts of this process, not of the run, so in no state

    def run(params, rollout):
        shape = rollout["next"]["done"].shape
        if shape in traced:
            return program(params, rollout)
        with warnings.catch_warnings():
            # a scan looks at the first row of each member while it is traced
            warnings.filterwarnings("ignore", ".*batching rule for aten::select_copy")
            columns = program(params, rollout)
        traced.add(shape)
        return columns

    return run


def with_members(report: Report, done: Tensor, num_members: int) -> Report:
    """Adds to a report which member finished each episode.

    Args:
        report: of all members.
        done: where episodes ended, [T, n * B] bool.
        num_members: number of members, n.

    Returns:
        The report, whose episodes have ``member``, [N].
    """
    member = done.nonzero()[:, 1] // (done.shape[1] // num_members)
    return report._replace(episodes=report.episodes | {"member": member})

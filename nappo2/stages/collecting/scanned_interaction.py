"""A rollout of an environment in torch as one compiled call: ``interact``, as a scan."""

from functools import lru_cache

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import explained
from nappo2.envs import Env, Physics, PhysicsState, physics_of
from nappo2.machine.compiling import compiled
from nappo2.machine.stop import current_stop
from nappo2.maths.distributions import Distribution
from nappo2.networks import Apply
from nappo2.params import Plain
from nappo2.policies import Policy, sampler_of
from nappo2.seeds import generator, split
from nappo2.stages.collecting.interaction import (
    REACHED,
    CollectState,
    acting,
    generators,
    rollout_of,
)
from nappo2.stages.collecting.non_finite import finite

KEYS = ("observation", "action", "action_log_prob", *REACHED)  # of what a step of the scan gives


@explained
def can_be_scanned(env: Env, policy: Policy) -> bool:
    """Whether all that a step does is known as functions of tensors."""
    sampler = sampler_of(policy)
    return bool(physics_of(env) and sampler and sampler.sample_from_noise)


def scan_interact(
    env: Env,
    policy: Policy,
    num_steps: int,
    params: dict,
    state: CollectState,
    seed: int | tuple[int, ...],
    limit: float = 0.0,
) -> tuple[CollectState, dict, dict]:
    """What ``interact`` does, and says: whatever is drawn in it is drawn before, by the same seeds.

    An environment of many has a seed for each, and so has the policy; params then have a leading
    dimension.

    Args: those of ``interact``.
    """
    physics, sampler, simulated = physics_of(env), policy.sampler, state.env
    many = isinstance(seed, tuple)
    keys, seeds = (seed, simulated.seed) if many else ((seed,), (simulated.seed,))
    num_envs = env.num_envs // len(keys)
    noise = torch.stack(acting(env, policy, num_steps, generators(seed))[1])
    later, starts = zip(*(begun(physics, num_envs, num_steps, own) for own in seeds), strict=True)
    still = trees.map(own_memory, {key: x for key, x in params.items() if key != "version"})
    carry = (simulated.physics, simulated.time, state.observation, torch.zeros(len(keys)).long())
    program = roll(physics, sampler.actor, sampler.dist, len(keys) if many else None, limit)
    (at, time, observation, ends), columns = program(still, carry, noise, torch.stack(starts, 1))
    current_stop().arrived()
    seeds = tuple(own[end] for own, end in zip(later, ends.tolist(), strict=True))
    simulated = PhysicsState(at, time, seeds if many else seeds[0])
    rollout = rollout_of(dict(zip(KEYS, columns, strict=True)))
    return state._replace(env=simulated, observation=observation), rollout, {}


def own_memory(x: Tensor) -> Tensor:
    """A copy: weights are views of one vector, and a scan takes no two tensors that share memory."""
    return x.clone(memory_format=torch.contiguous_format)


def begun(physics: Physics, num_envs: int, num_steps: int, seed: int) -> tuple[list[int], Tensor]:
    """Where episodes begin whenever some have ended, [T, B, ...], and the seed after each time."""
    seeds, starts = [seed], []
    for _ in range(num_steps):
        seed, key = split(seed)
        seeds.append(seed)
        starts.append(physics.start(num_envs, generator(key)))
    return seeds, torch.stack(starts)


@lru_cache(64)
def roll(
    physics: Physics, actor: Apply, dist: Distribution, num_members: int | None, limit: float = 0.0
):
    """``(params, carry, noise, starts) -> (carry, columns)``; compiled when called."""
    from torch._higher_order_ops.scan import scan

    def outputs_of(params, observation):
        if num_members is None:
            return actor(Plain(params), observation)
        seen = observation.unflatten(0, (num_members, -1))
        return torch.vmap(lambda own, x: actor(Plain(own), x))(params, seen).flatten(0, 1)

    def run(params, carry, noise, starts):
        def body(carry, noise):
            at, time, observation, ends = carry
            outputs = outputs_of(params, finite(observation, limit))
            action = dist.sample_from_noise(outputs, noise)
            reached, reward, terminated = physics.step(at, action)
            time = time + 1
            truncated = (time >= physics.time_limit) & ~terminated
            done = terminated | truncated
            fresh = torch.stack(
                [starts[:, i].index_select(0, ends[i : i + 1])[0] for i in range(len(ends))]
            )
            over = done.view(len(ends), -1)
            at = torch.where(_like(done, reached), fresh.flatten(0, 1), reached)
            seen = (observation.clone(), action, dist.log_prob(outputs, action))
            seen = (*seen, physics.observe(reached), reward, terminated, truncated)
            return (at, time * ~done, physics.observe(at), ends + over.any(1)), seen

        return scan(body, carry, noise)

    return compiled(run)


def _like(mask: Tensor, x: Tensor) -> Tensor:
    """A mask [B] for what is [B, ...]."""
    return mask.view(-1, *[1] * (x.ndim - 1))

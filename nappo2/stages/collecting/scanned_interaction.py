"""The loop of a rollout as one compiled scan, for environments in torch: the same as ``interact``."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import explained
from nappo2.envs import Env, Physics, PhysicsState, physics_of
from nappo2.envs.physics import told
from nappo2.envs.starts import after, ahead
from nappo2.machine.compiling import compiled
from nappo2.machine.stop import current_stop
from nappo2.maths.distributions import Distribution
from nappo2.params import Plain
from nappo2.policies import Apply, Policy, sampler_of
from nappo2.stages.collecting.interaction import (
    TRANSITION,
    CollectState,
    Interaction,
    generators,
    noise_ahead,
    rollout_of,
)
from nappo2.stages.collecting.non_finite import finite
from nappo2.stages.collecting.tally import Sums, tally

KEYS = ("observation", "action", "action_log_prob", *TRANSITION)  # of a step of the scan


@explained
def can_be_scanned(env: Env, policy: Policy) -> bool:
    """Tests whether environment and policy are functions of tensors, as a compiled rollout needs.

    Example:
        >>> from nappo2.stages import can_be_scanned
        >>> config = PPO(num_steps=8, num_minibatches=2)
        >>> in_torch, simulated = ppo(envs.cartpole(4), config), ppo(envs.make("CartPole-v1", 4), config)
        >>> [can_be_scanned(recipe.env, recipe.policy) for recipe in (in_torch, simulated)]
        [True, False]
    """
    sampler = sampler_of(policy)
    return bool(physics_of(env) and sampler and sampler.dist.sample_from_noise)


def scan_interact(
    env: Env,
    policy: Policy,
    num_steps: int,
    params: dict,
    state: CollectState,
    seed: int | tuple[int, ...],
    limit: float = 0.0,
) -> Interaction:
    """``interact`` as one compiled scan; noise and first states are drawn before it, by the same seeds.

    Args:
        env: environments in which to act; those of n members have n seeds.
        policy: how to act; has a sampler.
        num_steps: of each environment.
        params: of the policy; those of n members have a leading dimension n.
        state: before the rollout.
        seed: of what the policy draws; a tuple has a seed for each member of a population.
        limit: replaces infinite numbers in what the policy acts on.

    Returns:
        As ``interact``, without seconds.
    """
    roll_with, (constants, *inputs), after_scan = scan_of(
        env, policy, num_steps, params, state, seed, limit
    )
    carry, rollout, result = roll_with.program(constants, *inputs)
    current_stop().arrived()
    return Interaction(after_scan(carry), rollout, result, {})


class Roll(NamedTuple):
    """A rollout as a function of tensors.

    Attributes:
        run: ``(params, carry, noise [T, B, ...], starts, fresh) -> (carry, rollout, tally)``.
        program: the same, compiled when called.
    """

    run: Callable
    program: Callable


def scan_of(
    env: Env,
    policy: Policy,
    num_steps: int,
    params: Mapping,
    state: CollectState,
    seed: int | tuple[int, ...],
    limit: float,
) -> tuple[Roll, tuple, Callable[[tuple], CollectState]]:
    """Draws what a scanned rollout takes.

    Args:
        env, policy, num_steps, params, state, seed, limit: as of ``scan_interact``.

    Returns:
        The rollout as a function, its inputs, and ``carry -> state`` after it, but for counters.
    """
    physics, sampler, simulated = physics_of(env), policy.sampler, state.env
    many = isinstance(seed, tuple)
    keys, starts = (seed, simulated.starts) if many else ((seed,), (simulated.starts,))
    num_envs = env.num_envs // len(keys)
    noise = noise_ahead(env, policy.from_noise, num_steps, params, generators(seed))
    noise = trees.map(lambda x: x.flatten(1, 2), noise) if many else noise
    draws, states = zip(
        *(ahead(physics.start, num_envs, num_steps, x) for x in starts), strict=True
    )
    constants = {key: x for key, x in params.items() if key != "version"}
    ends = torch.zeros(len(keys), dtype=torch.int64)
    carry = (simulated.physics, simulated.time, state.observation, state.score, ends)
    num_members = len(keys) if many else None
    inputs = constants, carry, noise, torch.stack(states, 1), state.fresh

    def after_scan(carry):
        physics_state, time, observation, _, ends = carry
        left = tuple(map(after, draws, ends.tolist()))
        simulated = PhysicsState(physics_state, time, left if many else left[0])
        return state._replace(env=simulated, observation=observation)

    return roll(physics, sampler.actor, sampler.dist, num_members, limit), inputs, after_scan


def copied(x: Tensor) -> Tensor:
    """A copy [...]: weights are views of one vector, and a scan takes no two tensors that share memory."""
    return x.clone(memory_format=torch.contiguous_format)


def copied_by_column(x: Tensor) -> Tensor:
    """A copy [...], of a matrix column by column: so a product of few rows is a sum of whole vectors."""
    return copied(x.mT).mT if x.ndim == 2 else copied(x)


@lru_cache(64)
def roll(
    physics: Physics,
    actor: Apply,
    dist: Distribution,
    num_members: int | None,
    limit: float = 0.0,
) -> Roll:
    """The function of a rollout; cached, as compiled programs are found again by it.

    Args:
        physics: of the environments.
        actor: of the policy.
        dist: of the actor's outputs.
        num_members: n, whose params have a leading dimension; None for one run.
        limit: replaces infinite numbers in what the policy acts on.

    Returns:
        The rollout.
    """
    from torch._higher_order_ops.scan import scan

    def outputs_of(params, observation):
        if num_members is None:
            return actor(Plain(params), observation)
        x = trees.map(lambda leaf: leaf.unflatten(0, (num_members, -1)), observation)
        return torch.vmap(lambda plain, x: actor(Plain(plain), x))(params, x).flatten(0, 1)

    copy = copied_by_column if num_members is None else copied

    def run(params, carry, noise, starts, fresh):
        params = trees.map(copy, params)
        physics_state, time, observation, score, ends = carry
        observation = trees.map(torch.clone, observation)  # may be the physics themselves
        carry = physics_state, time, observation, score, ends

        def body(carry, noise):
            physics_state, time, observation, score, ends = carry
            outputs = outputs_of(params, finite(observation, limit))
            action = dist.sample_from_noise(outputs, noise)
            moved, reward, terminated = physics.step(physics_state, action)
            time, score = time + 1, score + reward
            done = terminated | (time >= physics.time_limit)
            fresh = torch.stack(
                [starts[:, i].index_select(0, ends[i : i + 1])[0] for i in range(len(ends))]
            )
            over = done.view(len(ends), -1)
            after_reset = torch.where(_like(done, moved), fresh.flatten(0, 1), moved)
            columns = (observation, action, dist.log_prob(outputs, action))
            columns = (*columns, physics.observe(moved), reward, terminated, score, time)
            columns = (*columns, told(physics.info(moved), done) if physics.info else {})
            columns = trees.map(torch.clone, columns)  # may be the physics, or views of them
            observation = trees.map(torch.clone, physics.observe(after_reset))
            score = torch.where(done, 0.0, score)
            return (after_reset, time * ~done, observation, score, ends + over.any(1)), columns

        carry, (*columns, score, time, infos) = scan(body, carry, noise)
        columns = dict(zip(KEYS, columns, strict=False))
        columns["truncated"] = (time >= physics.time_limit) & ~columns["terminated"]
        rollout = rollout_of({**columns, **({"info": infos} if infos else {})})
        return carry, rollout, tally(rollout, fresh, Sums(score, time))

    return Roll(run, compiled(run))


def _like(mask: Tensor, x: Tensor) -> Tensor:
    """A mask [B] for what is [B, ...]."""
    return mask.view(-1, *[1] * (x.ndim - 1))

"""The comparison of a file with the policy that it was made of, on observations of both kinds."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import ActionSpec, Env, batched
from nappo2.exporting.draws import Record, recorded
from nappo2.exporting.observations import as_bare
from nappo2.exporting.program import Program
from nappo2.exporting.trial import action_leaves, memory_leaves, next_name, noise_names
from nappo2.params import Plain
from nappo2.policies import Policy, action_of
from nappo2.seeds import fold_in, generator, split

NUM_STEPS = 200
"""Steps over which a memory is carried."""

Run = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""A file that was opened: ``inputs by name -> outputs by name``, [B, ...]."""


class Parity(NamedTuple):
    """How a file differs from its policy.

    Attributes:
        difference: the largest absolute difference of actions and memories. Where a dimension of the
            actions has a range wider than 2, it is in halves of that range; where a number of a
            memory is above 1, it is relative to the number.
        num_observations: on which they were compared.
        num_steps: over which a memory was carried; 1 without a memory.
    """

    difference: float
    num_observations: int
    num_steps: int


class Memories(NamedTuple):
    """The memory of a policy, and that of its file as tensors [B, ...] by name."""

    ours: Any
    theirs: dict[str, Tensor]


@torch.no_grad()
def compare(
    env: Env, policy: Policy, params: Plain, program: Program, run: Run, num: int, seed: int
) -> Parity:
    """Compares a file with its policy, on observations met by acting and on random ones.

    Args:
        env: whose simulators are made for the comparison and closed after it.
        policy: of which the file was made.
        params: of the policy.
        program: its inputs and outputs.
        run: the file.
        num: number of observations.
        seed: of environments, observations and noise.

    Returns:
        The parity.
    """
    env_seed, random_seed, memory_seed, key = split(fold_in(seed, "export"), 4)
    observations = met_and_random(env, policy, params, num, env_seed, random_seed)
    carried = any(port.name.startswith(next_name("memory")) for port in program.outputs)
    rng, difference = generator(key), 0.0
    sizes, memories = batch_sizes(num, carried), None
    for i, batch in enumerate(slices(sizes)):
        if memories is None or not carried:
            memory = policy.init(sizes[i], fold_in(memory_seed, i))
            memories = Memories(memory, dict(memory_leaves(memory)))
        observation = trees.map(lambda x, batch=batch: x[batch], observations)
        record = recorded(lambda o=observation, m=memories.ours: policy.act(params, o, m, rng))
        values = as_bare(env, observation) | memories.theirs | noise_of(record)
        outputs = run({port.name: values[port.name] for port in program.inputs})
        memories, here = differing(env, record.result, outputs)
        difference = max(difference, here)
    return Parity(difference, sum(sizes), len(sizes) if carried else 1)


def noise_of(record: Record) -> dict[str, Tensor]:
    """The numbers [B, ...] that a step drew, by the names of inputs."""
    names = noise_names(len(record.draws))
    return {name: draw.noise for name, draw in zip(names, record.draws, strict=True)}


def differing(
    env: Env, result: tuple[Any, Any], outputs: dict[str, Tensor]
) -> tuple[Memories, float]:
    """Both memories after a step, and the largest difference of actions and memories.

    Args:
        env: whose actions they are.
        result: of ``policy.act``.
        outputs: of the file, [B, ...] by name.

    Returns:
        The memories and the difference.
    """
    decision, memory = result
    action = dict(action_leaves(batched(env.action_spec.to_env(action_of(decision)))))
    scales = dict(action_leaves(half_range(env.action_spec)))
    difference = max(largest(x, outputs[name].numpy(), scales[name]) for name, x in action.items())
    after = dict(memory_leaves(memory))
    theirs = {name: outputs.get(next_name(name), leaf) for name, leaf in after.items()}
    for name, leaf in after.items():
        scale = leaf.abs().clamp(min=1).numpy()
        difference = max(difference, largest(leaf.numpy(), theirs[name].numpy(), scale))
    return Memories(memory, theirs), difference


def met_and_random(
    env: Env, policy: Policy, params: Plain, num: int, env_seed: int, seed: int
) -> Any:
    """Observations [num, ...], first those met by acting and then as many random ones.

    Args:
        env: in which the policy acts.
        policy: how to act.
        params: of the policy.
        num: number of observations.
        env_seed: of environments and policy.
        seed: of the random ones.

    Returns:
        A tensor, or several by name.
    """
    rng = generator(seed)
    met = observations_met(env, policy, params, num - num // 2, env_seed)
    return trees.map(lambda x: torch.cat([x, random_like(x, num // 2, rng)]), met)


def batch_sizes(num: int, carried: bool) -> list[int]:
    """The sizes of the batches of ``num`` observations; equal ones where a memory is carried."""
    if carried:
        rows = max(1, num // NUM_STEPS)
        return [rows] * (num // rows)
    sizes = [size for size in (1, 2, 7) if size < num // 4]
    rest = num - sum(sizes)
    return [*sizes, *[256] * (rest // 256), *([rest % 256] if rest % 256 else [])]


def observations_met(env: Env, policy: Policy, params: Plain, num: int, seed: int) -> Any:
    """Observations [num, ...] of the first steps of a policy.

    Args:
        env: in which it acts.
        policy: how to act.
        params: of the policy.
        num: number of observations.
        seed: of environments and policy.

    Returns:
        A tensor, or several by name.
    """
    env_seed, memory_seed, key = split(seed, 3)
    state, observation = env.reset(env_seed)
    memory, rng, met = policy.init(env.num_envs, memory_seed), generator(key), []
    try:
        for _ in range(-(-num // env.num_envs)):
            met.append(observation)
            decision, memory = policy.act(params, observation, memory, rng)
            state, observation, transition = env.step(state, action_of(decision))
            done = transition.terminated | transition.truncated
            memory = policy.reset(memory, done, rng)
    finally:
        env.close(state)
    return trees.map(lambda *parts: torch.cat(parts)[:num], *met)


def random_like(x: Tensor, num: int, rng: torch.Generator) -> Tensor:
    """Random observations [num, ...]: bytes, choices, or normal numbers around those of ``x`` [N, ...].

    They spread by three deviations and one, so that some are beyond the bounds of a normalisation.

    Args:
        x: observations that were met, [N, ...].
        num: number of random ones.
        rng: of which they are drawn.

    Returns:
        A tensor of the dtype of ``x``.
    """
    shape = (num, *x.shape[1:])
    if not x.is_floating_point():
        end = 256 if x.dtype == torch.uint8 else int(x.max()) + 1
        return torch.randint(end, shape, generator=rng).to(x.dtype)
    spread = 1 + 3 * x.std(0, correction=0)
    return x.mean(0) + spread * torch.randn(shape, generator=rng)


def half_range(spec: ActionSpec) -> Any:
    """Half the range of each dimension of an action, at least 1: the unit of differences, by part."""
    if spec.parts:
        return {name: half_range(part) for name, part in spec.parts.items()}
    if spec.sizes or not spec.dtype.is_floating_point:
        return np.ones(())
    ends = (spec.in_space(torch.full((1, *spec.shape), x)).double()[0] for x in (1.0, -1.0))
    high, low = ends
    return (high / 2 - low / 2).clamp(min=1).numpy()


def largest(ours: np.ndarray, theirs: np.ndarray, scale: Any) -> float:
    """The largest difference of two arrays; infinite if their kinds differ.

    Args:
        ours: an array.
        theirs: an array of the same shape and dtype.
        scale: the unit of differences.

    Returns:
        The largest absolute difference, in units of ``scale``.
    """
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf
    if np.array_equal(ours, theirs):
        return 0.0
    difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)) / scale
    return np.inf if np.isnan(difference).any() else float(difference.max())


def slices(sizes: list[int]) -> Iterator[slice]:
    """The slices of consecutive batches of these sizes."""
    start = 0
    for size in sizes:
        yield slice(start, start + size)
        start += size

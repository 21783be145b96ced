"""A step of a policy on zeros, by which its inputs, outputs and draws are known."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import Env
from nappo2.exporting.draws import recorded
from nappo2.exporting.observations import as_observation, bare_tensors, bare_zeros
from nappo2.params import Plain
from nappo2.policies import Policy, action_of
from nappo2.seeds import generator


class Trial(NamedTuple):
    """A step of a policy.

    Attributes:
        observation: the tensors of the observation by name, as the bare environment gives them.
        memory: those parts of the memory that the step reads or changes, by name.
        noise: the numbers that were drawn, by name.
        action: of the environment's own space, as a tensor or several by name.
        changed: those parts of the memory that the step changed, by name.
        about: the laws of noise, and memories where an episode begins, by name.
        used: ids of the tensors that the step gave to functions of torch.
    """

    observation: dict[str, Tensor]
    memory: dict[str, Tensor]
    noise: dict[str, Tensor]
    action: Any
    changed: dict[str, Tensor]
    about: dict[str, str]
    used: set[int]

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The inputs of a file [B, ...] by name, in order."""
        return self.observation | self.memory | self.noise

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs of a file [B, ...] by name, in order."""
        changed = {next_name(name): leaf for name, leaf in self.changed.items()}
        return dict(action_leaves(self.action)) | changed


def try_step(env: Env, policy: Policy, params: Plain, size: int) -> Trial:
    """Takes a step in a batch of ``size`` observations of zeros.

    Args:
        env: whose observations they are.
        policy: how to act.
        params: of the policy.
        size: of the batch.

    Returns:
        Inputs and outputs by name.

    Raises:
        ValueError: if the policy draws what depends on the observation.
    """
    tensors = bare_zeros(env, size)
    choices = {
        name: "choices, from 0" for name, _, x in bare_tensors(env) if x.dtype == torch.int64
    }
    observation, start = (
        as_observation(env, list(tensors.values())),
        recorded(lambda: policy.init(size, 0)),
    )
    record = recorded(lambda: policy.act(params, observation, start.result, generator(0)))
    decision, after = record.result
    memory, after = dict(memory_leaves(start.result)), dict(memory_leaves(after))
    changed = {name: leaf for name, leaf in after.items() if leaf is not memory[name]}
    drawn = dict(zip(noise_names(len(record.draws)), record.draws, strict=True))
    laws = {id(draw.result): draw.law for draw in start.draws}
    starts = {name: laws.get(id(leaf)) or at_start(leaf) for name, leaf in memory.items()}
    return Trial(
        observation=tensors,
        memory={
            name: leaf
            for name, leaf in memory.items()
            if name in changed or id(leaf) in record.used
        },
        noise={name: draw.noise for name, draw in drawn.items()},
        action=env.action_spec.in_space(action_of(decision)),
        changed=changed,
        about=choices | starts | {name: draw.law for name, draw in drawn.items()},
        used=record.used,
    )


def memory_leaves(memory: Any, name: str = "memory") -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors [B, ...] of a policy's memory with names, such as ``memory_age``."""
    if isinstance(memory, Tensor):
        yield name, memory
    for key, child in trees.children(memory) or ():
        yield from memory_leaves(child, f"{name}_{key}")


def action_leaves(action: Any, name: str = "action") -> Iterator[tuple[str, Any]]:
    """Yields the tensors or arrays [B, ...] of an action with names, such as ``action_arm_force``."""
    if (children := trees.children(action)) is None:
        yield name, action
    for key, child in children or ():
        yield from action_leaves(child, f"{name}_{key}")


def refilled(memory: Any, leaves: Mapping[str, Tensor]) -> Any:
    """A memory with other tensors [B, ...] by name; those without one stay."""
    names = (name for name, _ in memory_leaves(memory))
    return trees.map(lambda leaf: leaves.get(next(names), leaf), memory)


def next_name(name: str) -> str:
    """The name of an output that is the next value of a part of the memory."""
    return f"next_{name}"


def noise_names(num: int) -> list[str]:
    """The names of the inputs of ``num`` draws: ``noise``, or ``noise_0``, ``noise_1``, ..."""
    return ["noise"] if num == 1 else [f"noise_{i}" for i in range(num)]


def at_start(leaf: Tensor) -> str:
    """A part [B, ...] of the memory where an episode begins, in words."""
    numbers = leaf[0].flatten().unique()
    start = f"{numbers.item():g}" if len(numbers) == 1 else str(leaf[0].tolist())
    return f"{start} where an episode begins"

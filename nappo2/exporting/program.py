"""A policy with params as a traced program of tensors, with named inputs and outputs."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.exporting.draws import replayed
from nappo2.exporting.observations import as_observation
from nappo2.exporting.ports import BATCH, Port, port
from nappo2.exporting.trial import Trial, action_leaves, memory_leaves, refilled, try_step
from nappo2.params import Plain
from nappo2.policies import Policy, action_of
from nappo2.seeds import generator
from nappo2.trees import walk


class Program(NamedTuple):
    """A policy with params, traced.

    Attributes:
        inputs: the observation, the memory if there is one, and the noise of all draws.
        outputs: the action or its parts, and those parts of the memory that a step changes.
        weights: tensors of the params that actions depend on, by dotted names.
        run: ``(weights, *inputs) -> outputs``, in eager torch.
        exported: the trace.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weights: dict[str, Tensor]
    run: Callable[..., tuple[Tensor, ...]]
    exported: ExportedProgram


@checked
@torch.no_grad()
def trace(env: Env, policy: Policy, params: Plain) -> Program:
    """Traces a policy with params as a program of the observations of a bare environment.

    Args:
        env: whose observations and actions the program has.
        policy: how to act; its draws become inputs.
        params: plain, on the CPU.

    Returns:
        The program, for batches of any size.

    Raises:
        ValueError: if the policy cannot be traced, or draws what depends on the observation.
    """
    two, three = (try_step(env, policy, params, size) for size in (2, 3))
    inputs, outputs = (
        tuple(port(name, first[name], second[name], two.about.get(name, "")) for name in first)
        for first, second in ((two.inputs, three.inputs), (two.outputs, three.outputs))
    )
    weights = {
        name: leaf for name, leaf in named(params) if id(leaf) in two.used and not is_constant(name)
    }
    run = program_of(env, policy, params, two)
    exported = traced(run, weights, inputs, list(three.inputs.values()))
    return Program(inputs, outputs, weights, run, exported)


def program_of(
    env: Env, policy: Policy, params: Plain, trial: Trial
) -> Callable[..., tuple[Tensor, ...]]:
    """The function that a file computes.

    Args:
        env: whose observations and actions it has.
        policy: how to act.
        params: of the policy.
        trial: a step, which has inputs and outputs by name.

    Returns:
        ``(weights, *inputs) -> outputs`` [B, ...], with weights by dotted names.
    """
    memory, constants = policy.init(1, 0), constants_of(params)

    def run(weights, *inputs):
        values = dict(zip(trial.inputs, inputs, strict=True))
        observation = as_observation(env, [values[name] for name in trial.observation])
        before, plain = refilled(memory, values), with_leaves(params, {**weights, **constants()})
        decision, after = replayed(
            lambda: policy.act(plain, observation, before, generator(0)),
            [values[name] for name in trial.noise],
        )
        leaves = dict(memory_leaves(after))
        action = env.action_spec.in_space(action_of(decision))
        parts = (leaf for _, leaf in action_leaves(action))
        return *parts, *(leaves[name] for name in trial.changed)

    return run


class Traceable(nn.Module):
    """A program whose weights are buffers with dotted names."""

    def __init__(self, run: Callable, weights: Mapping[str, Tensor]):
        super().__init__()
        self.run, self.names = run, tuple(weights)
        for name, leaf in weights.items():
            *path, last = name.split(".")
            inner = self
            for step in path:
                if step not in dict(inner.named_children()):
                    inner.add_module(step, nn.Module())
                inner = inner.get_submodule(step)
            inner.register_buffer(last, leaf)

    def forward(self, *inputs):
        """Outputs [B, ...] of inputs [B, ...], in the order of the program's."""
        return self.run({name: self.get_buffer(name) for name in self.names}, *inputs)


def traced(
    run: Callable, weights: Mapping[str, Tensor], ports: Sequence[Port], example: Sequence[Tensor]
) -> ExportedProgram:
    """Traces a function for batches of any size.

    Args:
        run: ``(weights, *inputs) -> outputs``.
        weights: by dotted names.
        ports: the inputs.
        example: tensors [B, ...] of these shapes.

    Returns:
        The trace.

    Raises:
        ValueError: if torch.export cannot trace it.
    """
    size = torch.export.Dim(BATCH, min=1)
    dims = tuple(
        {i: size for i, length in enumerate(port.shape) if length == BATCH} for port in ports
    )
    try:
        module = Traceable(run, weights)
        exported = torch.export.export(module, tuple(example), dynamic_shapes=(dims,))
    except Exception as error:  # a user's network may do anything
        reason = re.split(r"\n| For more information", str(error).strip())[0]
        raise ValueError(f"torch.export cannot trace the policy: {reason}") from error
    for node in exported.graph.nodes:
        node.meta.pop("stack_trace", None)  # which has the paths of this machine
    return exported


def named(params: Mapping) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors [...] of params with dotted names, such as ``weights.actor.0.weight``."""
    return ((".".join(path), leaf) for path, leaf in walk(params))


def is_constant(name: str) -> bool:
    """Tests whether a leaf of params is a number that policies may branch on, and not a weight."""
    return name == "version" or name.startswith("hyper.")


def constants_of(params: Plain) -> Callable[[], dict[str, Tensor]]:
    """The function that makes version and hyper-parameters [] anew, by dotted names.

    torch.export lets a policy branch on the numbers of those tensors alone that are made while it traces.
    """
    numbers = {
        name: (leaf.tolist(), leaf.dtype) for name, leaf in named(params) if is_constant(name)
    }
    return lambda: {name: torch.tensor(x, dtype=dtype) for name, (x, dtype) in numbers.items()}


def with_leaves(params: Mapping, leaves: Mapping[str, Tensor], path: str = "") -> Plain:
    """Params with other leaves; those without one stay, and so do empty branches.

    Args:
        params: or a branch of them.
        leaves: tensors [...] by dotted names.
        path: of the branch, such as ``weights.``.

    Returns:
        A copy.
    """
    return Plain(
        {
            name: leaves.get(f"{path}{name}", x)
            if isinstance(x, Tensor)
            else with_leaves(x, leaves, f"{path}{name}.")
            for name, x in params.items()
        }
    )

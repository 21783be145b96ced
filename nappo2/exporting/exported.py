"""What is said of an exported file: in a notebook, within the file, and in the JSON beside it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.fx import Node

from nappo2.envs import ActionSpec, Env
from nappo2.exporting.parity import Parity
from nappo2.exporting.ports import Port
from nappo2.exporting.program import Program


class Exported(NamedTuple):
    """A file that was written, and how it differs from its policy.

    Attributes:
        path: of the file; a file of the same name and ``.json`` says all this of it.
        name: of the recipe.
        environment: name of the environment.
        inputs: what the file takes, in order.
        outputs: what it returns, in order.
        parity: the comparison with the policy.
        versions: of the packages that wrote it.
    """

    path: Path
    name: str
    environment: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    parity: Parity
    versions: dict[str, str]

    def __repr__(self):
        num, steps = self.parity.num_observations, self.parity.num_steps
        over = f" over {steps} steps" if steps > 1 else ""
        return "\n".join(
            [
                f"{self.path.name}: {self.name} for {self.environment}",
                f"  takes {', '.join(map(repr, self.inputs))}",
                f"  returns {', '.join(map(repr, self.outputs))}",
                f"  differs from the policy by at most {self.parity.difference:.1e} on {num:,} "
                f"observations{over}",
            ]
        )

    def as_json(self) -> str:
        """The text of the file beside the exported one."""
        ports = {
            name: [as_dict(port) for port in getattr(self, name)] for name in ("inputs", "outputs")
        }
        fields = self._asdict() | {"path": self.path.name, "parity": self.parity._asdict()}
        return json.dumps(fields | ports, indent=1)


def as_dict(port: Port) -> dict[str, Any]:
    """A port as JSON has it."""
    return {key: value for key, value in port._asdict().items() if value != ""}


def about(env: Env, name: str, program: Program) -> str:
    """What is known of a program, as the JSON that a file keeps.

    Args:
        env: whose observations and actions it has.
        name: of the recipe.
        program: to be described.

    Returns:
        JSON: spaces, inputs, outputs, the shapes of all weights, and every operation between them.
    """
    given = env.observation_space if env.bare_space is None else env.bare_space
    return json.dumps(
        {
            "recipe": name,
            "environment": env.name,
            "observation_space": " ".join(str(given).split()),
            "action_space": str(env.action_space),
            "observations": env.observation_spec.kind,
            "normalised": any(weight.startswith("normalizer.") for weight in program.weights),
            "actions": actions(env.action_spec),
            "inputs": [as_dict(port) for port in program.inputs],
            "outputs": [as_dict(port) for port in program.outputs],
            "weights": {name: list(leaf.shape) for name, leaf in program.weights.items()},
            "operations": operations(program),
        }
    )


def actions(spec: ActionSpec) -> dict[str, Any]:
    """The kind of actions, their number or dimensions, bounds if there are some, and their parts by name."""
    entry: dict[str, Any] = {"kind": spec.kind, "size": spec.size}
    if spec.parts:
        return entry | {"parts": {name: actions(part) for name, part in spec.parts.items()}}
    if spec.kind == "multi-discrete":
        return entry | {"sizes": list(spec.sizes)}
    if spec.kind != "continuous":
        return entry
    ends = {"low": -1.0, "high": 1.0}
    return entry | {
        name: spec.in_space(torch.full((1, *spec.shape), x))[0].tolist() for name, x in ends.items()
    }


def operations(program: Program) -> list[str]:
    """The operations of a program in order, such as ``tanh = aten.tanh(linear)``."""
    exported, ports, needed = program.exported, iter(program.inputs), needed_nodes(program)
    buffers = exported.graph_signature.inputs_to_buffers
    constants = exported.graph_signature.inputs_to_lifted_tensor_constants
    names, lines = {}, []
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            known = buffers.get(node.name) or constants.get(node.name)
            names[node.name] = known or next(ports).name
        elif node.op == "call_function" and node in needed:
            function = str(node.target).removesuffix(".default")
            values = ", ".join(_text(x, names) for x in (*node.args, *node.kwargs.values()))
            lines.append(f"{node.name} = {function}({values})")
    return lines


def needed_nodes(program: Program) -> set[Node]:
    """The nodes of a program on which its outputs depend."""
    needed: set[Node] = set()
    for node in reversed(program.exported.graph.nodes):
        if node.op == "output" or node in needed:
            needed |= set(node.all_input_nodes)
    return needed


def _text(value: Any, names: dict[str, str]) -> str:
    if isinstance(value, Node):
        return names.get(value.name, value.name)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_text(x, names) for x in value)}]"
    return str(value)

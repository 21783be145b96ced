"""Weights as safetensors: tensors under plain names, and what is known of the program as JSON."""

from pathlib import Path

from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked, suggestion
from nappo2.exporting.packages import check_installed
from nappo2.exporting.parity import Run
from nappo2.exporting.program import Program, named
from nappo2.params import Params
from nappo2.trees import nested, walk


def write_safetensors(program: Program, about: str, path: Path) -> None:
    """Writes the weights of a program.

    Args:
        program: of which the weights are.
        about: JSON, which the file keeps in its metadata as ``nappo2``.
        path: of the file.
    """
    from safetensors.torch import save

    weights = {name: leaf.clone().contiguous() for name, leaf in program.weights.items()}
    path.write_bytes(save(weights, {"format": "pt", "nappo2": about}))


def open_safetensors(path: Path, program: Program) -> Run:
    """Opens a file of weights, to run them in the program that they are of."""
    from safetensors.torch import load_file

    weights = load_file(path)

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = program.run(weights, *inputs.values())
        return dict(zip((port.name for port in program.outputs), outputs, strict=True))

    return run


@checked
def load_safetensors(path: str | Path, params: Params) -> Params:
    """Params with the weights of a file that ``export`` wrote; all others stay.

    Args:
        path: of the file.
        params: of the same recipe, as ``recipe.init(0)`` makes them.

    Returns:
        New params.

    Raises:
        ImportError: without safetensors; says how to install it.
        ValueError: if a tensor of the file is not among the params, or has another shape there.
        FileNotFoundError: if there is no such file.
    """
    check_installed(".safetensors", ("safetensors",))
    from safetensors.torch import load_file

    weights, leaves = load_file(path), dict(named(params))
    for name in sorted(weights.keys() - leaves.keys()):
        raise ValueError(
            f"{path} has {name}, which is not among these params; they have "
            f"{suggestion(name, sorted(leaves))}"
        )
    for name, tensor in weights.items():
        if leaves[name].shape != tensor.shape:
            raise ValueError(
                f"{name} has the shape {tuple(tensor.shape)} in {path}, and "
                f"{tuple(leaves[name].shape)} in these params"
            )
    paths = tuple(path for path, _ in walk(params))
    values = [weights.get(".".join(path), leaf) for path, leaf in walk(params)]
    return TensorDict({key: TensorDict() for key in params.keys()} | nested(paths, values))

"""Programs as ONNX files."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nappo2.exporting.packages import quiet
from nappo2.exporting.parity import Run
from nappo2.exporting.ports import BATCH, Port
from nappo2.exporting.program import Program


def write_onnx(program: Program, about: str, path: Path) -> None:
    """Writes a program as one ONNX file.

    Args:
        program: to be written.
        about: JSON, which the file keeps in its metadata as ``nappo2``.
        path: of the file.
    """
    with quiet():
        written = torch.onnx.export(
            program.exported,
            dynamo=True,
            external_data=False,
            input_names=[port.name for port in program.inputs],
            output_names=[port.name for port in program.outputs],
            verbose=False,
        )
        model = written.model_proto
    for values, ports in (
        (model.graph.input, program.inputs),
        (model.graph.output, program.outputs),
    ):
        for value, port in zip(values, ports, strict=True):
            name_dimensions(value, port)
    strip(model.graph)
    entry = model.metadata_props.add()
    entry.key, entry.value = "nappo2", about
    path.write_bytes(model.SerializeToString())


def strip(graph: Any) -> None:
    """Removes what torch notes of its trace, such as the paths of this machine."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for tensor in graph.initializer:
        tensor.ClearField("metadata_props")


def name_dimensions(value: Any, port: Port) -> None:
    """Writes the dimensions of a port to an input or output of ONNX, so that they are called ``batch``."""
    for dim, length in zip(value.type.tensor_type.shape.dim, port.shape, strict=True):
        if length == BATCH:
            dim.dim_param = BATCH
        else:
            dim.dim_value = length


def open_onnx(path: Path, program: Program) -> Run:
    """Opens an ONNX file in onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        arrays = {name: x.contiguous().numpy() for name, x in inputs.items()}
        outputs = map(torch.from_numpy, session.run(names, arrays))
        return dict(zip(names, outputs, strict=True))

    return run

"""Programs as files of torch.export."""

from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from nappo2.exporting.packages import quiet
from nappo2.exporting.parity import Run
from nappo2.exporting.program import Program


def write_pt2(program: Program, about: str, path: Path) -> None:
    """Writes a program as torch.export does.

    Args:
        program: to be written.
        about: JSON, which the file keeps as ``nappo2.json``.
        path: of the file.
    """
    data = BytesIO()  # as torch raises no OSError where a disk refuses what it writes to a path
    with quiet():
        torch.export.save(program.exported, data, extra_files={"nappo2.json": about})
    path.write_bytes(data.getvalue())


def open_pt2(path: Path, program: Program) -> Run:
    """Opens a file of torch.export."""
    with quiet():
        module = torch.export.load(path).module()

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = module(*inputs.values())
        return dict(zip((port.name for port in program.outputs), outputs, strict=True))

    return run

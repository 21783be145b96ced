"""The formats of exported agents, by suffix: how a file is written, and how it is run."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nappo2.exporting.onnx_format import open_onnx, write_onnx
from nappo2.exporting.packages import check_installed
from nappo2.exporting.parity import Run
from nappo2.exporting.program import Program
from nappo2.exporting.pt2_format import open_pt2, write_pt2
from nappo2.exporting.safetensors_format import open_safetensors, write_safetensors
from nappo2.saving.outputs import check_output


class Format(NamedTuple):
    """A format of files.

    Attributes:
        packages: which it needs, beside torch.
        write: ``(program, about, path) -> None``; ``about`` is JSON that the file keeps.
        open: ``(path, program) -> run``, which makes of the file what its users would.
    """

    packages: tuple[str, ...]
    write: Callable[[Program, str, Path], None]
    open: Callable[[Path, Program], Run]


FORMATS: dict[str, Format] = {
    ".onnx": Format(("onnx", "onnxscript", "onnxruntime"), write_onnx, open_onnx),
    ".pt2": Format((), write_pt2, open_pt2),
    ".safetensors": Format(("safetensors",), write_safetensors, open_safetensors),
}
"""The formats by the suffix of a file's name."""


def format_of(path: Path) -> Format:
    """The format of a file, by the suffix of its name.

    Raises:
        ValueError: if no format has this suffix.
    """
    if path.suffix not in FORMATS:
        raise ValueError(
            f"{path.name} ends in {path.suffix or 'no suffix'}; an agent is exported to a file that "
            f"ends in {', '.join(FORMATS)}"
        )
    return FORMATS[path.suffix]


def check_file(path: str | Path) -> Format:
    """The format of a file that can be written, before any work for it.

    Raises:
        ImportError: if a package of the format is missing; says how to install it.
        ValueError: for another suffix, or a path at which there can be no file.
    """
    file_format = format_of(Path(path))
    check_installed(Path(path).suffix, file_format.packages)
    check_output(path)
    return file_format

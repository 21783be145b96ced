"""Trained agents as files for other programs: ONNX, torch.export and safetensors.

A file computes an action of the environment's own space from an observation as the bare environment
gives it. Whatever is random in a policy is an input, so that nothing in a file has a seed. Each file is
compared with the policy before it gets its name.
"""

from nappo2.exporting._export import export, export_policy
from nappo2.exporting.exported import Exported
from nappo2.exporting.formats import FORMATS, Format
from nappo2.exporting.parity import Parity
from nappo2.exporting.ports import Port
from nappo2.exporting.program import Program, trace
from nappo2.exporting.safetensors_format import load_safetensors

__all__ = [
    "FORMATS",
    "Exported",
    "Format",
    "Parity",
    "Port",
    "Program",
    "export",
    "export_policy",
    "load_safetensors",
    "trace",
]

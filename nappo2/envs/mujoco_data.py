"""The data of MuJoCo, which its model and a step make of each other, as arrays."""

from typing import Any

import numpy as np

SCRATCH = ("efc_", "efm_", "island", "map_")  # what each step writes before it reads it


def save_mujoco(data: Any) -> dict[str, np.ndarray]:
    """All arrays, as rewards look at what the last step derived from the state before it."""
    names = [name for name in dir(data) if not name.startswith("_")]
    kept = [name for name in names if not any(word in name for word in SCRATCH)]
    values = ((name, getattr(data, name)) for name in kept)
    arrays = {name: x.copy() for name, x in values if isinstance(x, np.ndarray)}
    return arrays | {"time": np.asarray(data.time)}


def load_mujoco(data: Any, saved: dict[str, np.ndarray]) -> None:
    """Moves data to where those were that are saved."""
    import mujoco

    _copy(data, saved)
    mujoco.mj_forward(data.model, data)  # so that there are as many contacts and constraints
    _copy(data, saved)


def _copy(data: Any, saved: dict[str, np.ndarray]) -> None:
    for name, x in saved.items():
        there = getattr(data, name)
        if isinstance(there, np.ndarray) and there.shape == x.shape:
            there[...] = x
    data.time = float(saved["time"])

"""What an environment was made with, so that one with other arguments is known as another."""

import json
import re
from hashlib import blake2b
from types import CodeType, FunctionType, NoneType
from typing import Any

import gymnasium
import numpy as np
from torch import Tensor

from nappo2.envs.graph import Saving
from nappo2.envs.kinds import LARGE
from nappo2.envs.saving import attributes, layers

MOST = 2_000  # things within one attribute, beyond which it is no setting
LONGEST = 60  # characters that are shown of a value
LAYER = "'"  # behind a name for each layer within, as wrappers may be of one class
DIGEST = re.compile(r" [0-9a-f]{16}$", re.MULTILINE)

PLAIN = (bool, int, float, str, bytes, complex, NoneType)

Settings = dict[str, str]
"""A short text for each attribute of each layer, by name."""


def settings_of(env: gymnasium.Env) -> Settings:
    """What an environment was made with; of one that has not been reset."""
    layered = list(layers(env))
    return {
        f"{type(layer).__name__}.{name}" + LAYER * (len(layered) - i - 1): _text(value)
        for i, layer in enumerate(layered)
        for name, value in attributes(layer).items()
    }


def settled(one: Settings, other: Settings) -> str:
    """The settings that two environments have in common that were made alike, as one text.

    The others are drawn, counted or taken from a clock when an environment is made.
    """
    return json.dumps({name: x for name, x in one.items() if other.get(name) == x}, sort_keys=True)


def differences(before: str, here: str) -> str | None:
    """What differs between the settings of two environments, as a sentence; None if nothing does."""
    old, new = json.loads(before), json.loads(here)
    names = [name for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]
    if not names:
        return None
    plain = [name for name in names if not DIGEST.search(f"{old[name]}\n{new[name]}")]
    parts = [
        f"{name.rstrip(LAYER)} was {old[name][:LONGEST]} and is {new[name][:LONGEST]}"
        for name in plain or names
    ]
    return f"it was made with other arguments: {', '.join(parts[:4])}"


def _text(value: Any) -> str:
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    saving, mark = Saving(most=MOST), blake2b(digest_size=8)
    try:
        root = saving.value(value, "")
        _feed(mark, [root, saving.nodes])
        if isinstance(value, FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            _feed(mark, [*_instructions(value.__code__), value.__defaults__, cells])
    except Exception:  # of what is no data, as numpy sees it, or does not let itself be looked at
        return type(value).__qualname__
    return f"{type(value).__qualname__} {mark.hexdigest()}"


def _instructions(code: CodeType) -> list:
    """What a function does, without where it is written."""
    return [code.co_code, code.co_names, [x for x in code.co_consts if isinstance(x, PLAIN)]] + [
        part for x in code.co_consts if isinstance(x, CodeType) for part in _instructions(x)
    ]


def _feed(mark: Any, value: Any) -> None:
    """Has a digest depend on data; of large arrays on a part."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        mark.update(f"[{len(value)}".encode())
        for x in value:
            _feed(mark, x)
    elif isinstance(value, (np.ndarray, Tensor)):
        array = np.asarray(value)
        mark.update(f"{array.dtype}{array.shape}".encode())
        mark.update(array.ravel()[:: max(1, array.size // LARGE)].tobytes())
    elif isinstance(value, PLAIN):
        mark.update(f"{type(value).__name__} {value!r}".encode())
    else:  # whose text may have an address
        mark.update(type(value).__qualname__.encode())

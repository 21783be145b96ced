"""The settings of an environment, so that one that was made with other arguments is recognised."""

import json
import re
from hashlib import blake2b
from types import CodeType, FunctionType, NoneType
from typing import Any

import gymnasium
import numpy as np
from torch import Tensor

from nappo2.envs.array_kinds import LARGE
from nappo2.envs.graph import Saving
from nappo2.envs.saving import attributes, layers

MAX_NODES = 2_000  # of the graph of one attribute, beyond which it is no setting
MAX_CHARACTERS = 60  # that are shown of a value
LAYER = "'"  # behind a name for each layer within, as wrappers may be of one class
DIGEST = re.compile(r" [0-9a-f]{16}$", re.MULTILINE)

PLAIN = (bool, int, float, str, bytes, complex, NoneType)

Settings = dict[str, str]
"""A short text for each attribute of each layer, by name."""


def settings_of(env: gymnasium.Env) -> Settings:
    """The settings of an environment that has not been reset yet."""
    all_layers = list(layers(env))
    return {
        f"{type(layer).__name__}.{name}" + LAYER * (len(all_layers) - i - 1): _text(value)
        for i, layer in enumerate(all_layers)
        for name, value in attributes(layer).items()
    }


def common_settings(left: Settings, right: Settings) -> str:
    """The equal settings of two environments that were made with the same arguments, as JSON.

    All others are drawn, counted or taken from a clock when an environment is made.
    """
    equal = {name: x for name, x in left.items() if right.get(name) == x}
    return json.dumps(equal, sort_keys=True)


def differences(before: str, here: str) -> str | None:
    """The differences between two results of ``common_settings``, as a sentence; None if there are none."""
    old, new = json.loads(before), json.loads(here)
    names = [name for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]
    if not names:
        return None
    readable = [name for name in names if not DIGEST.search(f"{old[name]}\n{new[name]}")]
    parts = [
        f"{name.rstrip(LAYER)} was {old[name][:MAX_CHARACTERS]} and is {new[name][:MAX_CHARACTERS]}"
        for name in readable or names
    ]
    return f"it was made with other arguments: {', '.join(parts[:4])}"


def _text(value: Any) -> str:
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    saving, digest = Saving(max_nodes=MAX_NODES), blake2b(digest_size=8)
    try:
        root = saving.value(value, "")
        _update_digest(digest, [root, saving.nodes])
        if isinstance(value, FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            _update_digest(digest, [*_instructions(value.__code__), value.__defaults__, cells])
    except Exception:  # a value that is no data to numpy, or whose attributes raise
        return type(value).__qualname__
    return f"{type(value).__qualname__} {digest.hexdigest()}"


def _instructions(code: CodeType) -> list:
    """The instructions of a function, without file name and line numbers."""
    return [code.co_code, code.co_names, [x for x in code.co_consts if isinstance(x, PLAIN)]] + [
        part for x in code.co_consts if isinstance(x, CodeType) for part in _instructions(x)
    ]


def _update_digest(digest: Any, value: Any) -> None:
    """Feeds data to a digest; of large arrays a part."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        digest.update(f"[{len(value)}".encode())
        for x in value:
            _update_digest(digest, x)
    elif isinstance(value, (np.ndarray, Tensor)):
        array = np.asarray(value)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.ravel()[:: max(1, array.size // LARGE)].tobytes())
    elif isinstance(value, PLAIN):
        digest.update(f"{type(value).__name__} {value!r}".encode())
    else:  # whose text may have an address
        digest.update(type(value).__qualname__.encode())

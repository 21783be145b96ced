"""Gymnasium's spaces as plain data, with which an agent acts where its environment is not installed."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Text, Tuple


@singledispatch
def space_data(space: Space) -> dict[str, Any]:
    """A space as data for JSON.

    Raises:
        NotImplementedError: for a class of spaces that has no such form.
    """
    raise NotImplementedError(f"{type(space).__name__} cannot be written down")


@space_data.register
def _(space: Box) -> dict[str, Any]:
    bounds = {"low": _bound(space.low), "high": _bound(space.high)}
    return {"space": "Box", **bounds, "shape": list(space.shape), "dtype": str(space.dtype)}


@space_data.register
def _(space: Discrete) -> dict[str, Any]:
    return {"space": "Discrete", "n": int(space.n), "start": int(space.start)}


@space_data.register
def _(space: MultiDiscrete) -> dict[str, Any]:
    return {"space": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist()}


@space_data.register
def _(space: MultiBinary) -> dict[str, Any]:
    return {"space": "MultiBinary", "n": list(space.shape)}


@space_data.register
def _(space: Text) -> dict[str, Any]:
    lengths = {"min_length": space.min_length, "max_length": space.max_length}
    return {"space": "Text", **lengths, "charset": "".join(sorted(space.character_set))}


@space_data.register
def _(space: Dict) -> dict[str, Any]:
    return {"space": "Dict", "spaces": {key: space_data(x) for key, x in space.spaces.items()}}


@space_data.register
def _(space: Tuple) -> dict[str, Any]:
    return {"space": "Tuple", "spaces": [space_data(x) for x in space.spaces]}


def _bound(bound: np.ndarray) -> Any:
    """A bound as nested lists, or one number where all are the same; infinity as a text."""
    array = np.asarray(bound)
    if array.size and (array == array.flat[0]).all():
        array = array.flat[0]
    return _finite(array.tolist())


def _finite(x: Any) -> Any:
    """Nested lists in which infinity is a text, as JSON has no other way to say it."""
    if isinstance(x, list):
        return [_finite(part) for part in x]
    return x if np.isfinite(x) else str(x)


def space_of(data: Mapping[str, Any]) -> Space:
    """The space of which ``space_data`` made these data.

    Raises:
        ValueError: if they are of no space.
    """
    makers = {
        "Box": _box,
        "Discrete": lambda d: Discrete(d["n"], start=d["start"]),
        "MultiDiscrete": lambda d: MultiDiscrete(d["nvec"], start=d["start"]),
        "MultiBinary": lambda d: MultiBinary(d["n"]),
        "Text": lambda d: Text(d["max_length"], min_length=d["min_length"], charset=d["charset"]),
        # of pairs, as a dictionary would be sorted, and networks have the parts in the space's order
        "Dict": lambda d: Dict([(key, space_of(x)) for key, x in d["spaces"].items()]),
        "Tuple": lambda d: Tuple([space_of(x) for x in d["spaces"]]),
    }
    try:
        return makers[data["space"]](data)
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise ValueError(f"these data are of no space: {str(data)[:80]}") from error


def _box(data: Mapping[str, Any]) -> Box:
    shape, dtype = tuple(data["shape"]), np.dtype(data["dtype"])
    low, high = (np.asarray(data[key]).astype(dtype) for key in ("low", "high"))
    return Box(*(np.broadcast_to(x, shape).copy() for x in (low, high)), shape, dtype)

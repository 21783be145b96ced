"""Configurations of recipes from plain data, each value converted to the type of its field."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def settings(cls: type, values: Mapping[str, Any], file: str | Path = "run.json") -> dict[str, Any]:
    """The values of a file for the fields of a class, converted to their types.

    Args:
        cls: a dataclass or a NamedTuple.
        values: by the names of fields.
        file: from which they are, for messages.

    Returns:
        The values by name.

    Raises:
        ValueError: if a name is no field, or a value has another type.
    """
    hints = get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ValueError(f"{file} is of another recipe or version: it has {', '.join(unknown)}")
    return {name: _typed(name, value, hints[name], file) for name, value in values.items()}


def _typed(name: str, value: Any, hint: Any, file: str | Path) -> Any:
    """The value in its type: a list becomes a tuple, and a text a path."""
    for option in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if _fits(value, option):
            value = tuple(value) if isinstance(value, list) else value
            return Path(value) if option is Path else value
    kind = str(hint).removeprefix("typing.") if get_origin(hint) else hint.__name__
    raise ValueError(f"{name} in {file} is {kind}, not {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_fits(x, get_args(hint)[0]) for x in value)
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    kinds = {float: (int, float), Path: str}
    return isinstance(value, kinds.get(hint, hint))

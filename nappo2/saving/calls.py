"""Calls of functions as records, so that what they made can be described, and made again.

Environments, recipes and training schemes know the call that made them. As plain data it stands in a
run's card; to read it back calls functions of a given table, and imports nothing.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Call(NamedTuple):
    """A call of a function that makes a record.

    Attributes:
        function: ``module:name``.
        arguments: that were given, by name.
        result: the record, before anybody replaced one of its fields.
    """

    function: str
    arguments: dict[str, Any]
    result: Any


class Unknown(ValueError):
    """A call that cannot be made again here."""


def path_of(function: Any) -> str:
    """Where a function or class is defined: ``module:name``."""
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}:{owner.__qualname__}"


def remembering(make: Callable[..., T]) -> Callable[..., T]:
    """Decorates a function whose result is a record with a field ``made``: the call that made it."""
    signature, path = inspect.signature(make), path_of(make)

    @wraps(make)
    def call(*args, **kwargs):
        made = make(*args, **kwargs)
        return made._replace(made=Call(path, given(signature, args, kwargs), made))

    return call


def replaced_fields(record: Any) -> tuple[str, ...]:
    """The fields of a record with ``made`` that were replaced since it was made."""
    names = (name for name in record._fields if name != "made")
    return tuple(x for x in names if getattr(record, x) is not getattr(record.made.result, x))


def given(signature: inspect.Signature, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, without those that are the defaults, but for configurations.

    Args:
        signature: of the function.
        args: by position.
        kwargs: by name.

    Returns:
        The arguments; those of ``**kwargs`` among them.
    """
    found: dict[str, Any] = {}
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    for name, value in bound.arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif value is not parameter.default or is_dataclass(value):
            found[name] = value
    return found


def plain(value: Any) -> Any:
    """A value as data for JSON; a function, or another object, by its name alone."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(getattr(value, "text", None), str):  # a value that is written as a text
        return value.text
    if isinstance(getattr(value, "made", None), Call):
        call = {"call": value.made.function, "arguments": plain(value.made.arguments)}
        replaced = replaced_fields(value)
        return call | ({"replaced": list(replaced)} if replaced else {})
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(x) for key, x in value.items()}
    if type(value) in (list, tuple):
        return [plain(x) for x in value]
    if isinstance(value, partial):
        return {"function": path_of(value.func)}
    return {"function" if callable(value) else "object": path_of(value)}


def made_again(data: Any, functions: Mapping[str, Callable]) -> Any:
    """Makes a value again from its data; lists become tuples.

    Args:
        data: of ``plain``.
        functions: by ``path_of``, which alone are called.

    Returns:
        The value.

    Raises:
        Unknown: if it was made by another function, or has one among its arguments; names it.
    """
    if isinstance(data, list):
        return tuple(made_again(x, functions) for x in data)
    if not isinstance(data, Mapping):
        return data
    if isinstance(data.get("float"), str):
        return float(data["float"])
    for kind in ("function", "object"):
        if isinstance(data.get(kind), str):
            raise Unknown(f"the {kind} {data[kind]}")
    if "call" not in data:
        return {key: made_again(x, functions) for key, x in data.items()}
    if data["call"] not in functions:
        raise Unknown(f"the function {data['call']}")
    if data.get("replaced"):
        raise Unknown(f"another {' and '.join(data['replaced'])}")
    arguments = {key: made_again(x, functions) for key, x in data["arguments"].items()}
    return functions[data["call"]](**arguments)

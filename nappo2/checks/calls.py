"""Decorators of public functions: their arguments are checked against their annotations."""

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, get_type_hints

from nappo2.checks.annotations import Check, Refusal, check_of
from nappo2.checks.words import misfit, shown


class CallError(ValueError, TypeError):
    """Arguments that a function does not have, or lacks: a TypeError of Python's, in a sentence."""


def checked(make: Callable) -> Callable:
    """Decorates a function or a class: arguments of each call are checked against their annotations.

    Raises:
        ValueError: in a call; names the argument, what is right and what was given.
    """
    if isinstance(make, type):
        name = "__new__" if hasattr(make, "_fields") else "__init__"
        setattr(make, name, _checked(getattr(make, name), binder(getattr(make, name), make)))
        return make
    return _checked(make, binder(make))


def _checked(make: Callable, bind: Callable) -> Callable:
    @wraps(make)
    def call(*args, **kwargs):
        bound = bind(*args, **kwargs)
        return make(*bound.args, **bound.kwargs)

    call.is_maker = True
    return call


def explained(function: Callable) -> Callable:
    """Decorates a function that is called within steps: its arguments are checked only if it fails.

    Raises:
        ValueError: if it fails, and an argument is not what its annotation says.
    """
    bind = binder(function)

    @wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception:
            bind(*args, **kwargs)
            raise

    return call


def binder(make: Callable, owner: type | None = None) -> Callable[..., inspect.BoundArguments]:
    """Makes ``(*args, **kwargs) -> arguments`` of ``make`` by name, checked; of a class, its ``owner``.

    Raises:
        CallError: in a call with arguments that ``make`` does not have, or without one that it needs.
        ValueError: in a call; names the argument, what is right and what was given.
    """
    signature = inspect.signature(make)
    name = owner.__name__ if owner else make.__qualname__.removesuffix(".__init__")
    parameters = [p for i, p in enumerate(signature.parameters.values()) if i or not _is_self(p)]

    @cache
    def checks() -> dict[str, Check]:  # when it is called first, as annotations may look ahead
        hints = get_type_hints(owner if hasattr(owner, "_fields") else make)
        return {
            p.name: check_of(hints[p.name], p.name, p.default)
            for p in parameters
            if p.name in hints
        }

    def bind(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise CallError(misfit(name, parameters, kwargs, error)) from None
        for parameter in parameters:
            if parameter.name in bound.arguments and parameter.name in checks():
                bound.arguments[parameter.name] = _checked_values(
                    parameter, checks()[parameter.name], bound.arguments[parameter.name]
                )
        return bound

    return bind


def _is_self(parameter: inspect.Parameter) -> bool:
    return parameter.name in ("self", "_cls")


def _checked_values(parameter: inspect.Parameter, check: Check, value: Any) -> Any:
    """A checked value, or the checked values of ``*args`` and ``**kwargs``."""
    name = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        return tuple(take(f"{name}[{i}]", check, x) for i, x in enumerate(value))
    if parameter.kind is parameter.VAR_KEYWORD:
        return {key: take(key, check, x) for key, x in value.items()}
    return value if value is parameter.default else take(name, check, value)


def take(name: str, check: Check, value: Any) -> Any:
    """Checks the value of an argument.

    Args:
        name: of the argument.
        check: of its annotation.
        value: of the argument.

    Returns:
        The value, perhaps converted.

    Raises:
        ValueError: names the argument, what is right and what was given.
    """
    try:
        return check(value)
    except Refusal as no:
        raise ValueError(f"{name}{no.where} is {no.right}, not {shown(no.value)}") from None

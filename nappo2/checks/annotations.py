"""Checks of values, made of the annotations of arguments."""

import collections.abc
import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tensordict import TensorDict

from nappo2.checks.ranges import RANGES, Range
from nappo2.checks.words import words_of


class Refusal(Exception):
    """Raised by a check: what would be right, the wrong value, and its place in the argument."""

    def __init__(self, right: str, value: Any, where: str = ""):
        self.right, self.value, self.where = right, value, where


Check = Callable[[Any], Any]
"""``value -> value``, as the function takes it; raises ``Refusal``."""


def check_of(hint: Any, name: str, default: Any = None) -> Check:
    """Makes the check of an argument.

    Args:
        hint: annotation of the argument.
        name: of the argument, which may have a range.
        default: of the argument; integers may be 0 where it is.

    Returns:
        A function ``value -> value`` that raises ``Refusal``.
    """
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any or hint is object or hint is inspect.Parameter.empty:
        return lambda value: value
    if origin in (Union, types.UnionType):
        texts_first = sorted(
            args, key=lambda kind: kind is not str
        )  # words may stand for the others
        return _any_of([check_of(kind, name, default) for kind in texts_first])
    if isinstance(hint, TypeVar) and hint.__constraints__:
        return _any_of([check_of(kind, name, default) for kind in hint.__constraints__])
    if origin is Literal:
        return _one_of(args)
    if hint is TensorDict and name == "params":
        return _params
    if hint is int or hint is float:
        return _number(hint, name, default)
    if origin is collections.abc.Callable or hint in (Callable, collections.abc.Callable):
        return _function(args)
    if origin is tuple and args:
        return _tuple(args, name)
    if origin is not None and issubclass(origin, collections.abc.Mapping):
        return _mapping
    if origin is not None and issubclass(origin, collections.abc.Iterable):
        return _several(origin, args, name)
    if origin is type:
        return _instance(type)
    return _instance(hint) if isinstance(hint, type) else lambda value: value


def _any_of(checks: Sequence[Check]) -> Check:
    def check(value):
        refusals = []
        for inner in checks:
            try:
                return inner(value)
            except Refusal as no:
                refusals.append(no)
        for no in refusals:
            if no.where:  # the kind is right, and something in it is wrong
                raise no
        right = list(dict.fromkeys(no.right for no in refusals if no.right != "None"))
        raise Refusal((", or " if "," in "".join(right) else " or ").join(right), value)

    return check


def _one_of(values: Sequence[Any]) -> Check:
    def check(value):
        if value not in values:
            raise Refusal(" or ".join(map(repr, values)), value)
        return value

    return check


def _number(kind: type, name: str, default: Any) -> Check:
    bounds = RANGES.get(name, Range(int(default != 0)) if kind is int else Range())
    wanted, words = (Integral, f"an integer of {bounds}") if kind is int else (Real, "a number")

    def check(value):
        is_number = isinstance(value, wanted) and not isinstance(value, bool)
        if not is_number or (kind is int and not bounds.holds(value)):
            raise Refusal(words, value)
        if not bounds.holds(value):
            raise Refusal("a finite number" if math.isinf(value) else str(bounds), value)
        return value

    return check


def _function(args: tuple) -> Check:
    """Functions that can be called with as many arguments, if the annotation says how many."""
    inputs = args[0] if args and args[0] is not ... else None
    words = "a function" if inputs is None else f"a function of {_counted(len(inputs))}"

    def check(value):
        fits = callable(value)
        if fits and inputs is not None:
            fits = takes(value, len(inputs)) and not _makes_another(value, args[1])
        if not fits:
            raise Refusal(words, value)
        return value

    return check


def _makes_another(function: Callable, result: Any) -> bool:
    """Tests for a function that was not called, as ``losses.ppo`` where a loss is wanted."""
    return hasattr(function, "is_maker") and get_type_hints(function).get("return") != result


def _counted(num: int) -> str:
    return f"{num} arguments" if num != 1 else "one argument"


def takes(function: Callable, num: int) -> bool:
    """Tests whether a function can be called with ``num`` arguments; True if it does not tell."""
    try:
        inspect.signature(function).bind(*[None] * num)
    except TypeError:
        return False
    except ValueError:  # one of C, which tells nothing
        return True
    return True


def _tuple(args: tuple, name: str) -> Check:
    """Tuples, and lists, which are made tuples."""
    endless = len(args) == 2 and args[1] is ...
    checks = [check_of(kind, name) for kind in args if kind is not ...]
    words = "a tuple, such as (64, 64)" if args[0] is int else "a tuple"
    words = words if endless else f"a tuple of {len(checks)}"

    def check(value):
        if not isinstance(value, (tuple, list)) or not (endless or len(value) == len(checks)):
            raise Refusal(words, value)
        checks_each = checks * len(value) if endless else checks
        pairs = enumerate(zip(checks_each, value, strict=True))
        items = tuple(_inner(i, inner, x) for i, (inner, x) in pairs)
        return value if isinstance(value, tuple) else items

    return check


def _inner(where: Any, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except Refusal as no:
        raise Refusal(no.right, no.value, f"[{where!r}]{no.where}") from None


def _several(kind: type, args: tuple, name: str) -> Check:
    """Sequences and other iterables, but no text."""
    inner = check_of(args[0], name) if args else lambda value: value

    def check(value):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, kind):
            raise Refusal("several, in a tuple or a list", value)
        for i, x in enumerate(value if isinstance(value, (tuple, list)) else ()):
            _inner(i, inner, x)
        return value

    return check


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping) and not (hasattr(value, "keys") and hasattr(value, "items")):
        raise Refusal("a mapping, such as a dictionary", value)
    return value


def _instance(kind: type) -> Check:
    """Instances of a class, also by its name or fields: a class that a notebook reloaded is another.

    A class may convert other values by a static method ``of``.
    """
    convert = getattr(kind, "of", None)

    def check(value):
        value = convert(value) if convert else value
        if not is_a(value, kind):
            raise Refusal(words_of(kind), value)
        return value

    return check


def _params(value: Any) -> Any:
    """Params, or an object with ``params``, such as a Learner or a run on disk."""
    params = _params_of(value)
    if not is_a(params, TensorDict) or not {"weights", "version", "hyper"} <= set(params.keys()):
        raise Refusal("a TensorDict of weights, hyper and version, as recipe.init makes it", value)
    return params


def _params_of(value: Any) -> Any:
    params = None if isinstance(value, TensorDict) else getattr(value, "params", None)
    return params if isinstance(params, TensorDict) else value


def is_a(value: Any, kind: type) -> bool:
    """Tests whether a value is of a class, or of one of the same name or fields."""
    if isinstance(value, kind) or (kind is bool and type(value).__name__ == "bool"):
        return True
    if getattr(kind, "_fields", None) and getattr(value, "_fields", None) == kind._fields:
        return True
    return any(
        (getattr(base, "__module__", None), base.__qualname__)
        == (kind.__module__, kind.__qualname__)
        for base in type(value).__mro__
    )

"""What a value is checked for, by the annotation of the argument that it is given for."""

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
    """Raised by a check: what would be right, in place of what, and where in the value that is."""

    def __init__(self, right: str, value: Any, where: str = ""):
        self.right, self.value, self.where = right, value, where


Check = Callable[[Any], Any]
"""``value -> value``, as the function takes it; raises ``Refusal``."""


def check_of(hint: Any, name: str, default: Any = None) -> Check:
    """The check of an annotation, for an argument of this name and default."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any or hint is object or hint is inspect.Parameter.empty:
        return lambda value: value
    if origin in (Union, types.UnionType):
        texts_first = sorted(
            args, key=lambda one: one is not str
        )  # they may stand for what follows
        return _any_of([check_of(one, name, default) for one in texts_first])
    if isinstance(hint, TypeVar) and hint.__constraints__:
        return _any_of([check_of(one, name, default) for one in hint.__constraints__])
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
        for one in checks:
            try:
                return one(value)
            except Refusal as no:
                refusals.append(no)
        for no in refusals:
            if no.where:  # what is in it is wrong, and not what it is
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
    """Of functions, that can be called with as many arguments, if it is known how many."""
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
    """Whether it makes what is wanted, as ``losses.ppo`` does a loss, and so has to be called first."""
    return hasattr(function, "is_maker") and get_type_hints(function).get("return") != result


def _counted(num: int) -> str:
    return f"{num} arguments" if num != 1 else "one argument"


def takes(function: Callable, num: int) -> bool:
    """Whether a function can be called with so many arguments, as far as it tells."""
    try:
        inspect.signature(function).bind(*[None] * num)
    except TypeError:
        return False
    except ValueError:  # one of C, which tells nothing
        return True
    return True


def _tuple(args: tuple, name: str) -> Check:
    """Of tuples, and lists, which are taken as tuples."""
    endless = len(args) == 2 and args[1] is ...
    checks = [check_of(one, name) for one in args if one is not ...]
    words = "a tuple, such as (64, 64)" if args[0] is int else "a tuple"
    words = words if endless else f"a tuple of {len(checks)}"

    def check(value):
        if not isinstance(value, (tuple, list)) or not (endless or len(value) == len(checks)):
            raise Refusal(words, value)
        each = checks * len(value) if endless else checks
        taken = tuple(_inner(i, one, x) for i, (one, x) in enumerate(zip(each, value, strict=True)))
        return value if isinstance(value, tuple) else taken

    return check


def _inner(where: Any, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except Refusal as no:
        raise Refusal(no.right, no.value, f"[{where!r}]{no.where}") from None


def _several(kind: type, args: tuple, name: str) -> Check:
    """Of sequences and other iterables, but no text."""
    one = check_of(args[0], name) if args else lambda value: value

    def check(value):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, kind):
            raise Refusal("several, in a tuple or a list", value)
        for i, x in enumerate(value if isinstance(value, (tuple, list)) else ()):
            _inner(i, one, x)
        return value

    return check


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping) and not (hasattr(value, "keys") and hasattr(value, "items")):
        raise Refusal("a mapping, such as a dictionary", value)
    return value


def _instance(kind: type) -> Check:
    """Of a class, by its name or its fields too, as one that was reloaded in a notebook is another.

    A class may say by ``of`` what else stands for one of it.
    """
    understood = getattr(kind, "of", None)

    def check(value):
        value = understood(value) if understood else value
        if not is_a(value, kind):
            raise Refusal(words_of(kind), value)
        return value

    return check


def _params(value: Any) -> Any:
    """Of params, or what has some, as a Learner and a run on disk have."""
    params = _params_of(value)
    if not is_a(params, TensorDict) or not {"weights", "version", "hyper"} <= set(params.keys()):
        raise Refusal("a TensorDict of weights, hyper and version, as recipe.init makes it", value)
    return params


def _params_of(value: Any) -> Any:
    params = None if isinstance(value, TensorDict) else getattr(value, "params", None)
    return params if isinstance(params, TensorDict) else value


def is_a(value: Any, kind: type) -> bool:
    """Whether a value is of a class, or of one of the same name or fields."""
    if isinstance(value, kind) or (kind is bool and type(value).__name__ == "bool"):
        return True
    if getattr(kind, "_fields", None) and getattr(value, "_fields", None) == kind._fields:
        return True
    return any(
        (getattr(base, "__module__", None), base.__qualname__)
        == (kind.__module__, kind.__qualname__)
        for base in type(value).__mro__
    )

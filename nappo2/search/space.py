"""Spaces: what each hyper-parameter of a search may be, as values.

A space is a mapping from names to dimensions. A dimension says its values to Optuna's samplers, which
know numbers and texts alone: of a choice between other things, such as sizes or functions, they see
the names.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from nappo2.checks import checked

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
NAMED = (str, int, float, bool, type(None))  # what Optuna keeps as it is


class Dimension(NamedTuple):
    """The values that a hyper-parameter may have.

    Attributes:
        text: the call that made it.
        suggest: ``(trial, name) -> value``, of a trial of Optuna.
        code: ``value -> what Optuna keeps of it``.
        contains: tests whether a value is one of these.
    """

    text: str
    suggest: Callable[[Any, str], Any]
    code: Callable[[Any], Any]
    contains: Callable[[Any], bool]

    def __repr__(self):
        return self.text


Space: TypeAlias = Mapping[str, Dimension]
"""Dimensions by the names of the arguments that get their values."""


@checked
def uniform(low: float, high: float) -> Dimension:
    """Numbers between two bounds, each as probable.

    Raises:
        ValueError: if ``low`` is not below ``high``.

    Example:
        >>> from nappo2.search import uniform
        >>> uniform(0.9, 0.999).contains(0.99)
        True
    """
    _ordered("uniform", low, high)
    return Dimension(
        f"uniform({low:g}, {high:g})",
        lambda trial, name: trial.suggest_float(name, low, high),
        float,
        lambda x: _is_number(x) and low <= x <= high,
    )


@checked
def log_uniform(low: float, high: float) -> Dimension:
    """Numbers between two bounds above 0, whose logarithms are each as probable.

    Raises:
        ValueError: if ``low`` is not above 0 and below ``high``.

    Example:
        >>> from nappo2.search import log_uniform
        >>> log_uniform(1e-5, 1e-2)
        log_uniform(1e-05, 0.01)
    """
    _ordered("log_uniform", low, high)
    if not low > 0:
        raise ValueError(f"a logarithm needs bounds above 0, and log_uniform begins at {low:g}")
    return Dimension(
        f"log_uniform({low:g}, {high:g})",
        lambda trial, name: trial.suggest_float(name, low, high, log=True),
        float,
        lambda x: _is_number(x) and low <= x <= high,
    )


@checked
def integers(low: int, high: int) -> Dimension:
    """Integers from ``low`` to ``high``, both included.

    Raises:
        ValueError: if ``low`` is not below ``high``.

    Example:
        >>> from nappo2.search import integers
        >>> integers(1, 8).contains(9)
        False
    """
    _ordered("integers", low, high)
    return Dimension(
        f"integers({low}, {high})",
        lambda trial, name: trial.suggest_int(name, low, high),
        int,
        lambda x: _is_number(x) and x == int(x) and low <= x <= high,
    )


@checked
def choice(*options: Any) -> Dimension:
    """One of several things: numbers, texts, sizes, functions, whole pieces of a recipe.

    Raises:
        ValueError: if there are none, or two have one name.

    Example:
        >>> from nappo2.search import choice
        >>> choice((64, 64), (256, 256))
        choice((64, 64), (256, 256))
    """
    codes = [code_of(x) for x in options]
    if not options:
        raise ValueError("a choice needs at least one option")
    if len({(type(x), x) for x in codes}) < len(codes):
        raise ValueError(f"the options of a choice need names of their own, not {codes}")
    return Dimension(
        f"choice({', '.join(map(str, codes))})",
        lambda trial, name: options[_index(codes, trial.suggest_categorical(name, codes))],
        code_of,
        lambda x: any(_same(code_of(x), code) for code in codes),
    )


def code_of(option: Any) -> Any:
    """What Optuna keeps of an option: numbers and texts themselves, of all else a name.

    It is the same in each process, so that a search can go on: no address in memory is in it.
    """
    if isinstance(option, NAMED):
        return option
    name = getattr(option, "__qualname__", None) or getattr(option, "name", None) or str(option)
    return ADDRESS.sub("", name)


def _index(codes: list, code: Any) -> int:
    return next(i for i, x in enumerate(codes) if _same(x, code))


def _same(a: Any, b: Any) -> bool:
    """Tests equality where True is not 1."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _ordered(name: str, low: float, high: float) -> None:
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"the bounds of {name} are finite and in order, not {low:g} and {high:g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_space(space: Space, first: Iterable[Mapping[str, Any]] = ()) -> None:
    """Refuses a space without dimensions, and first values that are not in it.

    Raises:
        ValueError: names what is wrong.
    """
    if not space:
        raise ValueError("a search needs a space with at least one dimension")
    for name, dimension in space.items():
        if not isinstance(dimension, Dimension):
            raise ValueError(
                f"{name} is to be uniform, log_uniform, integers or choice, not {dimension!r}"
            )
    for values in first:
        for name, value in values.items():
            if name not in space or not space[name].contains(value):
                raise ValueError(
                    f"{name}={value!r} is to be tried first, and is not in {space.get(name)}"
                )

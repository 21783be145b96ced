"""An entry with Stable-Baselines3's defaults, and how its values are read."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nappo2.zoo.literals import mapping

KWARGS = "policy_kwargs"
LINEAR = "lin_"  # before the first value of a schedule that falls to 0


class Entry(NamedTuple):
    """An entry of a file.

    Attributes:
        env_id: of the environment that it is to be for.
        values: by key; those of policy_kwargs have keys such as ``policy_kwargs.net_arch``.
    """

    env_id: str
    values: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


class Misfit(ValueError):
    """A value that fits nothing here."""

    def __init__(self, key: str, reason: str):
        super().__init__(reason)
        self.key = key


class Rule(NamedTuple):
    """How a value comes of an entry.

    Attributes:
        keys: that it reads.
        value: ``entry -> value``; raises a Misfit where it is none.
    """

    keys: tuple[str, ...]
    value: Callable[[Entry], Any]


def flattened(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values in which those of policy_kwargs have keys of their own.

    Raises:
        ValueError: if policy_kwargs cannot be read.
    """
    kwargs = mapping(values.get(KWARGS), KWARGS)
    others = {key: value for key, value in values.items() if key != KWARGS}
    return others | {f"{KWARGS}.{key}": value for key, value in kwargs.items()}


def number_in(entry: Entry, key: str) -> float:
    """A finite number of an entry; also one in a text, as YAML takes 1e6 for a text.

    Raises:
        Misfit: if it is none.
    """
    value = entry[key]
    try:
        found = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise Misfit(key, f"it is a number, not {value!r}")
    return found


def share_in(entry: Entry, key: str) -> float:
    """A number of an entry within 0 and 1.

    Raises:
        Misfit: if it is none.
    """
    share = number_in(entry, key)
    if not 0 <= share <= 1:
        raise Misfit(key, f"it is within 0 and 1, not {entry[key]!r}")
    return share


def integer_in(entry: Entry, key: str) -> int:
    """A whole number of an entry, such as 1e6 or -1.

    Raises:
        Misfit: if it is none.
    """
    found = number_in(entry, key)
    if found != int(found):
        raise Misfit(key, f"it is a whole number, not {entry[key]!r}")
    return int(found)


def count_in(entry: Entry, key: str, at_least: int = 1) -> int:
    """A whole number of an entry that counts something.

    Args:
        entry: that has it.
        key: of the number.
        at_least: the smallest that fits.

    Returns:
        The number.

    Raises:
        Misfit: if it is none, or less than ``at_least``.
    """
    found = integer_in(entry, key)
    if found < at_least:
        raise Misfit(key, f"it is at least {at_least}, not {entry[key]!r}")
    return found


def falls(entry: Entry, key: str) -> bool:
    """Tests whether a hyper-parameter falls to 0 during the run, as ``lin_0.4`` does from 0.4."""
    return isinstance(entry[key], str) and entry[key].startswith(LINEAR)


def number(key: str, times: float = 1.0) -> Rule:
    """A number, several times over."""
    return Rule((key,), lambda entry: times * number_in(entry, key))


def count(key: str, at_least: int = 1) -> Rule:
    """A whole number that counts something."""
    return Rule((key,), lambda entry: count_in(entry, key, at_least))


def first(key: str) -> Rule:
    """The number at which a schedule begins, or a constant.

    Raises:
        Misfit: in the rule, if it is neither a number nor such as ``lin_0.4``.
    """

    def value(entry: Entry) -> float:
        given = entry[key]
        start = given.removeprefix(LINEAR) if falls(entry, key) else given
        try:
            return number_in(Entry(entry.env_id, {key: start}), key)
        except Misfit as misfit:
            raise Misfit(key, f"it is a number, or such as lin_0.4, not {given!r}") from misfit

    return Rule((key,), value)


def flag(key: str) -> Rule:
    """True or False.

    Raises:
        Misfit: in the rule, if it is neither.
    """

    def value(entry: Entry) -> bool:
        if not isinstance(entry[key], bool):
            raise Misfit(key, f"it is True or False, not {entry[key]!r}")
        return entry[key]

    return Rule((key,), value)


def only(key: str, *fitting: Any, reason: str) -> Rule:
    """A check that a key has one of the values that fit.

    Args:
        key: to be checked.
        *fitting: the values.
        reason: why no other fits.

    Raises:
        Misfit: in the rule, if it has another.
    """

    def value(entry: Entry) -> None:
        if entry[key] not in fitting:
            raise Misfit(key, reason)

    return Rule((key,), value)

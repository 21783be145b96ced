"""How words of a command line are read: names of options, and integers such as 1e6; and what is printed."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from nappo2.checks.words import SYNONYMS, nearest


def integer(text: str) -> int:
    """An integer, also as 1e6.

    Raises:
        ValueError: if it is none.
    """
    try:
        return int(text)
    except ValueError:
        if not float(text).is_integer():
            raise ValueError(f"{text} is no integer") from None
        return int(float(text))


INTEGERS = ConstructorRegistry()
"""Reads options that are integers by ``integer``."""


@INTEGERS.primitive_rule
def _of_integers(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type is not int:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda words: integer(words[0]),
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    )


def check_names(argv: Sequence[str], known: Sequence[str]) -> None:
    """Refuses an unknown option that resembles a known one, or is another library's name for it.

    Args:
        argv: the words of a command line.
        known: names of options, with ``_``.

    Raises:
        ValueError: names the option that was probably meant.
    """
    for word in (word.partition("=")[0] for word in argv if word.startswith("--")):
        name = word[2:].replace("-", "_")
        no = "no_" * name.startswith("no_")
        plain = name.removeprefix("no_")
        if plain in (*known, "help"):
            continue
        meant = SYNONYMS.get(plain) if plain in SYNONYMS else nearest(plain, known)
        if meant in known:
            raise ValueError(f"no option is called {word}; did you mean --{option_of(no + meant)}?")


def option_of(name: str) -> str:
    """The option of a field, without the dashes before it: ``lambda_`` stays, as it ends so."""
    return name.rstrip("_").replace("_", "-") + "_" * name.endswith("_")


def print_result(result: Mapping[str, Any]) -> None:
    """Prints a result as one line of JSON, with null for numbers that are not finite, which JSON lacks."""
    print(json.dumps(_finite(result)), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

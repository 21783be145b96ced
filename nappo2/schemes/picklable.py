"""Checks that a pipeline can be sent to workers, before one is started.

If it cannot, or is too large, the path to the attribute that is to blame is named.
"""

from collections.abc import Callable, Iterator
from typing import Any

MEGABYTE = 1_000_000


def check_picklable(
    thing: Any, name: str, dumps: Callable[[Any], bytes], limit: int = MEGABYTE
) -> bytes:
    """Pickles ``thing``.

    Args:
        thing: such as a pipeline.
        name: what the message calls it.
        dumps: pickles it.
        limit: of the pickle, in bytes.

    Returns:
        The pickle.

    Raises:
        ValueError: if it cannot be pickled, or takes more than ``limit`` bytes; names the
            attribute that is to blame.
    """
    data, error = pickled(thing, dumps)
    if data is None:
        path, why = blame(thing, name, lambda x: pickled(x, dumps)[0] is None), error
        raise ValueError(f"{path} cannot be sent to a worker: {why}") from error
    if len(data) > limit:
        path = blame(thing, name, lambda x: len(pickled(x, dumps)[0] or b"") > limit)
        raise ValueError(
            f"{path} takes {len(data) / MEGABYTE:.1f} MB, which would be sent to each worker; pass large "
            f"data as params, make it on the worker, or allow it: on_ray(max_megabytes=...)"
        )
    return data


def pickled(
    thing: Any, dumps: Callable[[Any], bytes]
) -> tuple[bytes, None] | tuple[None, Exception]:
    """The pickle of ``thing`` and None, or None and the error."""
    try:
        return dumps(thing), None
    except Exception as error:  # pickling runs code of anybody
        return None, error


def blame(thing: Any, path: str, bad: Callable[[Any], bool]) -> str:
    """Finds the innermost part of ``thing`` that is ``bad``.

    Args:
        thing: whose ``parts`` are searched.
        path: what the message calls it.
        bad: tests a part.

    Returns:
        The path to the part, such as ``pipeline.step.args[2].lock``.
    """
    visited = {id(thing)}
    while True:
        inner = ((n, x) for n, x in parts(thing) if id(x) not in visited and bad(x))
        name, part = next(inner, (None, None))
        if name is None:
            return path
        path, thing = path + name, part
        visited.add(id(thing))


def parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a thing with their paths: fields, items, attributes, and what a function closes over."""
    if isinstance(thing, tuple):
        names = getattr(thing, "_fields", range(len(thing)))
        yield from (
            (f".{n}" if isinstance(n, str) else f"[{n}]", x)
            for n, x in zip(names, thing, strict=True)
        )
    elif isinstance(thing, dict):
        yield from ((f"[{key!r}]", x) for key, x in thing.items())
    elif isinstance(thing, list):
        yield from ((f"[{i}]", x) for i, x in enumerate(thing))
    elif hasattr(thing, "func"):
        yield from ((f".{n}", getattr(thing, n)) for n in ("func", "args", "keywords"))
    elif hasattr(thing, "__code__"):
        yield from _captured(thing)
    elif hasattr(thing, "__dict__") and not isinstance(thing, type):
        yield from ((f".{name}", x) for name, x in vars(thing).items())


def _captured(function: Callable) -> Iterator[tuple[str, Any]]:
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            yield f".{name}", cell.cell_contents
        except ValueError:  # not filled yet
            continue
    if getattr(function, "__module__", None) == "__main__":
        names, values = function.__code__.co_names, function.__globals__
        yield from ((f".{name}", values[name]) for name in names if name in values)

"""What a Learner was made with, as far as its pipeline tells: numbers and texts by their names."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import partial
from typing import Any

from torch import Tensor

from nappo2 import trees
from nappo2.trees import walk

DEEPEST = 12


def learner_settings(learner: Any) -> dict[str, str]:
    """By name: the first hyper-parameters, what its stages were called with, and its weights.

    Functions tell what they were made with: a loss its coefficients, an environment its size.
    """
    hyper = getattr(learner, "_given", learner.params["hyper"])
    found = {name: f"{float(x):g}" for name, x in hyper.items() if x.ndim == 0}
    found |= {"/".join(path): str(list(x.shape)) for path, x in walk(learner.params["weights"])}
    for stage in learner.pipeline.stages:
        found |= dict(values(stage.arguments, stage.name, frozenset()))
    return {"pipeline": repr(learner.pipeline)} | found


def values(x: Any, path: str, seen: frozenset[int]) -> Iterator[tuple[str, str]]:
    """The numbers and texts that a value holds, each with its path."""
    if x is None or isinstance(x, (bool, int, float, str)):
        yield path, f"{x:g}" if isinstance(x, float) else repr(x)
    if id(x) in seen or len(seen) > DEEPEST or isinstance(x, Tensor):
        return
    for name, part in parts(x):
        yield from values(part, f"{path}.{name}", seen | {id(x)})


def parts(x: Any) -> Iterator[tuple[Any, Any]]:
    """The items of a value, or what a function has in its closure, by name."""
    if isinstance(x, partial):
        yield from (("function", x.func), *enumerate(x.args), *x.keywords.items())
    elif is_dataclass(x) and not isinstance(x, type):
        yield from vars(x).items()
    elif (children := trees.children(x)) is not None:
        yield from children
    elif getattr(x, "__code__", None) is not None:
        yield "name", x.__qualname__
        cells = (cell.cell_contents for cell in x.__closure__ or () if cell != EMPTY)
        yield from zip(x.__code__.co_freevars, cells, strict=False)


EMPTY = type((lambda x: lambda: x)(0).__closure__[0])()

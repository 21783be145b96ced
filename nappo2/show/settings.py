"""The settings of a Learner, read from its pipeline: numbers and texts by name."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import partial
from typing import Any

from torch import Tensor

from nappo2 import trees
from nappo2.runs.card import env_id, env_of_pipeline
from nappo2.trees import walk

MAX_DEPTH = 12


def learner_settings(learner: Any) -> dict[str, str]:
    """The environment, first hyper-parameters, arguments of stages, and shapes of weights, as texts by name.

    Functions contribute the values in their closure: a loss its coefficients, an environment its
    size.
    """
    hyper = getattr(learner, "_given", learner.params["hyper"])
    settings = {name: f"{float(x):g}" for name, x in hyper.items() if x.ndim == 0}
    settings |= {"/".join(path): str(list(x.shape)) for path, x in walk(learner.params["weights"])}
    for stage in learner.pipeline.stages:
        settings |= dict(values(stage.arguments, stage.name, frozenset()))
    env = env_of_pipeline(learner.pipeline)
    named = {} if env is None else {"env": env_id(env)}
    return {"pipeline": repr(learner.pipeline)} | named | settings


def values(x: Any, path: str, ancestors: frozenset[int]) -> Iterator[tuple[str, str]]:
    """The numbers and texts within a value.

    Args:
        x: the value.
        path: its name.
        ancestors: identities of the values around it, which are not entered again.

    Returns:
        Pairs of path and text.
    """
    if x is None or isinstance(x, (bool, int, float, str)):
        yield path, f"{x:g}" if isinstance(x, float) else repr(x)
    if id(x) in ancestors or len(ancestors) > MAX_DEPTH or isinstance(x, Tensor):
        return
    for name, part in parts(x):
        yield from values(part, f"{path}.{name}", ancestors | {id(x)})


def parts(x: Any) -> Iterator[tuple[Any, Any]]:
    """The items of a value, or the values in the closure of a function, by name."""
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

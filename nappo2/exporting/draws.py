"""The random draws of a function as values, so that they can be inputs of what is exported.

A policy draws from its generator by functions of torch. ``recorded`` lists these draws with their
laws; ``replayed`` runs the same function with given numbers in place of its draws.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves


class Draw(NamedTuple):
    """A draw from a generator.

    Attributes:
        law: the distribution of each of its numbers, in words.
        noise: the numbers.
        result: the tensor that the function got.
    """

    law: str
    noise: Tensor
    result: Tensor


class Record(NamedTuple):
    """A call of a function.

    Attributes:
        result: of the function.
        draws: from generators, in order.
        used: ids of the tensors that it gave to functions of torch.
    """

    result: Any
    draws: list[Draw]
    used: set[int]


class Recorder(TorchFunctionMode):
    """Lists the draws from generators, and the tensors that are used."""

    def __init__(self):
        super().__init__()
        self.draws: list[Draw] = []
        self.used: set[int] = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.used |= {id(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        result = function(*args, **kwargs)
        if kwargs.get("generator") is not None:
            law = law_of(function.__name__, args, kwargs)
            self.draws.append(Draw(law, result.clone(), result))
        return result


class Replayer(TorchFunctionMode):
    """Gives the next of some tensors in place of each draw from a generator."""

    def __init__(self, noise: Sequence[Tensor]):
        super().__init__()
        self.noise = iter(noise)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get("generator") is None:
            return function(*args, **kwargs)
        noise = next(self.noise)
        return args[0].copy_(noise) if function.__name__.endswith("_") else noise


def recorded(function: Callable[[], Any]) -> Record:
    """Calls a function and lists its draws.

    Raises:
        ValueError: if a draw has a law that is not known, or depends on tensors.
    """
    with Recorder() as recorder:
        result = function()
    return Record(result, recorder.draws, recorder.used)


def replayed(function: Callable[[], Any], noise: Sequence[Tensor]) -> Any:
    """Calls a function with the tensors [...] of ``noise`` in place of its draws, in order."""
    with Replayer(noise):
        return function()


def law_of(name: str, args: Sequence, kwargs: Mapping) -> str:
    """The law of a draw, in words.

    Args:
        name: of the function of torch.
        args: of the call.
        kwargs: of the call.

    Returns:
        Such as ``standard normal``.

    Raises:
        ValueError: if it is not one of ``LAWS``.
    """
    if name not in LAWS:
        raise ValueError(
            f"it draws by torch's {name}, whose law may depend on the observation; what is exported "
            f"takes numbers of {', '.join(LAWS)}"
        )
    return LAWS[name](args, kwargs)


def _numbers(args: Sequence, kwargs: Mapping, defaults: Mapping[str, float]) -> list[float]:
    """The numbers of a draw in place, such as its mean and deviation."""
    given = dict(zip(defaults, args[1:], strict=False))
    return [kwargs.get(name, given.get(name, x)) for name, x in defaults.items()]


def _integers(args: Sequence, kwargs: Mapping) -> str:
    ends = [x for x in args if not isinstance(x, (tuple, list, torch.Size))][:2]
    ends = [*ends, *(kwargs[name] for name in ("low", "high") if name in kwargs)]
    low, high = ends if len(ends) == 2 else (0, *ends)
    return f"uniform integers from {low} to {high - 1}"


def _normal(args: Sequence, kwargs: Mapping) -> str:
    mean, std = _numbers(args, kwargs, {"mean": 0, "std": 1})
    standard = (mean, std) == (0, 1)
    return "standard normal" if standard else f"normal of mean {mean} and deviation {std}"


def _uniform(args: Sequence, kwargs: Mapping) -> str:
    low, high = _numbers(args, kwargs, {"from": 0, "to": 1})
    return f"uniform in [{low}, {high})"


def _exponential(args: Sequence, kwargs: Mapping) -> str:
    (rate,) = _numbers(args, kwargs, {"lambd": 1})
    return f"exponential of mean {1 / rate:g}"


LAWS: dict[str, Callable[[Sequence, Mapping], str]] = {
    "rand": lambda args, kwargs: "uniform in [0, 1)",
    "randn": lambda args, kwargs: "standard normal",
    "randint": _integers,
    "exponential_": _exponential,
    "normal_": _normal,
    "uniform_": _uniform,
}
"""Functions of torch that draw, and their laws by arguments."""

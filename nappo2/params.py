"""Params: one TensorDict ``{weights, target, normalizer, version, hyper}``.

To look at, they are trees; to compute with, ``weights`` are one vector. Only
``weights`` is differentiated, raveled and optimised; ``normalizer`` holds running
statistics, ``version`` counts updates, ``hyper`` has what may change during a run.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.checks import check_hyper, checked, explained, suggestion
from nappo2.trees import as_tensordict, nested, walk

Params: TypeAlias = TensorDict
"""``{weights, target, normalizer, version, hyper}``; ``make_params`` makes one."""


@checked
def make_params(
    weights: TensorDict,
    *,
    target: TensorDict | None = None,
    normalizer: TensorDict | None = None,
    **hyper: float,
) -> Params:
    """Makes params of version 0.

    Args:
        weights: tree of floating point tensors, which is differentiated and optimised.
        target: slowly moving copy of some of the weights; empty by default.
        normalizer: running statistics, as ``no_moments`` makes them; empty by default.
        **hyper: numbers that may change during a run (``learning_rate``, ``clip_eps``, ...).

    Returns:
        Params; hyper-parameters and version are tensors [].

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> params = make_params(mlp(4, 8, 2).init(0), gamma=0.99, learning_rate=3e-4)
        >>> sorted(params.keys())
        ['hyper', 'normalizer', 'target', 'version', 'weights']
        >>> params["hyper", "gamma"]
        tensor(0.9900)
    """
    check_hyper(**hyper)
    return TensorDict(
        weights=weights,
        target=TensorDict() if target is None else target.clone(),
        normalizer=TensorDict() if normalizer is None else normalizer,
        version=torch.zeros((), dtype=torch.int64),
        hyper=TensorDict({name: torch.tensor(float(value)) for name, value in hyper.items()}),
    )


def replaced(params: Params, **changed: Any) -> Params:
    """A copy of ``params`` with other branches, such as ``weights=...``."""
    return as_tensordict({**dict(params.items()), **changed})


class Plain(dict):
    """Params as plain dictionaries, as losses and policies get them; takes paths, as params do.

    ``params["hyper", "beta"]`` is ``params["hyper"]["beta"]``.
    """

    def __missing__(self, path: Any) -> Any:
        if not isinstance(path, tuple):
            raise KeyError(path)
        value = self
        for name in path:
            value = value[name]
        return value


def device_of(tree: Mapping) -> torch.device:
    """Where the first tensor of a tree is, such as ``cuda:0``; the CPU if there is none."""
    return next((leaf.device for _, leaf in walk(tree)), torch.device("cpu"))


def beside_environments(params: Params) -> Params:
    """The params on the CPU, where environments are, to act with."""
    return params if params["version"].is_cpu else params.cpu()


def beside_params(params: Params, data: TensorDict) -> TensorDict:
    """``data`` on the device of ``params``, to learn from; unchanged if they are there."""
    device = params["version"].device
    return data if device_of(data) == device else data.to(device)


def with_hyper(params: Params, **values: float) -> Params:
    """A copy of ``params`` with other hyper-parameters.

    Raises:
        ValueError: if one of ``values`` is not among those that ``params`` has, or out of its range.

    Example:
        >>> from nappo2.params import with_hyper
        >>> params = with_hyper(make_params(mlp(4, 2).init(0), gamma=0.99), gamma=0.5)
        >>> params["hyper", "gamma"]
        tensor(0.5000)
    """
    hyper = params["hyper"]
    for name in values:
        if name not in hyper.keys():
            known = suggestion(name, sorted(hyper.keys()))
            raise ValueError(f"no hyper-parameter is called {name!r}; these can be set: {known}")
    check_hyper(**values)
    changed = {name: torch.full_like(hyper[name], float(value)) for name, value in values.items()}
    return replaced(params, hyper=hyper.copy().update(changed))


@explained
def ravel(tree: Mapping) -> tuple[Tensor, Callable[[Tensor], dict]]:
    """One vector [P] with all leaves, and ``unravel``, which gives a vector its names back, as views.

    Raises:
        ValueError: if the tree has no leaves.

    Example:
        >>> vector, unravel = ravel({"a": torch.ones(2), "b": {"c": torch.zeros(1)}})
        >>> vector, unravel(2 * vector)["a"]
        (tensor([1., 1., 0.]), tensor([2., 2.]))
    """
    named = tuple(walk(tree))
    if not named:
        raise ValueError("there are no weights to ravel: the network has no parameters")
    paths, leaves = zip(*named, strict=True)
    vector = torch.cat([leaf.reshape(-1) for leaf in leaves])
    return vector, unravel_of(paths, tuple(leaf.shape for leaf in leaves))


@cache
def unravel_of(paths: tuple, shapes: tuple) -> Callable[[Tensor], dict]:
    """The function from a vector [P] to a tree with leaves of these paths and shapes.

    Cached, so that compiled code meets the same one again.
    """
    sizes = [shape.numel() for shape in shapes]

    def unravel(vector: Tensor) -> dict:
        parts = zip(shapes, vector.split(sizes), strict=True)
        return nested(paths, [part.view(shape) for shape, part in parts])

    return unravel


def in_one_vector(params: Params) -> Params:
    """The same params, with weights in the memory of one vector, as an update leaves them.

    The last bits of matrix products with few rows depend on the place in memory.
    """
    vector, unravel = ravel(params["weights"])
    return replaced(params, weights=as_tensordict(unravel(vector)))


def non_finite(params: Params) -> str | None:
    """The name of a leaf that is not finite; None if all are. Hyper-parameters may be infinite.

    Example:
        >>> from nappo2.params import non_finite
        >>> non_finite(make_params(mlp(4, 2).init(0), gamma=0.99)) is None
        True
    """
    for names, leaf in walk(params.exclude("hyper")):
        if leaf.is_floating_point() and not leaf.isfinite().all():
            return "/".join(names)
    return None


def stop_gradient(tree: Any) -> Any:
    """The tree with all leaves detached: no gradient flows through it.

    Example:
        >>> from nappo2.params import stop_gradient
        >>> stop_gradient({"w": torch.ones(1, requires_grad=True)})["w"].requires_grad
        False
    """
    return trees.map(lambda leaf: leaf.detach(), tree)

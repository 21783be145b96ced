"""``partition``: another gradient transformation for each part of the weights."""

from collections.abc import Callable, Mapping
from itertools import groupby

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.optim.transformations import GradientTransformation
from nappo2.trees import walk

Label = Callable[[tuple[str, ...]], str]
"""``path -> label`` of a leaf of the weights; a path is such as ``("critics", "0", "weight")``."""


@checked
def partition(
    weights: Mapping, transformations: Mapping, label: Label = lambda path: path[0]
) -> GradientTransformation:
    """Transforms the weights of each label by the transformation of that label.

    With two learning rates:
    ``partition(agent.init(0), {"actor": adam(), "critics": adam(rate="critic_rate")})``.

    Args:
        weights: such as ``recipe.init(0)["weights"]``; only names and shapes matter.
        transformations: by label.
        label: ``path -> label``; the first name on the path by default.

    Returns:
        A transformation of the vector of all weights.

    Raises:
        ValueError: if labels and transformations are not the same; names them.

    Example:
        >>> from nappo2.params import ravel
        >>> weights = {"actor": torch.ones(1), "critic": torch.ones(1)}
        >>> parts = {"actor": optim.sgd(rate="actor_rate"), "critic": optim.sgd()}
        >>> optimizer = optim.partition(weights, parts)
        >>> vector, hyper = ravel(weights)[0], {"actor_rate": 0.1, "learning_rate": 1.0}
        >>> optimizer.update(torch.ones(2), optimizer.init(vector), hyper, vector)[0]
        tensor([-0.1000, -1.0000])
    """
    spans = _spans(weights, label)
    labels = dict.fromkeys(name for name, _ in spans)
    if set(labels) != set(transformations):
        raise ValueError(
            f"the weights are labelled {', '.join(sorted(labels))}, and there are "
            f"transformations of {', '.join(sorted(transformations)) or 'nothing'}"
        )
    total = sum(size for _, size in spans)

    def init(vector):
        if len(vector) != total:
            raise ValueError(f"the partition is of {total} weights, and there are {len(vector)}")
        return {name: transformations[name].init(x) for name, x in _split(vector, spans).items()}

    def update(grads, state, hyper, weights=None):
        by_label = {} if weights is None else _split(weights, spans)
        steps = {
            name: transformations[name].update(x, state[name], hyper, by_label.get(name))
            for name, x in _split(grads, spans).items()
        }
        updates = _join({name: step[0] for name, step in steps.items()}, spans)
        return updates, {name: step[1] for name, step in steps.items()}

    return GradientTransformation(init, update)


def _spans(weights: Mapping, label: Label) -> list[tuple[str, int]]:
    """Labels and sizes along the vector of weights; neighbours of one label are one span."""
    leaves = [(label(path), leaf.numel()) for path, leaf in walk(weights)]
    groups = groupby(leaves, key=lambda leaf: leaf[0])
    return [(name, sum(size for _, size in group)) for name, group in groups]


def _split(vector: Tensor, spans: list[tuple[str, int]]) -> dict[str, Tensor]:
    """The part [n] of a vector [P] that belongs to each label."""
    pieces: dict[str, list[Tensor]] = {}
    for (name, _), piece in zip(spans, vector.split([size for _, size in spans]), strict=True):
        pieces.setdefault(name, []).append(piece)
    return {name: xs[0] if len(xs) == 1 else torch.cat(xs) for name, xs in pieces.items()}


def _join(parts: Mapping[str, Tensor], spans: list[tuple[str, int]]) -> Tensor:
    """The vector [P] that ``_split`` took apart."""
    sizes = {name: [size for other, size in spans if other == name] for name in parts}
    pieces = {name: iter(x.split(sizes[name])) for name, x in parts.items()}
    return torch.cat([next(pieces[name]) for name, _ in spans])

"""The probabilities of discrete choices, as a policy's log-probabilities tell them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import ActionSpec

LogProb = Callable[[Any, int], Tensor]
"""``(actions [N, B, ...], N) -> log_prob`` [N, B]."""


def probabilities_of(spec: ActionSpec, action: Any, log_prob: LogProb) -> Any:
    """The probability of each choice of an action, whatever its other choices and numbers are.

    The parts of an action are independent, so that log-probabilities of actions which differ in one choice
    differ as those of the choice do.

    Args:
        spec: of actions with choices.
        action: probable ones, [B, ...], in which one choice after the other is varied.
        log_prob: of the policy.

    Returns:
        An array [B, n] float32 where there is one choice, a list of these where there are several, and
        of parts a dictionary by name, without parts that have no choice.
    """
    num = sum(spec.sizes)
    rows = trees.map(lambda x: x.expand(num, *x.shape).clone(), action)
    start = 0
    for column, size in zip(columns(spec, rows), spec.sizes, strict=True):
        column[start : start + size] = torch.arange(size).unsqueeze(1)
        start += size
    each = [x.softmax(0).T.numpy() for x in log_prob(rows, num).split(spec.sizes)]
    return by_part(spec, iter(each))


def columns(spec: ActionSpec, actions: Any) -> Iterator[Tensor]:
    """Yields a view [...] of each choice in actions ``[..., *shape]``, in the order of ``spec.sizes``."""
    if spec.is_tree:
        for name, part in spec.parts.items():
            yield from columns(part, actions[name])
    elif spec.sizes:
        yield from actions.unbind(-1) if spec.shape else (actions,)


def by_part(spec: ActionSpec, values: Iterator[Any]) -> Any:
    """Puts a value for each choice where the choice stands in the space.

    Args:
        spec: of actions with choices.
        values: in the order of ``spec.sizes``.

    Returns:
        A value, a list of values, or a dictionary of such.
    """
    if spec.parts:
        return {name: by_part(part, values) for name, part in spec.parts.items() if part.sizes}
    if spec.kind == "discrete":
        return next(values)
    return [next(values) for _ in spec.sizes]


def without_batch(probabilities: Any) -> Any:
    """Probabilities [n] of the first of a batch [B, n], of arrays, lists and dictionaries."""
    if isinstance(probabilities, Mapping):
        return {name: without_batch(x) for name, x in probabilities.items()}
    if isinstance(probabilities, list):
        return [without_batch(x) for x in probabilities]
    return probabilities[0]

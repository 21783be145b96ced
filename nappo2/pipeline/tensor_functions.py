"""Stages as functions of tensors, so that a whole step can be one compiled program."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nappo2.params import Params
from nappo2.reports import Report


class Part(NamedTuple):
    """The part of one stage in a step: a function of tensors, its inputs, and what follows.

    Attributes:
        run: ``(params, item, inputs) -> (item, outputs)``, of plain params and trees of tensors. Equal
            stages have the same one, as compiled programs are found again by it. None for a stage that
            only has an ``end``.
        inputs: a tree of tensors that are drawn, or come from the state.
        end: ``(params, state, outputs, report) -> (state, params, report)``, once the program has run;
            None where the step has to be taken stage by stage, as numbers are not finite.
        shape: of the items that come out of it: (T, B) of rollouts, (K, N) of K minibatches; None for
            that of the items that came in.
    """

    run: Callable[[Mapping, Any, Any], tuple[Any, Any]] | None
    inputs: Any
    end: Callable[[Params, dict, Any, Report], tuple[dict, Params, Report] | None]
    shape: tuple[int, int] | None = None


Parts = Callable[[Params, Mapping[str, Any], tuple[int, int] | None], Part]
"""``(params, state, shape) -> part`` of a stage, where the shape is that of the items left of it."""


def unchanged(params: Params, state: dict, outputs: Any, report: Report) -> tuple:
    """The ``end`` of a stage that changes and reports nothing.

    Args:
        params: before the stage.
        state: of the pipeline.
        outputs: of the stage, which has none.
        report: of the stages to the left.

    Returns:
        State, params and report, as they are.
    """
    return state, params, report

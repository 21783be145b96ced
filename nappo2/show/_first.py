"""The first item of a pipeline: to see what comes out of a prefix."""

from typing import NamedTuple

from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.params import Params
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.saving.snapshots import close_state
from nappo2.show._look import Look, look
from nappo2.show.markup import block, folded


class First(NamedTuple):
    """What came out of a step.

    Attributes:
        item: a rollout, batch, gradient or params.
        report: what the step said besides.
    """

    item: TensorDict
    report: Report

    def __repr__(self):
        return f"{look(self.item)!r}\n{self.report!r}"

    def _repr_html_(self):
        return _both(self).html


def _both(first: First) -> Look:
    item, report = look(first.item), look(first.report)
    return Look("", block(item.html, folded("report", report.html)))


@checked
def first(pipeline: Pipeline, params: Params, seed: int = 0) -> First:
    """Takes the first step of a pipeline, or of any prefix of one, and keeps nothing of its state.

    ``first(pipe, params)`` as the last line of a cell shows what came out, by its keys. Workers
    that it needs are started, and ended again.
    """
    state = pipeline.init(params, seed)
    try:
        state, item, report = pipeline.step(params, state)
    finally:
        close_state(pipeline, state)
    return First(item, report)

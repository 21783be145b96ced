"""The first item of a pipeline, to look at what a prefix of it produces."""

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
    """The result of the first step of a pipeline.

    Attributes:
        item: a rollout, batch, gradient or params.
        report: the metrics of the step.
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
    """Takes the first step of a pipeline, or of any prefix of one, and drops the state after it.

    ``first(pipe, params)`` as the last line of a notebook cell shows the item as a tree. Workers are
    started and closed again.

    Args:
        pipeline: the pipeline, such as ``collect(...) | gae(...)``.
        params: of the agent.
        seed: of the state.

    Returns:
        The item and the report of the step.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> first(collect_of(recipe), recipe.init(0)).item["action"].shape
        torch.Size([8, 4])
    """
    state = pipeline.init(params, seed)
    try:
        state, item, report = pipeline.step(params, state)
    finally:
        close_state(pipeline, state)
    return First(item, report)

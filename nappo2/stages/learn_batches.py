"""All batches that a rollout feeds in one step: ``gradients | update | polyak | unroll``, fused."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from tensordict import TensorDict
from torch.utils._pytree import tree_map

from nappo2.losses import Loss
from nappo2.optim import GradientTransformation
from nappo2.params import Params, ravel, replaced
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.reports import join, note
from nappo2.stages.compiling import any_number, or_else
from nappo2.stages.descent import Descent, descend
from nappo2.stages.dump import dump, dumped_at_the_end
from nappo2.stages.gradients import counted, mean_age
from nappo2.stages.scanned import scan_descend
from nappo2.stages.stop import broken_off_after
from nappo2.stages.update import moved


@stage
def learn_batches(
    loss: Loss,
    optimizer: GradientTransformation,
    step_size: float,
    jit: bool = False,
    skip: int = 0,
) -> Transform:
    """The parts it is the sum of, in one step: the same numbers, names, seeds and states.

    For batches that do not depend on params, as those of ``replay``, whose last one comes with
    the report of the rollout.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        optimizer: of the vector of weights.
        step_size: of ``polyak``.
        jit: whether all of them are one compiled call, as for ``learn``.
        skip: of ``polyak``.
    """
    one_by_one = partial(_descended, loss, optimizer, step_size, skip)
    at_once = partial(_scanned, loss, optimizer, step_size, skip)
    learnt = or_else(at_once, one_by_one, "learn_batches") if jit else one_by_one

    def transform(source):
        def init(params, seed):
            vector, _ = ravel(params["weights"])
            return source.init(params, seed) | {"update": optimizer.init(vector)}

        @torch.no_grad()
        def step(params, state):
            inner, batches, report = fed(source, params, state)
            if is_empty(batches[0]):
                return inner | {"update": state["update"]}, batches[0], report
            ages = [mean_age(params, batch) + i for i, batch in enumerate(batches)]
            plain = [batch.exclude("params_version").to_dict() for batch in batches]
            with dumped_at_the_end(partial(stacked, plain)), broken_off_after(inner):
                weights, target, own, means = learnt(params, state["update"], plain)
            if not means["grad_norm"].isfinite():
                dump(stacked(plain))
            normalizer, report = moved(params["normalizer"], report, own)
            version = params["version"] + len(batches)
            changed = {"weights": weights, "target": target, "normalizer": normalizer}
            lag = torch.stack(ages).mean()
            means |= {"collection_lag": lag, "gradient_lag": 0 * lag}
            report = note(report, sum(map(counted, batches)), **means)
            return inner | {"update": own}, replaced(params, version=version, **changed), report

        return Pipeline(init, step)

    return transform


def fed(source: Pipeline, params: Params, state: dict) -> tuple[dict, list[TensorDict], Any]:
    """The batches up to the one that brings a rollout's report."""
    batches, reports = [], []
    while not reports or "env_steps" not in reports[-1].sums:
        state, batch, report = source.step(params, state)
        batches.append(batch)
        reports.append(report)
    return state, batches, join(reports)


def _descended(loss, optimizer, step_size, skip, params, state, batches) -> Descent:
    return descend(loss, optimizer, params, state, batches, step_size, skip)


def _scanned(loss, optimizer, step_size, skip, params, state, batches) -> Descent:
    xs, delayed = stacked(batches), skip > 0
    if delayed:
        updates = params["version"] + torch.arange(1, len(batches) + 1)
        xs = {"x": xs, "due": updates % (skip + 1) == 0}
    xs = any_number(xs)
    return scan_descend(loss, optimizer, params, state, {}, xs, _itself, step_size, delayed)


def stacked(batches: Sequence[Mapping]) -> dict:
    """Batches [N] as one, [K, N]."""
    return tree_map(lambda *parts: torch.stack(parts), *batches)


def _itself(batch, x):
    return x

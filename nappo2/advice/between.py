"""Measures what calls of workers cost beside their steps, and how cores slow each other down."""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict

from nappo2.advice.children import core_seconds_of_children
from nappo2.advice.costs import Costs, Reduction, Transfer
from nappo2.advice.measuring import Stepped, spent_on
from nappo2.machine.threads import torch_threads
from nappo2.params import Params, ravel
from nappo2.pipeline import Pipeline, adopt
from nappo2.reports import Report, count
from nappo2.saving.snapshots import close_state
from nappo2.schemes import Backend, all_reduce, workers
from nappo2.stages.recipe import Recipe, batches_of, collect_of, gradients_of


class Call(NamedTuple):
    """Seconds of a step of a cut.

    Attributes:
        wall: by the clock.
        cpu: of a core, in the process that calls.
        beside: of a core, in all workers but for their steps, and in processes that carry what travels.
    """

    wall: float
    cpu: float
    beside: float


def metered(source: Pipeline) -> Pipeline:
    """``source`` whose reports have the seconds of a core of its step, and of its process besides."""

    def step(params, state):
        start = process_time()
        last = state.get(METER, start)
        state, item, report = source.step(params, {k: x for k, x in state.items() if k != METER})
        end = process_time()
        report = count(report, **{STEP: end - start, BESIDE: start - last})
        return state | {METER: end}, item, report

    return source._replace(step=step)


METER, STEP, BESIDE = "meter", "meter_step", "meter_beside"


def sending(item: TensorDict, num_steps: int = 0) -> Pipeline:
    """A source of an item; of a rollout [1, B], with which it travels, repeated along T.

    Args:
        item: which is sent with the pipeline.
        num_steps: of the rollout; 0 for an item that is none.
    """

    def init(params, seed):
        whole = item.expand(num_steps, *item.batch_size[1:]).clone() if num_steps else item
        return {"sending": whole}

    return Pipeline(init, lambda params, state: (state, state["sending"], Report()))


def measured_between(
    recipe: Recipe, costs: Costs, rollout: TensorDict, num_workers: int, on: Backend, seconds: float
) -> Costs:
    """Adds to costs what it costs that workers are processes of a backend.

    Args:
        recipe: that was measured.
        costs: of it in one process.
        rollout: of it.
        num_workers: that are begun, at most as many as there are cores.
        on: where they are.
        seconds: for each of some five measurements.

    Returns:
        The costs with transfers, reduction and slowdown.
    """
    params = recipe.init(0)
    weights = ravel(params["weights"])[0]
    gradient = TensorDict(
        weights=torch.zeros_like(weights), version=params["version"], samples=torch.tensor(1)
    )
    cut = workers(num_workers, on=on)
    with torch_threads(1), _begun(metered(sending(gradient)) | cut, params) as begun:
        put = median(spent_on(lambda: on.put(params)).cpu for _ in range(20))
        calls = {"gradients": measured(begun, seconds)}
        for kind, item, num_steps in (
            ("rollout", rollout[:1], len(rollout)),
            ("params", params, 0),
        ):
            change(begun, metered(sending(item, num_steps)) | cut)
            calls[kind] = measured(begun, seconds)
        change(begun, metered(_work_of(recipe, num_workers)) | cut)
        slowdown = _slowdown(costs, begun, seconds)
        change(begun, metered(sending(gradient)) | all_reduce() | cut)
        reduce = reduction_of(measured(begun, seconds), calls["gradients"], num_workers)
    transfers = {kind: transfer_of(call, put, num_workers) for kind, call in calls.items()}
    return costs._replace(put=put, transfers=transfers, reduce=reduce, slowdown=slowdown)


@contextmanager
def _begun(pipeline: Pipeline, params: Params) -> Iterator[Stepped]:
    """A pipeline whose workers end with the context."""
    stepped = Stepped(pipeline, params)
    try:
        yield stepped
    finally:
        close_state(stepped.pipeline, stepped.state)


def change(stepped: Stepped, pipeline: Pipeline) -> None:
    """Has the same workers run another pipeline."""
    stepped.state = adopt(pipeline, stepped.state, stepped.params, 0)
    stepped.pipeline = pipeline


def measured(stepped: Stepped, seconds: float, least: int = 10) -> Call:
    """Median seconds of steps of a cut, and a low quantile by the clock.

    The clock also counts while others have the cores, and calls are fast when nobody does.

    Args:
        stepped: a pipeline that ends with a cut of ``metered`` workers.
        seconds: in which it is stepped.
        least: steps that are taken.

    Returns:
        What a step takes.
    """
    taken: list[Call] = []
    for _ in range(2):
        stepped.step()
    started, end, steps = core_seconds_of_children(), perf_counter() + seconds, 0.0
    while len(taken) < least or perf_counter() < end:
        spent = spent_on(stepped.step)
        sums, wall = stepped.report.sums, spent.wall - spent.queued
        taken.append(Call(wall, spent.cpu, float(sums[BESIDE])))
        steps += float(sums[STEP])
    walls, cpu, beside = zip(*taken, strict=True)
    children = (core_seconds_of_children() - started - steps) / len(taken)
    return Call(quantiles(walls, n=10)[0], median(cpu), max(median(beside), children))


def transfer_of(call: Call, put: float, num_workers: int) -> Transfer:
    """Costs of each call; of the caller's part, a third is calling and the rest taking the result.

    Args:
        call: a step of a cut that waits for all workers.
        put: seconds of a core in which params are handed out, once a step.
        num_workers: of the cut.

    Returns:
        The costs of one of its calls.
    """
    each, beside = max(0.0, call.cpu - put) / num_workers, call.beside / num_workers
    latency = max(0.0, call.wall - call.cpu - beside)
    return Transfer(each / 3, 2 * each / 3, beside, latency)


def reduction_of(grouped: Call, alone: Call, num_workers: int) -> Reduction:
    """The additional seconds of workers that average gradients.

    Args:
        grouped: a step of a cut whose workers do.
        alone: a step of one whose workers do not.
        num_workers: of either.

    Returns:
        The difference, for each worker.
    """
    cpu = max(0.0, grouped.beside - alone.beside) / num_workers
    return Reduction(cpu, max(0.0, grouped.wall - alone.wall - cpu))


def _work_of(recipe: Recipe, num_workers: int) -> Pipeline:
    """The pipeline of workers: rollouts, and gradients of them."""
    prepared = collect_of(recipe) | recipe.prepare | batches_of(recipe, num_workers)
    return prepared | gradients_of(recipe)


def _slowdown(costs: Costs, stepped: Stepped, seconds: float) -> float:
    """How much longer a rollout and its gradients take where all workers compute them."""
    learning = costs.learning_of(1)
    each = costs.num_updates * (learning.batch + learning.gradients)
    alone = costs.collect + learning.prepare + each
    num, taken, end = len(_members(stepped)), [], perf_counter() + seconds
    for _ in range(costs.num_updates):
        stepped.step()
    while not taken or perf_counter() < end:
        taken.append(sum(_core_seconds(stepped) for _ in range(costs.num_updates)) / num)
    return max(1.0, median(taken) / alone)


def _core_seconds(stepped: Stepped) -> float:
    stepped.step()
    return float(stepped.report.sums[STEP])


def _members(stepped: Stepped) -> Any:
    return stepped.state["workers"].members

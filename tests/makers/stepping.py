"""Pipelines and learners that take some steps."""

import time
from collections.abc import Callable, Iterator
from itertools import islice

from nappo2 import Pipeline, Report
from nappo2.params import Params
from nappo2.runs.learner import Learner
from tests.makers.processes import PATIENCE


def steps_of(pipe: Pipeline, params: Params, seed: int = 1) -> Iterator[tuple]:
    """State, params and report of each step."""
    state = pipe.init(params, seed)
    while True:
        state, params, report = pipe.step(params, state)
        yield state, params, report


def train(
    pipe: Pipeline, params: Params, num_steps: int = 3, seed: int = 1
) -> tuple[Params, list[Report]]:
    """The params after so many steps, and the report of each."""
    steps = [taken[1:] for taken in islice(steps_of(pipe, params, seed), num_steps)]
    return steps[-1][0], [report for _, report in steps]


def train_until(
    pipe: Pipeline, params: Params, num_updates: int, seed: int = 1
) -> tuple[Params, list[Report]]:
    """The params after at least so many updates, and the report of each step."""
    steps, reports = steps_of(pipe, params, seed), []
    while params["version"] < num_updates:
        _, params, report = next(steps)
        reports.append(report)
    return params, reports


def items_of(source: Pipeline, params: Params, num: int, seed: int = 0) -> list:
    """So many items of a pipeline, with the same params: rollouts or batches."""
    state, items = source.init(params, seed), []
    for _ in range(num):
        state, item, _ = source.step(params, state)
        items.append(item)
    return items


def step(run: Learner, num: int) -> Learner:
    """A run after so many steps more."""
    for _ in range(num):
        run.step()
    return run


def step_until(run: Learner, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Steps until something holds, and leaves the cores to processes that start meanwhile."""
    end = time.monotonic() + seconds
    while not condition():
        run.step()
        time.sleep(0.05)
        assert time.monotonic() < end, f"it never came: {workers_of(run)}"


def workers_of(run: Learner) -> dict[str, list[str]]:
    """The life and the failures of each worker, to be read where something never came."""
    cuts = {name: x.members for name, x in run.state.items() if hasattr(x, "members")}
    return {
        name: [f"life {x.lives}, {x.failures} failures, {x.worker}" for x in members]
        for name, members in cuts.items()
    }

"""Measures what a recipe's operations cost in one process."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

from tensordict import TensorDict

from nappo2.advice.costs import Costs, Learning
from nappo2.machine.threads import torch_threads
from nappo2.params import Params
from nappo2.pipeline import Pipeline, is_empty
from nappo2.reports import Report, count
from nappo2.runs.learner import Learner
from nappo2.saving.snapshots import close_state
from nappo2.schemes import scheme
from nappo2.schemes.merging import merge
from nappo2.seeds import fold_in
from nappo2.stages.recipe import (
    Recipe,
    batches_of,
    collect_of,
    gradients_of,
    learn_of,
    update_of,
)

QUEUED = Path("/proc/thread-self/schedstat")
SHORTEST = 0.02  # share of the time in which no core is used, below which it is noise
MOST_SECONDS = 60.0  # until a recipe makes its first update


class Spent(NamedTuple):
    """Seconds that something took.

    Attributes:
        wall: by the clock.
        cpu: of a core.
        queued: in which it could have gone on, but others had the cores.
    """

    wall: float
    cpu: float
    queued: float

    @property
    def idle(self) -> float:
        """Seconds in which no core was wanted."""
        return max(0.0, self.wall - self.cpu - self.queued)


def spent_on(call: Callable[[], Any]) -> Spent:
    """Seconds of a call."""
    wall, cpu, queued = perf_counter(), process_time(), seconds_queued()
    call()
    return Spent(perf_counter() - wall, process_time() - cpu, seconds_queued() - queued)


def seconds_queued() -> float:
    """Seconds in which this thread could have gone on, but others had the cores; 0 where none are counted."""
    try:
        _, nanoseconds, _ = QUEUED.read_text().split()
    except (OSError, ValueError):  # not on Linux, or not counted by it
        return 0.0
    return int(nanoseconds) / 1e9


def typical(call: Callable[[], Any], seconds: float, least: int = 3) -> Spent:
    """The median of what a call takes, but for the first one.

    Args:
        call: is made again and again.
        seconds: in which it is made.
        least: times that it is made.

    Returns:
        What it takes.
    """
    call()
    taken, end = [], perf_counter() + seconds
    while len(taken) < least or perf_counter() < end:
        taken.append(spent_on(call))
    return Spent(*map(median, zip(*taken, strict=True)))


class Stepped:
    """A pipeline that is stepped, with its state, from params that follow its updates."""

    def __init__(self, pipeline: Pipeline, params: Params, seed: int = 0):
        self.pipeline, self.params = pipeline, params
        self.state, self.item, self.report = pipeline.init(params, seed), None, Report()

    def step(self) -> None:
        """Takes a step."""
        self.state, self.item, self.report = self.pipeline.step(self.params, self.state)
        if any(stage.updates for stage in self.pipeline.stages) and not is_empty(self.item):
            self.params = self.item

    def first_update(self) -> None:
        """Steps until the first update.

        Raises:
            ValueError: if there is none within a minute.
        """
        version, end = int(self.params["version"]), perf_counter() + MOST_SECONDS
        while int(self.params["version"]) == version:
            if perf_counter() > end:
                raise ValueError(
                    f"no update was due within {MOST_SECONDS:g} s; advise measures the same recipe with "
                    "fewer start_steps as well"
                )
            self.step()


def measured_here(recipe: Recipe, num_rollouts: int, seconds: float) -> tuple[Costs, TensorDict]:
    """The costs of a recipe in this process, and one of its rollouts.

    Args:
        recipe: to measure.
        num_rollouts: the most that a scheme learns from at once.
        seconds: for each of some five measurements.

    Returns:
        Costs without those of other processes; a rollout.
    """
    params = recipe.init(fold_in(0, "params"))
    with torch_threads(1):
        source = Stepped(collect_of(recipe), params)
        collect = typical(source.step, seconds)
        rollouts = [_next_rollout(source) for _ in range(num_rollouts)]
        env_steps = int(source.report.sums["env_steps"])
        close_state(source.pipeline, source.state)
        learning, num_updates, update = {}, 1, 0.0
        for num in {1, num_rollouts}:
            given = merge(rollouts[:num])
            learning[num], num_updates, update = _learning(recipe, params, given, seconds)
        whole = _whole(recipe, params, seconds)
    idle = collect.idle if collect.idle > SHORTEST * (collect.idle + collect.cpu) else 0.0
    loop = max(0.0, whole.cpu - collect.cpu - learning[1].learn)
    costs = Costs(env_steps, num_updates, collect.cpu, idle, learning, update, loop)
    return costs, rollouts[0]


def _next_rollout(source: Stepped) -> TensorDict:
    source.step()
    return source.item


def _whole(recipe: Recipe, params: Params, seconds: float) -> Spent:
    """Seconds that a Learner in one process takes per row."""
    learner = Learner(scheme("3cs", recipe), params, progress=False)
    try:
        return typical(learner.step, seconds)
    finally:
        learner.close()


def given(item: TensorDict) -> Pipeline:
    """A source whose item is always the same rollout."""
    report = count(Report(), env_steps=item.numel())
    return Pipeline(lambda params, seed: {}, lambda params, state: (state, item, report))


def _learning(
    recipe: Recipe, params: Params, item: TensorDict, seconds: float
) -> tuple[Learning, int, float]:
    """Costs of learning from a rollout, the number of updates, and costs of an update."""
    fused = Stepped(given(item) | recipe.prepare | learn_of(recipe), params)
    fused.first_update()
    learn = typical(fused.step, seconds)
    before = int(fused.params["version"])
    fused.step()
    num_updates = max(1, int(fused.params["version"]) - before)
    parts = [recipe.prepare, batches_of(recipe), gradients_of(recipe), update_of(recipe)]
    line = given(item)
    for part in parts:
        line = line | part
    groups = {stage.name: i for i, part in enumerate(parts) for stage in part.stages}
    prepare, batch, gradients, update = _by_group(
        Stepped(line, params), groups, num_updates, seconds
    )
    return Learning(prepare, batch, gradients, learn.cpu), num_updates, update


def _by_group(
    stepped: Stepped, groups: dict[str, int], num_updates: int, seconds: float
) -> tuple[float, ...]:
    """Seconds of a core of groups of stages: the first per rollout, others per update."""
    stepped.first_update()
    rounds = []

    def rollout():
        totals = [0.0] * 4
        for _ in range(num_updates):
            stepped.step()
            for name, x in stepped.report.seconds.items():
                if name in groups:
                    totals[groups[name]] += x
        rounds.append(totals)

    spent = typical(rollout, seconds)
    prepare, *others = [median(column) for column in zip(*rounds[1:], strict=True)]
    scale = min(1.0, spent.cpu / spent.wall)  # others may have had the cores meanwhile
    return prepare * scale, *(x * scale / num_updates for x in others)

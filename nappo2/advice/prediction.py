"""Steps per second and lags of a training scheme, predicted from what its operations cost.

The line of a word is simulated as ``schemes`` runs it: a process for each worker, calls in the order of
``CutStep``, and versions of params that tell how old rollouts and gradients are.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nappo2.advice.costs import Costs, Learning, Transfer, kind_of
from nappo2.advice.simulation import Cores, Idle, Process, Steps, Until, Work, simulate
from nappo2.checks import checked
from nappo2.schemes.grammar import Word, parse

WARM_ROLLOUTS, ROLLOUTS = 4, 16  # of each collector


class Prediction(NamedTuple):
    """The predicted speed and lags of a scheme.

    Attributes:
        word: of the scheme.
        collectors: of it; 0 where none are apart.
        learners: likewise.
        steps_per_second: env steps.
        collection_lag: how many updates old rollouts are, on average.
        gradient_lag: how many updates old gradients are.
        busy: the share of time in which the process of the Learner computes.
    """

    word: str
    collectors: int
    learners: int
    steps_per_second: float
    collection_lag: float
    gradient_lag: float
    busy: float


class Item(NamedTuple):
    """An item of a step: of how many env steps, and of which versions of params."""

    env_steps: int
    collected: float
    version: float


Step = Callable[[float], Steps]
"""A step of a simulated pipeline, ``version of params -> Item``."""


@checked
def predict(
    word: str, costs: Costs, collectors: int, learners: int, cores: int, ahead: int = 0
) -> Prediction:
    """Predicts a scheme of a recipe whose costs were measured.

    Args:
        word: of the scheme, such as "da2cs".
        costs: of the recipe.
        collectors: in all.
        learners: that compute gradients.
        cores: of the machine, or of all machines of a cluster.
        ahead: how many rollouts a collector may begin before its last one was taken.

    Returns:
        Env steps per second, and lags.

    Example:
        >>> from nappo2.advice import Costs, Learning, predict
        >>> learning = {1: Learning(prepare=0.0, batch=0.0, gradients=0.01, learn=0.25)}
        >>> work = {"collect": 0.75, "idle": 0.0, "learning": learning, "update": 0.0}
        >>> costs = Costs(env_steps=1_000, num_updates=10, **work)
        >>> prediction = predict("3cs", costs, collectors=1, learners=1, cores=1)
        >>> round(prediction.steps_per_second)  # 1,000 steps in 0.75 + 0.25 s
        1000
    """
    return Simulated(parse(word), costs, collectors, learners, ahead).run(cores)


class Simulated:
    """A scheme that is simulated: its processes, and what its Learner has counted.

    Args:
        word: of the scheme.
        costs: of its operations.
        collectors: in all.
        learners: that compute gradients.
        ahead: of collectors.
    """

    def __init__(self, word: Word, costs: Costs, collectors: int, learners: int, ahead: int):
        self.word, self.costs, self.ahead = word, costs, ahead
        self.learners = learners if word.learners else 0
        each = max(1, collectors // learners) if word.learners else collectors
        self.each = each if word.collectors else 0
        self.processes: list[Process] = []
        self.env_steps, self.lags = 0, []
        self.meeting = Meeting(learners)

    def run(self, cores: int) -> Prediction:
        """Simulates until each collector has delivered some rollouts, behind some that do not count."""
        learner = Process(self._learner())
        self.processes.append(learner)
        machine = Cores(cores, self.costs.slowdown)
        num = max(1, self.learners) * max(1, self.each) * self.costs.env_steps
        simulate(machine, self.processes, lambda: self.env_steps >= WARM_ROLLOUTS * num)
        before, learner.worked, self.lags = self.env_steps, 0.0, []
        end = before + ROLLOUTS * num
        seconds = simulate(machine, self.processes, lambda: self.env_steps >= end)
        lags = [sum(x) / len(self.lags) for x in zip(*self.lags, strict=True)] or [0.0, 0.0]
        counts = max(1, self.learners) * self.each, self.learners
        rate = (self.env_steps - before) / seconds
        return Prediction(self.word.name, *counts, rate, *lags, learner.worked / seconds)

    def _learner(self) -> Steps:
        """The process of the Learner, which goes on without end."""
        step, version = self._line(), 0.0
        while True:
            item = yield from step(version)
            one_by_one = self.word.learners and not self.word.replicas
            updates = 1 if one_by_one else self.costs.num_updates
            lag = version - item.collected + (updates - 1) / 2
            self.lags.append((lag, version - item.version))
            self.env_steps += item.env_steps
            version += updates
            yield Work(self.costs.loop if item.env_steps else 0.0)

    def _line(self) -> Step:
        """The step of the whole pipeline."""
        if not self.word.learners:
            return self._learn(self._collected())
        step = self._cut(self.learners, self.word.learners, "learners", self._in_learner)
        return step if self.word.replicas else self._then(step, self.costs.update)

    def _in_learner(self) -> Step:
        """The pipeline left of the cut of learners, in one of them."""
        step = self._gradients(self._collected())
        return self._replica(step) if self.word.replicas else step

    def _collected(self) -> Step:
        """The source of rollouts, with workers of its own or without."""
        if not self.word.collectors:
            return self._collect()
        return self._cut(self.each, self.word.collectors, "collectors", self._collect)

    def _collect(self) -> Step:
        def step(version: float) -> Steps:
            yield Work(self.costs.collect)
            yield Idle(self.costs.idle)
            return Item(self.costs.env_steps, version, version)

        return step

    def _learning_from(self, item: Item) -> Learning:
        return self.costs.learning_of(item.env_steps // self.costs.env_steps)

    def _learn(self, source: Step) -> Step:
        """All updates of a rollout in one process."""

        def step(version: float) -> Steps:
            item = yield from source(version)
            yield Work(self._learning_from(item).learn)
            return item._replace(version=version)

        return step

    def _gradients(self, source: Step) -> Step:
        """One gradient per step; a rollout is counted with its last one, as minibatches do."""
        items: deque[Item] = deque()

        def step(version: float) -> Steps:
            if not items:
                item = yield from source(version)
                yield Work(self._learning_from(item).prepare)
                items.extend([item] * self.costs.num_updates)
            item = items.popleft()
            learning = self._learning_from(item)
            yield Work(learning.batch + learning.gradients)
            return item._replace(version=version, env_steps=0 if items else item.env_steps)

        return step

    def _replica(self, source: Step) -> Step:
        """A learner that averages its gradients with the others, and makes all updates of a rollout."""

        def step(version: float) -> Steps:
            for _ in range(self.costs.num_updates):
                item = yield from source(version)
                yield from self.meeting.meet()
                yield Work(self.costs.reduce.cpu)
                yield Idle(self.costs.reduce.idle)
                yield Work(self.costs.update)
            return item

        return step

    def _then(self, source: Step, seconds: float) -> Step:
        def step(version: float) -> Steps:
            item = yield from source(version)
            yield Work(seconds)
            return item

        return step

    def _cut(self, num: int, wait: str, name: str, make: Callable[[], Step]) -> Step:
        transfer = self.costs.transfers.get(kind_of(self.word, name), Transfer())
        workers = [SimulatedWorker(make(), transfer) for _ in range(num)]
        self.processes += [Process(worker.steps()) for worker in workers]
        calls = 1 + self.ahead * (name == "collectors" and wait == "one")
        cut = SimulatedCut(workers, num if wait == "all" else 1, calls, self.costs.put, transfer)
        return cut.step


class Meeting:
    """Where so many workers wait for each other."""

    def __init__(self, num: int):
        self.num, self.arrived = num, 0

    def meet(self) -> Steps:
        """Waits for all others."""
        self.arrived += 1
        enough = -(-self.arrived // self.num) * self.num
        yield Until(lambda: self.arrived >= enough)


class SimulatedCall:
    """A call of a worker, and its result once it is there."""

    def __init__(self, version: float):
        self.version, self.item = version, None


class SimulatedWorker:
    """A worker of a cut, which takes a step for each call."""

    def __init__(self, step: Step, transfer: Transfer):
        self.step, self.transfer, self.calls = step, transfer, deque()

    def steps(self) -> Iterator:
        """The process of the worker, which goes on without end."""
        while True:
            yield Until(lambda: len(self.calls) > 0)
            call = self.calls.popleft()
            item = yield from self.step(call.version)
            yield Work(self.transfer.worker)
            yield Idle(self.transfer.latency)
            call.item = item


class SimulatedCut:
    """A cut: calls all workers that have room, and merges the first results, as ``CutStep`` does."""

    def __init__(
        self,
        workers: list[SimulatedWorker],
        wait_for: int,
        calls_each: int,
        put: float,
        transfer: Transfer,
    ):
        self.workers, self.wait_for, self.calls_each = workers, wait_for, calls_each
        self.put, self.transfer = put, transfer
        self.pending: list[tuple[SimulatedWorker, SimulatedCall]] = []

    def step(self, version: float) -> Steps:
        """Hands out params of a version; yields the merged item."""
        yield Work(self.put)
        for num_pending in range(self.calls_each):
            for worker in self.workers:
                if sum(x is worker for x, _ in self.pending) <= num_pending:
                    yield Work(self.transfer.call)
                    call = SimulatedCall(version)
                    worker.calls.append(call)
                    self.pending.append((worker, call))
        yield Until(lambda: sum(call.item is not None for _, call in self.pending) >= self.wait_for)
        ready = [pair for pair in self.pending if pair[1].item is not None][: self.wait_for]
        self.pending = [pair for pair in self.pending if pair not in ready]
        yield Work(self.transfer.take * len(ready))
        items = [call.item for _, call in ready]
        steps, collected, versions = zip(*items, strict=True)
        return Item(sum(steps), sum(collected) / len(items), sum(versions) / len(items))

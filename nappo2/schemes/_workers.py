"""The cut: everything upstream runs on workers, and what they yield is merged.

A training scheme says where the pipeline is cut, and how many of a cut's
workers each step waits for.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic, perf_counter
from typing import Any, NamedTuple

import numpy as np

from nappo2.machine.stop import Interrupted, current_stop
from nappo2.pipeline import (
    Cut,
    Pipeline,
    Stage,
    Transform,
    adopt,
    described,
    is_plain,
    positive,
    stage,
)
from nappo2.reports import count, join
from nappo2.saving.packing import Packed
from nappo2.saving.snapshots import EndedCut, is_cut, packed_state, restored
from nappo2.schemes.backend import Backend, reduces, serial
from nappo2.schemes.cut_step import CutStep, Member
from nappo2.schemes.merging import merge
from nappo2.seeds import fold_in

log = logging.getLogger("nappo2")
ANSWER_SECONDS = 8.0  # for all workers of a cut, as who is told to go may have no more
INTERRUPTED_SECONDS = 0.5  # the same, where they were waited for already


class WorkersState(NamedTuple):
    members: tuple[Member, ...]
    pending: dict[Any, int]  # ref -> index of the member, in order of the calls
    delivered: bool  # whether any worker has ever
    backend: Backend
    kind: tuple = ()  # of what workers these are, as far as it was settled when they began

    def fits(self, pipeline: Pipeline) -> bool:
        """Whether these can be the workers of the last cut of ``pipeline``."""
        cuts = [i for i, stage in enumerate(pipeline.stages) if stage.cut is not None]
        if not cuts:
            return False
        last = pipeline.stages[cuts[-1]]
        return self.kind == kind_of(pipeline.stages[: cuts[-1]], last.name, last.cut)

    def ended(self) -> EndedCut:
        """What these remember; they are no more.

        From another process only plain data come: a live simulator begins anew.
        """
        fn = _plain_state if self.backend.remote else _whole_state
        found = [
            {} if member.worker is None else self.backend.ask(member.worker, fn)
            for member in self.members
        ]
        if self.backend.remote:  # else what they hold may be adopted
            self.stop()
        return EndedCut(tuple(found))

    def adopt(self, old: Any) -> "WorkersState":
        """Worker i goes on from the state of worker i; where nothing was cut, worker 0 from ``old``."""
        if getattr(old, "members", None) is self.members:
            return self
        states = [old.ask(i) for i in range(old.num_workers)] if is_cut(old) else [old]
        for i, (member, state) in enumerate(zip(self.members, states, strict=False)):
            for note in self.backend.ask(member.worker, _going_on(state)):
                log.warning("worker %d: %s", i, note)
        return self

    @property
    def num_workers(self) -> int:
        """How many there are."""
        return len(self.members)

    def ask(self, i: int) -> Any:
        """The state of worker ``i``."""
        return self.backend.ask(self.members[i].worker, _whole_state)

    def saved(self) -> Iterator[Packed | None]:
        """The state of each as plain data; None of one that does not answer in time."""
        seconds = INTERRUPTED_SECONDS if current_stop().interrupted() else ANSWER_SECONDS
        end = monotonic() + seconds
        return (self._asked(i, end) for i in range(len(self.members)))

    def _asked(self, i: int, end: float) -> Packed | None:
        worker = self.members[i].worker
        if worker is None:
            return None
        try:
            answer = self.backend.ask(worker, _packed_there, max(0.25, end - monotonic()))
            return answer._replace(arrays=[np.asarray(x) for x in answer.arrays])
        except TypeError:
            raise
        except Exception as error:  # lost, hanging or failing: it is replaced in the next step
            log.warning("worker %d is not in the checkpoint, and would start anew: %r", i, error)
            return None

    def worker_states(self) -> list[dict]:
        """The states of workers in this process."""
        return [] if self.backend.remote else [self.ask(i) for i in range(len(self.members))]

    def stop(self) -> None:
        """Ends the workers, and closes their simulators."""
        self.backend.stop([m.worker for m in self.members if m.worker is not None])


def _whole_state(pipeline: Pipeline, state: dict) -> tuple:
    return pipeline, state, state


def _plain_state(pipeline: Pipeline, state: dict) -> tuple:
    return pipeline, state, {name: x for name, x in state.items() if is_plain(x)}


def kind_of(source: Sequence[Stage], name: str, cut: Cut) -> tuple:
    """What is settled when the workers of a cut begin, and cannot be changed."""
    meet = any(stage.reduces for stage in source)
    arrivals = (cut.wait_for, cut.preempt) if meet else None
    return name, cut.num_workers, cut.remote, arrivals


def _adopting(pipeline: Pipeline, params: Any, seed: int) -> Callable:
    return lambda _, state: (pipeline, adopt(pipeline, state, params, seed), None)


def _going_on(left: Any) -> Callable:
    return lambda pipe, state: (pipe, *restored(pipe, state, left))


def _packed_there(pipeline: Pipeline, state: dict) -> tuple:
    return pipeline, state, packed_state(pipeline, state)


@stage
def workers(
    num_workers: int,
    wait_for: int | None = None,
    ahead: int = 0,
    preempt: float | None = None,
    on: Backend = serial,
    name: str = "workers",
) -> Transform:
    """Runs the pipeline up to here on ``num_workers`` workers, and merges what they yield.

    A step hands its params to every worker that has room, waits for the first ``wait_for``
    results in the order of their calls, and merges them: rollouts along B, gradients and params
    by their means, reports by joining. To wait for all is synchronous, for one asynchronous.
    Worker i starts from ``fold_in(seed, i)``; one that is lost is replaced, with the newest
    params and a fresh seed.

    Args:
        num_workers: how many there are.
        wait_for: how many results make a step; None for all of them.
        ahead: how many steps a worker may begin before its last result was taken.
        preempt: if not None, a step takes the results of all, but when ``wait_for`` are there,
            the others stop collecting with this share of a rollout.
        on: where the workers are: ``serial``, or ``on_ray(...)``.
        name: of the stage.

    Raises:
        ValueError: for counts that do not go together.
    """
    positive(num_workers=num_workers)
    wait_for = num_workers if wait_for is None else wait_for
    if (
        isinstance(wait_for, bool)
        or not isinstance(wait_for, int)
        or not 1 <= wait_for <= num_workers
    ):
        raise ValueError(f"cannot wait for {wait_for} of {num_workers} workers")
    if isinstance(ahead, bool) or not isinstance(ahead, int) or ahead < 0:
        raise ValueError(f"ahead is an integer of at least 0, not {ahead!r}")
    if preempt is not None and not 0 < preempt <= 1:
        raise ValueError(f"preempt is a share of a rollout, above 0 and at most 1, not {preempt}")

    cut = Cut(num_workers, wait_for, ahead, preempt, on.remote)

    def transform(source):
        meet = reduces(source) and num_workers > 1
        kind = kind_of(source.stages, name, cut)
        if meet and ahead:
            raise ValueError("workers that meet in all_reduce cannot be ahead of each other")
        if meet and wait_for < num_workers and preempt is None:
            raise ValueError(
                f"workers that meet in all_reduce cannot wait for {wait_for} of {num_workers}; "
                "preempt=0.5 lets the others stop early"
            )
        arrivals = (wait_for, preempt) if meet and preempt is not None else None

        def spawn(params, seeds):
            return on.spawn(source, params, seeds, arrivals)

        def init(params, seed, left=None):
            seeds = [fold_in(seed, i) for i in range(num_workers)]
            old = None if left is None else left.states.get(name)
            if hasattr(old, "fits"):  # which they do, as others have ended
                for member, first in zip(old.members, seeds, strict=True):
                    if member.worker is not None:
                        on.ask(member.worker, _adopting(source, params, first))
                return {name: WorkersState(old.members, {}, True, on, kind)}
            members = tuple(map(Member, spawn(params, seeds), seeds))
            own = WorkersState(members, {}, False, on, kind)
            try:  # what fails at its start is raised here
                for member in members:
                    on.ask(member.worker, _nothing)
            except BaseException:  # also an interrupt
                own.stop()
                raise
            return {name: own}

        def step(params, state):
            members, pending, delivered, *_ = state[name]
            step_now = CutStep(source, on, spawn, params, members, pending, delivered)
            try:
                step_now.call_all(1 + ahead)
                if preempt is not None and not meet:
                    on.preempt(step_now.late(wait_for), preempt)
                results = step_now.results(wait_for if preempt is None else num_workers)
            except Interrupted as interrupt:
                on.preempt(list(step_now.pending), 0.0)  # nobody waits for them any more
                own = WorkersState(tuple(step_now.members), {}, step_now.delivered, on, kind)
                raise Interrupted({name: own}) from interrupt
            start = perf_counter()
            items, reports = zip(*results, strict=True)
            item, report = merge(items), join(reports)
            if on.remote:  # others spent these seconds, beside this process
                report = report._replace(elapsed=0.0)
            counted = {
                f"{name}_wait_seconds": step_now.waited,
                f"{name}_transfer_seconds": step_now.moved + perf_counter() - start,
                "restarts": report.sums.get("restarts", 0) + step_now.restarts,
            }
            own = WorkersState(
                tuple(step_now.members), step_now.pending, step_now.delivered, on, kind
            )
            return {name: own}, item, count(report, **counted)

        return Pipeline(init, step)

    return described(transform, cut=cut)


def _nothing(pipeline, state):
    return pipeline, state, None

"""One step of a cut: the workers are called, the first results fetched, and lost workers replaced."""

import logging
from collections.abc import Callable, Iterable
from time import monotonic, perf_counter, time
from typing import Any

from nappo2.machine.clock import since_1970
from nappo2.params import Params
from nappo2.pipeline import Pipeline, is_recorded
from nappo2.reports import Span, of_worker
from nappo2.schemes.backend import UNBOUNDED, Delivered, Lost
from nappo2.schemes.obeying import Obeyed
from nappo2.schemes.observed import Observed
from nappo2.schemes.workers_state import Member, WorkersState
from nappo2.seeds import fold_in

log = logging.getLogger("nappo2")
LONGEST_PAUSE = 60.0  # seconds
ROOM_SECONDS = 1.0  # between two looks for room


class CutStep:
    """One step of a cut, from the state of its workers to ``workers_state``, with which the next begins.

    Attributes:
        name: of the cut.
        source: the pipeline that the workers run.
        spawn: ``(params, seeds, patient, others) -> workers``.
        params: of this step.
        backend: where the workers are.
        timing: what depends on the clock and on other processes, as it happens or as it was noted.
        members, pending, delivered: as in ``WorkersState``.
        restarts: number of workers that were replaced in this step.
        wait_seconds: how long the step waited for calls.
        transfer_seconds: how long params and results travelled.
        spans: when it waited, when results travelled, and when workers were lost and begun anew.
    """

    def __init__(
        self,
        name: str,
        source: Pipeline,
        spawn: Callable,
        params: Params,
        workers_state: WorkersState,
    ):
        self.name, self.source, self.spawn, self.params = name, source, spawn, params
        self.before, self.backend = workers_state, workers_state.backend
        self.members, self.pending = list(workers_state.members), dict(workers_state.pending)
        orders = workers_state.orders
        self.timing = Observed(self.backend) if orders is None else Obeyed(orders)
        self.delivered, self.restarts = workers_state.delivered, 0
        self.wait_seconds, self.transfer_seconds = 0.0, 0.0
        self.spans: list[Span] = []
        start = perf_counter()
        self._params_handle = self.backend.put(params)
        self._add_transfer(start)

    def workers_state(self) -> WorkersState:
        """The state of the workers after what has happened so far."""
        notes, orders = self.before.notes, getattr(self.timing, "orders", None)
        return self.before._replace(
            members=tuple(self.members),
            pending=self.pending,
            delivered=self.delivered,
            notes=None if notes is None else (*notes, tuple(self.timing.events)),
            orders=orders,
            left=(),
        )

    def present(self) -> dict[int, Any]:
        """The workers that are there, by their indices."""
        return {i: x.worker for i, x in enumerate(self.members) if x.worker is not None}

    def let_leave(self) -> None:
        """Ends the workers that have no place any more, but for the fewest that there may be."""
        present = self.present()
        num = len(present) - self.before.least
        for i in self.timing.leaves(present, num, self.before.left):
            self._leave(i)

    def call_all(self, calls_each: int) -> None:
        """Calls each worker until ``calls_each`` of its calls are pending."""
        for num_pending in range(calls_each):
            for i, member in enumerate(self.members):
                calls = sum(j == i for j in self.pending.values())
                if member.worker is not None and calls <= num_pending:
                    self._call(i)

    def _call(self, i: int) -> None:
        self.pending[self.backend.call(self.members[i].worker, self._params_handle)] = i

    def late(self, num: int) -> list:
        """The pending calls that are not among the first ``num`` to be ready, and can be told so."""
        first = self._wait(num)
        return [ref for ref in under_way(self.pending) if ref not in first]

    def results(self, num: int) -> list[tuple]:
        """The results ``(item, report)`` of the first ``num`` calls; lost workers deliver none."""
        results: list[tuple] = []
        while len(results) < num:
            self._restart_due()
            results += self._delivered(num - len(results))
        return results

    def results_of_all(self) -> list[tuple]:
        """The results of all who are there; who is lost lives again in a later step, if any is left."""
        self._restart_due()
        results: list[tuple] = []
        while self.pending or not results:
            if not self.pending:
                self._restart_due()
            results += self._delivered(len(self.pending))
        return results

    def _delivered(self, num: int) -> list[tuple]:
        """The results among the first ``num`` answers; lost workers are replaced."""
        answers = self.fetch(num)
        good = [x for _, x in answers if not isinstance(x, Lost)]
        self.delivered |= bool(good)
        for i, x in answers:
            self.replace_lost(i, x) if isinstance(x, Lost) else self.mark_alive(i)
        return good

    def fetch(self, num: int) -> list[tuple[int, Any]]:
        """The first ``num`` answers (results or ``Lost``), in order of the calls, with worker indices."""
        ready = self._wait(num)
        start = perf_counter()
        answers = self.timing.get(ready, list(self.pending))
        if self.backend.remote:
            self._add_transfer(start)
        indices = [self.pending.pop(ref) for ref in ready]
        return [(i, self._tagged(i, x)) for i, x in zip(indices, answers, strict=True)]

    def _tagged(self, i: int, answer: Any) -> Any:
        """An answer whose report says which worker it is of.

        Of a dataset that all workers read, the first one tells the moments: those of others are left out.
        """
        if isinstance(answer, Lost):
            return answer
        item, report = answer
        if i > 0 and is_recorded(self.source):
            report = report._replace(moments={})
        return item, of_worker(report, self._called(i))

    def _called(self, i: int) -> str:
        return f"{self.name} {i}"

    def _add_transfer(self, start: float) -> None:
        self.transfer_seconds += self._span(f"{self.name}_transfer", start)

    def _span(self, name: str, start: float, *worker: str) -> float:
        """Notes what was done since ``start``; returns the seconds."""
        seconds = perf_counter() - start
        self.spans.append(Span(name, since_1970(start), seconds, worker))
        return seconds

    def _wait(self, num: int) -> list:
        start = perf_counter()
        ready = self.timing.wait(list(self.pending), min(num, len(self.pending)))
        self.wait_seconds += self._span(f"{self.name}_wait", start)
        return ready

    def mark_alive(self, i: int) -> None:
        """Forgets the failures of a worker that delivered."""
        self.members[i] = self.members[i]._replace(failures=0)

    def replace_lost(self, i: int, lost: Lost) -> None:
        """Ends a worker that failed, and settles when its next life may begin.

        Raises:
            Exception: the worker's error, if no worker has ever delivered a result.
            RuntimeError: if it was lost more often in a row than the backend allows.
        """
        member = self.members[i]
        if member.worker is None:
            return  # another of its calls was lost before
        if not lost.died and not self.delivered:
            raise lost.error  # nothing here has ever worked
        failures = member.failures + 1
        if failures > self.backend.max_restarts:
            raise RuntimeError(
                f"worker {i} was lost {failures} times in a row, at last by {lost.error!r}"
            ) from lost.error
        what = "is replaced" if self.before.least is None else "has left"
        log.warning("worker %d %s (%d in a row): %r", i, what, failures, lost.error)
        self.backend.stop([member.worker])
        self.pending = {ref: j for ref, j in self.pending.items() if j != i}
        due = monotonic() + (min(LONGEST_PAUSE, 2.0 ** (failures - 2)) if failures > 1 else 0.0)
        self.members[i] = Member(None, member.seed, member.lives + 1, failures, due)
        self.restarts += 1
        self.spans.append(Span("lost", time(), 0.0, (self._called(i),)))

    def _leave(self, i: int) -> None:
        """Ends a worker that has no place any more, and drops its calls; it may join again."""
        member = self.members[i]
        if member.worker is not None:
            self.backend.stop([member.worker])
        self.pending = {ref: j for ref, j in self.pending.items() if j != i}
        self.members[i] = Member(None, member.seed, member.lives + 1)

    def _restart_due(self) -> None:
        """Begins the lives that are due, if there is room, and waits for one if nobody is at work."""
        due = {i: member.due for i, member in enumerate(self.members) if member.worker is None}
        for i in self.timing.begins(due, idle=not self.pending, room=self._room):
            self.begin_life(i)
            self._call(i)
        self._look_again_later()

    def _room(self) -> int:
        """How many lives may begin now: any of a number of workers that stays, or of the fewest."""
        if self.before.least is None:
            return UNBOUNDED
        present = self.present()
        return max(self.before.least - len(present), self.backend.room(list(present.values())))

    def _look_again_later(self) -> None:
        """Has those for whom there was no room wait for a second, where the number of workers may change."""
        if self.before.least is None:
            return
        for i, member in enumerate(self.members):
            if member.worker is None and member.due <= monotonic():
                self.members[i] = member._replace(due=monotonic() + ROOM_SECONDS)

    def begin_life(self, i: int) -> None:
        """Spawns a worker again, with the params of this step and the seed of its next life."""
        member, present, least = self.members[i], self.present(), self.before.least
        patient, others = least is None or len(present) < least, list(present.values())
        seeds, start = [fold_in(member.seed, member.lives)], perf_counter()
        (worker,) = self.spawn(self.params, seeds, patient, others)
        self._span("begun anew", start, self._called(i))
        self.members[i] = member._replace(worker=worker)


def under_way(pending: Iterable[Any]) -> list:
    """The pending calls whose results are not there yet, as far as this process knows."""
    return [ref for ref in pending if not isinstance(ref, Delivered)]

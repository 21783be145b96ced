"""One step of a cut: calls, waits, and the replacement of workers that are lost."""

import logging
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from nappo2.machine.stop import Interrupted, pause
from nappo2.params import Params
from nappo2.pipeline import Pipeline, begun
from nappo2.saving.snapshots import Left
from nappo2.schemes.backend import Backend, Lost, Parted, reduces
from nappo2.seeds import fold_in

log = logging.getLogger("nappo2")
LONGEST_PAUSE = 60.0  # seconds


class Member(NamedTuple):
    """One of a cut's workers, through all its lives.

    Attributes:
        worker: the backend's handle; None between two lives.
        seed: of its first life; that of life n is ``fold_in(seed, n)``.
        lives: how many it has had before.
        failures: how often it was lost in a row.
        due: when the next life may begin, by ``time.monotonic``.
    """

    worker: Any
    seed: int
    lives: int = 0
    failures: int = 0
    due: float = 0.0


class CutStep:
    """One step of a cut; ``members``, ``pending`` and ``delivered`` are what the next begins with."""

    def __init__(
        self,
        source: Pipeline,
        on: Backend,
        spawn: Callable,
        params: Params,
        members: tuple[Member, ...],
        pending: dict[Any, int],
        delivered: bool,
    ):
        self.source, self.on, self.spawn, self.params = source, on, spawn, params
        self.members, self.pending, self.delivered = list(members), dict(pending), delivered
        self.meet = reduces(source) and len(members) > 1
        self.restarts, self.waited, start = 0, 0.0, perf_counter()
        self.handle = on.put(params)
        self.moved = perf_counter() - start

    def call_all(self, most: int) -> None:
        """Calls each worker until ``most`` of its calls are pending."""
        if self.meet and any(member.worker is None for member in self.members):
            self._regroup({})  # which an interrupt has broken off
        for place in range(most):
            for i, member in enumerate(self.members):
                calls = sum(j == i for j in self.pending.values())
                if member.worker is not None and calls <= place:
                    self._call(i)

    def late(self, num: int) -> list:
        """The calls that are not among the first ``num`` to be ready."""
        first = self._wait(num)
        return [ref for ref in self.pending if ref not in first]

    def results(self, num: int) -> list[tuple]:
        """The results of the first ``num`` calls; those of lost workers do not count."""
        found: list[tuple] = []
        while len(found) < num:
            self._restart_due()
            ready = self._wait(num - len(found))
            start = perf_counter()
            results = self.on.get(ready)
            self.moved += (perf_counter() - start) * self.on.remote
            taken = [(self.pending.pop(ref), x) for ref, x in zip(ready, results, strict=True)]
            if self.meet and any(isinstance(x, Lost) for _, x in taken):
                if good := self._regroup(dict(taken)):
                    return good  # whoever was at its end has reduced with all others
                self.call_all(1)
                continue
            good = [x for _, x in taken if not isinstance(x, Lost)]
            self.delivered |= bool(good)
            for i, x in taken:
                self._replace_lost(i, x) if isinstance(x, Lost) else self._mark_alive(i)
            found += good
        return found

    def _call(self, i: int) -> None:
        self.pending[self.on.call(self.members[i].worker, self.handle)] = i

    def _wait(self, num: int) -> list:
        start = perf_counter()
        ready = self.on.wait(list(self.pending), min(num, len(self.pending)))
        self.waited += perf_counter() - start
        return ready

    def _mark_alive(self, i: int) -> None:
        self.members[i] = self.members[i]._replace(failures=0)

    def _replace_lost(self, i: int, lost: Lost) -> None:
        """Ends a worker that failed, and settles when the next life may begin."""
        member = self.members[i]
        if member.worker is None:
            return  # another of its calls told already
        if not lost.died and not self.delivered:
            raise lost.error  # nothing here has ever worked
        failures = member.failures + 1
        if failures > self.on.max_restarts:
            raise RuntimeError(
                f"worker {i} was lost {failures} times in a row, at last by {lost.error!r}"
            ) from lost.error
        log.warning("worker %d is replaced (%d in a row): %r", i, failures, lost.error)
        self.on.stop([member.worker])
        self.pending = {ref: j for ref, j in self.pending.items() if j != i}
        due = monotonic() + (min(LONGEST_PAUSE, 2.0 ** (failures - 2)) if failures > 1 else 0.0)
        self.members[i] = Member(None, member.seed, member.lives + 1, failures, due)
        self.restarts += 1

    def _restart_due(self) -> None:
        """Begins the lives that are due, and waits for one if nobody is at work."""
        gone = [i for i, member in enumerate(self.members) if member.worker is None]
        if gone and not self.pending:
            pause(min(self.members[i].due for i in gone) - monotonic())
        for i in gone:
            if self.members[i].due <= monotonic():
                self._begin(i)
                self._call(i)

    def _begin(self, i: int) -> None:
        member = self.members[i]
        (worker,) = self.spawn(self.params, [fold_in(member.seed, member.lives)])
        self.members[i] = member._replace(worker=worker)

    def _regroup(self, taken: dict[int, Any]) -> list[tuple]:
        """Replaces the lost of a group that met, and has all of them begin anew together.

        What stands right of ``all_reduce`` (the optimiser) is equal on all of them and is kept,
        from one that has finished the round if there is one; collectors restart their episodes.
        Whoever is lost meanwhile is replaced, too. Returns the results of those that had finished.
        """
        self._replace_all_lost(taken)
        while self.pending:  # when one is gone, the others come to their ends
            ready = self._wait(len(self.pending))
            results = zip(ready, self.on.get(ready), strict=True)
            more = {self.pending.pop(ref): x for ref, x in results}
            self._replace_all_lost(more)
            taken |= more
        finished = {i: x for i, x in taken.items() if not isinstance(x, Lost)}
        self.delivered |= bool(finished)
        alive = [i for i, member in enumerate(self.members) if member.worker is not None]
        kept = self._kept([*finished, *(i for i in alive if i not in finished)])
        for i in alive:
            self.members[i] = self.members[i]._replace(lives=self.members[i].lives + 1)
        try:
            while not self._met(kept):
                continue
        except Interrupted:
            self._leave(set(range(len(self.members))) - set(alive) or {alive[-1]})
            raise
        return list(finished.values())

    def _leave(self, places: set[int]) -> None:
        """Ends these, as a group that is not complete meets before its next step."""
        for i in places:
            if self.members[i].worker is not None:
                self.on.stop([self.members[i].worker])
                self.members[i] = self.members[i]._replace(worker=None)

    def _replace_all_lost(self, taken: dict[int, Any], lost_alone: bool = False) -> None:
        """Buries those that were lost, but not those that lost another one."""
        for i, x in sorted(taken.items()):
            if isinstance(x, Lost) and (lost_alone or not isinstance(x.error, Parted)):
                self._replace_lost(i, x)

    def _met(self, kept: dict) -> bool:
        """Begins what lives are missing; whether all have met, and begun anew, and none was lost."""
        for i, member in enumerate(self.members):
            if member.worker is None:
                pause(member.due - monotonic())
                self._begin(i)
        seeds = [fold_in(member.seed, member.lives) for member in self.members]
        workers = [member.worker for member in self.members]
        answers = self.on.regroup(workers, [_anew(self.params, seed, kept) for seed in seeds])
        lost = {i: x for i, x in enumerate(answers) if isinstance(x, Lost)}
        nobody_died = all(isinstance(x.error, Parted) for x in lost.values())
        self._replace_all_lost(lost, lost_alone=nobody_died)
        return not lost

    def _kept(self, survivors: list[int]) -> dict:
        """The states right of ``all_reduce``, of the first of the survivors to answer."""
        stages = self.source.stages
        meeting = next(i for i, stage in enumerate(stages) if stage.reduces)
        right = [key for stage in stages[meeting + 1 :] for key in stage.keys]
        for i in survivors:
            try:
                return self.on.ask(
                    self.members[i].worker,
                    lambda pipe, state: (
                        pipe,
                        state,
                        {k: x for k, x in state.items() if k in right},
                    ),
                )
            except Exception as error:
                self._replace_lost(i, Lost(error, died=True))
        log.warning("all workers of a group were lost, and the state of the optimiser with them")
        return {}


def _anew(params: Params, seed: int, kept: dict) -> Callable:
    return lambda pipe, state: (pipe, begun(pipe, params, seed, Left(kept)), None)

"""The workers of a cut between two steps: who they are, which calls are pending, and how they are asked."""

import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from tensordict import TensorDict
from torch import Tensor

from nappo2.machine.stop import current_stop
from nappo2.pipeline import Cut, Pipeline, Stage, adopt
from nappo2.saving.packing import Packed
from nappo2.saving.snapshots import CUT, LIVES, PENDING, EndedCut, is_cut, packed_state, restored
from nappo2.schemes.backend import Backend
from nappo2.schemes.membership import where_states
from nappo2.schemes.pending import called_again, saved_calls

log = logging.getLogger("nappo2")
ANSWER_SECONDS = 8.0  # for all workers of a cut, as who is told to go may have no more
INTERRUPTED_SECONDS = 0.5  # the same, where they were waited for already


class Member(NamedTuple):
    """One of a cut's workers, through all its lives.

    Attributes:
        worker: the backend's handle; None between two lives.
        seed: of its first life; that of life n is ``fold_in(seed, n)``.
        lives: number of lives before this one.
        failures: how often it was lost in a row.
        due: when the next life may begin, by ``time.monotonic``.
    """

    worker: Any
    seed: int
    lives: int = 0
    failures: int = 0
    due: float = 0.0


class WorkersState(NamedTuple):
    """The state of a cut.

    Attributes:
        members: the workers.
        pending: the index of the called worker, by the ref of each pending call, in order of the calls.
        delivered: whether any worker has ever delivered a result.
        backend: where the workers are.
        settings: what was settled when they began, as ``settings_of`` gives it.
        notes: the events of each step since they were taken; None if timing is not noted.
        orders: ``Orders`` of steps that were noted in another run; None if the workers obey none.
        least: the fewest workers there are; None if their number stays.
        begin: ``index -> worker``, in its first life.
        left: indices of workers that have left since the last step.
    """

    members: tuple[Member, ...]
    pending: dict[Any, int]
    delivered: bool
    backend: Backend
    settings: tuple = ()
    notes: tuple | None = None
    orders: Any = None
    least: int | None = None
    begin: Callable | None = None
    left: tuple[int, ...] = ()

    @property
    def num_workers(self) -> int:
        """Number of workers; the most of them, if it may change."""
        return len(self.members)

    def fits(self, pipeline: Pipeline) -> bool:
        """Tests whether these can be the workers of the last cut of ``pipeline``."""
        cuts = [i for i, stage in enumerate(pipeline.stages) if stage.cut is not None]
        if not cuts:
            return False
        last = pipeline.stages[cuts[-1]]
        return self.settings == settings_of(pipeline.stages[: cuts[-1]], last.name, last.cut)

    def reuse(self, pipeline: Pipeline, params: Any, seeds: Sequence[int]) -> None:
        """Gives the workers another pipeline, which goes on from the states that they have.

        Args:
            pipeline: what each worker runs from now on.
            params: with which stages begin that find no state.
            seeds: of these stages, for each worker.
        """
        for member, seed in zip(self.members, seeds, strict=True):
            if member.worker is not None:
                self.backend.ask(member.worker, _adopting(pipeline, params, seed))

    def adopt(self, old: Any) -> tuple["WorkersState", list[str]]:
        """Worker i goes on from the state of worker i; where nothing was cut, worker 0 from ``old``.

        Returns:
            The state, and sentences about what is not as it was, each once, whichever workers say it.
        """
        if getattr(old, "members", None) is self.members:
            return self, []
        states = [old.ask(i) for i in range(old.num_workers)] if is_cut(old) else [old]
        if self.least is not None and is_cut(old):
            return self._where(states)._gone_on(old, states)
        return self._gone_on(old, states)

    def _where(self, states: Sequence[Any]) -> "WorkersState":
        """The same cut with workers where there are states, as far as there is room for them."""
        members, left = where_states(self.members, states, self.least, self.backend, self.begin)
        return self._replace(members=members, left=left)

    def _gone_on(self, old: Any, states: Sequence[Any]) -> tuple["WorkersState", list[str]]:
        """The same workers, which go on from these states of ``old``, and what they note."""
        whole: set[int] = set()  # whose states nothing is missing in
        all_notes: list[str] = []
        for i, (member, state) in enumerate(zip(self.members, states, strict=False)):
            if member.worker is None:
                continue
            notes = self.backend.ask(member.worker, _restoring(state))
            for note in notes:
                log.warning("worker %d: %s", i, note)
            all_notes += notes
            if state and not notes:
                whole.add(i)
        workers_state = self._with_calls(old, whole) if isinstance(old, EndedCut) else self
        return workers_state, list(dict.fromkeys(all_notes))

    def _with_calls(self, old: EndedCut, whole: set[int]) -> "WorkersState":
        """The same workers with the lives and the pending calls of those that go on."""
        members = [
            member._replace(lives=old.lives[i])
            if i < len(old.lives) and (i in whole or member.worker is None)
            else member
            for i, member in enumerate(self.members)
        ]
        calls = [call for call in old.pending if call.worker in whole]
        pending = {called_again(self.backend, members, call): call.worker for call in calls}
        return self._replace(members=tuple(members), pending=pending)

    def ask(self, i: int) -> Any:
        """The state of worker ``i``; empty where none is there."""
        worker = self.members[i].worker
        return {} if worker is None else self.backend.ask(worker, _state)

    def worker_states(self) -> list[dict]:
        """The states of workers in this process."""
        return [] if self.backend.remote else [self.ask(i) for i in range(len(self.members))]

    def packed(self) -> dict[str, Any]:
        """The workers and their pending calls as plain data.

        A call of another process is waited for, as its worker cannot be asked before: its result is
        saved. In this process, its params are.
        """
        states = list(self.packed_states())
        there = {i for i, state in enumerate(states) if state is not None}
        calls = saved_calls(self.backend, self.pending, there)
        return {CUT: states, PENDING: calls, LIVES: [member.lives for member in self.members]}

    def packed_states(self) -> Iterator[Packed | None]:
        """The state of each worker as plain data; None of one that does not answer in time."""
        seconds = INTERRUPTED_SECONDS if current_stop().interrupted() else ANSWER_SECONDS
        end = monotonic() + seconds
        return (self._packed(i, end) for i in range(len(self.members)))

    def _packed(self, i: int, end: float) -> Packed | None:
        worker = self.members[i].worker
        if worker is None:
            return None
        try:
            answer = self.backend.ask(worker, _packed_state, max(0.25, end - monotonic()))
            return answer._replace(arrays=[np.asarray(x) for x in answer.arrays])
        except TypeError:
            raise
        except Exception as error:  # lost, hanging or failing: it is replaced in the next step
            log.warning("worker %d is not in the checkpoint, and would start anew: %r", i, error)
            return None

    def end(self) -> EndedCut:
        """Ends the workers, and returns their states.

        From another process only plain data come: a live simulator begins anew.
        """
        fn = _plain_state if self.backend.remote else _state
        states = [
            {} if member.worker is None else self.backend.ask(member.worker, fn)
            for member in self.members
        ]
        if self.backend.remote:  # else what they hold may be adopted
            self.stop()
        return EndedCut(tuple(states))

    def stop(self) -> None:
        """Ends the workers, and closes their simulators."""
        self.backend.stop([m.worker for m in self.members if m.worker is not None])


def settings_of(source: Sequence[Stage], name: str, cut: Cut) -> tuple:
    """What is settled when the workers of a cut begin, and cannot be changed.

    Args:
        source: the stages left of the cut.
        name: of the cut.
        cut: how it merges.

    Returns:
        A tuple to compare.
    """
    grouped = any(stage.reduces for stage in source)
    arrivals = (cut.wait_for, cut.preempt) if grouped else None
    return name, cut.num_workers, cut.least, cut.remote, arrivals


def is_plain(state: Any) -> bool:
    """Tests for a state of tensors, numbers and texts, in tuples and dictionaries: all that may travel."""
    if isinstance(state, (Tensor, TensorDict, int, float, str, type(None))):
        return True
    if isinstance(state, dict):
        return all(map(is_plain, state.values()))
    return isinstance(state, (tuple, list)) and all(map(is_plain, state))


# What a worker is asked: ``(pipeline, state) -> (pipeline, state, answer)``.


def _state(pipeline: Pipeline, state: dict) -> tuple:
    return pipeline, state, state


def _plain_state(pipeline: Pipeline, state: dict) -> tuple:
    return pipeline, state, {name: x for name, x in state.items() if is_plain(x)}


def _packed_state(pipeline: Pipeline, state: dict) -> tuple:
    return pipeline, state, packed_state(pipeline, state)


def _adopting(pipeline: Pipeline, params: Any, seed: int) -> Callable:
    return lambda _, state: (pipeline, adopt(pipeline, state, params, seed), None)


def _restoring(states: Any) -> Callable:
    return lambda pipeline, state: (pipeline, *restored(pipeline, state, states))

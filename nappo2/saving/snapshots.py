"""A pipeline's state as plain data, and how a pipeline goes on from the state of another one.

``PreviousStates`` is a mapping from stage name to state, and each stage adopts the state that has its
name and structure. The workers of a cut are asked for their states, whether they are at work, have
ended or were read from a file. A stage whose state is more than data says itself how that is saved and
loaded (``Stage.live``).
"""

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2.machine.closing import close_each
from nappo2.machine.live_objects import simulators
from nappo2.saving.packing import Packed, pack
from nappo2.saving.unpacking import UnknownKind, kinds_of, unpack

CUT = "workers"  # the key under which a cut's workers are packed
PENDING = "pending"  # that of calls whose results no step has taken yet
LIVES = "lives"  # that of the number of lives before, of each worker


def is_cut(value: Any) -> bool:
    """Tests whether the state of a stage is the workers of a cut, who can be asked."""
    return hasattr(value, "ask")


class LiveState(NamedTuple):
    """How a stage's state that is more than data, such as simulators, is saved, loaded and closed.

    Attributes:
        save: ``state -> data``.
        load: ``(fresh, old) -> (state, notes)``: goes on from ``old``, which ``save`` gave or another
            pipeline had, or says in sentences what begins anew, and why.
        close: ``state -> None``: frees what it holds.
        of_episodes: whether what begins anew are episodes, of which later stages forget the unfinished.
    """

    save: Callable[[Any], Any]
    load: Callable[[Any, Any], tuple[Any, list[str]]]
    close: Callable[[Any], None]
    of_episodes: bool = True


class PendingCall(NamedTuple):
    """A call of a worker whose result no step has taken yet, as data.

    Attributes:
        worker: its index.
        params: with which it is to be called, of a worker in the same process; else None.
        each_rollout: whether the call ends with each rollout.
        result: item, fields of the report, and what was noted of it; None if it is not there.
    """

    worker: int
    params: Any
    each_rollout: bool
    result: tuple | None


class EndedCut(NamedTuple):
    """The workers of a cut that are no more: they have ended, or were read from a file.

    Attributes:
        members: the state of each worker, packed where it was read; None of one that was lost.
        kinds: by stage name, the classes of the states that are known where it is asked.
        pending: calls of the workers that no step has taken yet, in their order.
        lives: number of lives before, of each worker; () if that is not known.
    """

    members: tuple[Mapping[str, Any] | Packed | None, ...]
    kinds: Mapping[str, dict[str, type]] = {}
    pending: tuple["PendingCall", ...] = ()
    lives: tuple[int, ...] = ()

    @property
    def num_workers(self) -> int:
        """Number of workers."""
        return len(self.members)

    def ask(self, i: int) -> dict[str, Any]:
        """The state of worker ``i``; stages that are not known here stay packed."""
        states = self.members[i] or {}
        return {name: _unpacked_if_known(x, name, self.kinds) for name, x in states.items()}

    def worker_states(self) -> tuple[Any, ...]:
        """The states of workers that ended in this process."""
        return tuple(member for member in self.members if not isinstance(member, Packed))


class PreviousStates:
    """The states of another pipeline by stage name, and those of the first workers of its cuts.

    Attributes:
        states: by stage name.
        new_episodes: whether the source that goes on from them has begun new episodes, so that stages
            right of it forget the unfinished ones.
    """

    def __init__(self, states: Mapping[str, Any]):
        self.states = states
        self.new_episodes = False

    @cached_property
    def first_workers(self) -> list["PreviousStates"]:
        """The first worker of each cut, asked only if a state is wanted that is nowhere else."""
        return [PreviousStates(first_state(x)) for x in self.states.values() if is_cut(x)]

    def get(self, name: str) -> Any:
        """The state of that name, or None."""
        if name in self.states:
            return self.states[name]
        return next((x for first in self.first_workers if (x := first.get(name)) is not None), None)


def first_state(cut: Any) -> Mapping[str, Any]:
    """The state of the first worker of a cut that has one."""
    return next((state for i in range(cut.num_workers) if (state := cut.ask(i))), {})


class Restored(NamedTuple):
    """The state in which a pipeline goes on.

    Attributes:
        state: of each stage.
        notes: sentences about what begins anew, and why, or is not what was saved.
    """

    state: dict[str, Any]
    notes: list[str]


def adopted(
    live: LiveState | None, name: str, fresh: Any, previous: PreviousStates
) -> tuple[Any, list[str]]:
    """The state with which a stage goes on: the previous one if it has the structure of ``fresh``.

    Simulators of the state that is not used are closed.

    Args:
        live: how the stage's state is loaded; None if it is data.
        name: of the state.
        fresh: the state with which the stage would begin.
        previous: states of another pipeline.

    Returns:
        The state, and sentences about what in it begins anew.
    """
    if is_cut(fresh):
        cut = previous.get(name)
        return fresh.adopt(cut if is_cut(cut) else previous.states)
    old = _unpacked_if_known(previous.get(name), name, {name: kinds_of(fresh)})
    if old is None:
        return fresh, []
    if live is not None:
        return live.load(fresh, old)
    if alike(fresh, old):
        return beside(fresh, old), []
    return fresh, [f"stage {name!r} has another structure than what was saved: it begins anew"]


def restored(pipeline: Any, fresh: dict[str, Any], states: Mapping[str, Any]) -> Restored:
    """Goes on from saved states.

    Simulators of ``fresh`` are moved to where the saved ones were, or begin new episodes; then the
    stages forget what they have of unfinished ones.

    Args:
        pipeline: the one that goes on.
        fresh: its first state.
        states: saved states, taken where ``fresh`` has the same names and structure.

    Returns:
        The state of the pipeline, and sentences about what begins anew.
    """
    previous, live_states = PreviousStates(states), live_states_of(pipeline)
    results = {k: adopted(live_states.get(k), k, value, previous) for k, value in fresh.items()}
    new_episodes = any(
        begins_episodes(live, fresh[name], *results[name])
        for name, live in live_states.items()
        if name in results
    )
    state = {k: _episodes_begun(x) if new_episodes else x for k, (x, _) in results.items()}
    return Restored(state, [note for _, notes in results.values() for note in notes])


def begins_episodes(live: LiveState | None, fresh: Any, state: Any, notes: list[str]) -> bool:
    """Tests whether the episodes of a source begin anew, as those of other environments.

    Args:
        live: of the stage.
        fresh: the state with which it would begin.
        state: the one that it goes on from.
        notes: what begins anew in it.

    Returns:
        Whether later stages forget the unfinished ones.
    """
    return live is not None and live.of_episodes and (state is fresh or bool(notes))


def gone_on(live: LiveState | None, name: str, fresh: Any, previous: PreviousStates) -> Any:
    """The state with which a stage of a line goes on, after those left of it.

    Args:
        live: how the stage's state is loaded; None if it is data.
        name: of the state.
        fresh: the state with which the stage would begin.
        previous: states of another pipeline, which are told of new episodes.

    Returns:
        The state, without what it has of unfinished episodes where new ones began.
    """
    state, notes = adopted(live, name, fresh, previous)
    if begins_episodes(live, fresh, state, notes):
        previous.new_episodes = True
    return _episodes_begun(state) if previous.new_episodes else state


def live_states_of(pipeline: Any) -> dict[str, LiveState]:
    """How the states that are more than data are saved, loaded and closed, by their names."""
    return {
        k: stage.live for stage in pipeline.stages for k in stage.keys if stage.live is not None
    }


def _episodes_begun(value: Any) -> Any:
    """A stage's state where episodes begin anew: without what it has of unfinished ones."""
    return value.episodes_begun() if hasattr(value, "episodes_begun") else value


def packed_state(pipeline: Any, state: dict[str, Any]) -> Packed:
    """A copy of the state as plain data; that of workers is asked for.

    Calls that are in flight are neither waited for nor counted.

    Raises:
        TypeError: if a stage's state has something that is no data.
    """
    return pack(saved_state(pipeline, state))


def saved_state(pipeline: Any, state: dict[str, Any]) -> dict[str, Any]:
    """The state as data, before it is packed."""
    live_states = live_states_of(pipeline)

    def plain(name: str, value: Any) -> Any:
        if is_cut(value):
            return value.packed()
        return live_states[name].save(value) if name in live_states else value

    return {name: plain(name, value) for name, value in state.items()}


def unpacked(fresh: dict[str, Any], packed: Packed) -> dict[str, Any]:
    """The stages of a packed state, as far as ``fresh``, the state of a pipeline, knows them.

    Others stay packed, for a worker that may have them. Nothing that is alive is touched.

    Raises:
        ValueError: or another error, if something in it is no data that was packed.
    """
    kinds = {name: kinds_of(value) for name, value in fresh.items()}
    return {name: _verified(value, name, kinds) for name, value in packed.items()}


def _verified(value: Any, name: str, kinds: Mapping[str, dict[str, type]]) -> Any:
    """The value, unpacked as far as it is known, so that what is wrong shows before it is needed."""
    value = _unpacked_if_known(value, name, kinds)
    if isinstance(value, EndedCut):
        for i in range(value.num_workers):
            for inner, state in value.ask(i).items():
                _verified(state, inner, kinds)
    return value


def _unpacked_if_known(value: Any, name: str, kinds: Mapping[str, dict[str, type]]) -> Any:
    """The value, unpacked if its classes are known; a cut's workers can be asked."""
    if not isinstance(value, Packed):
        return value
    if isinstance(value.skeleton, dict) and CUT in value.skeleton.get("dict", {}):
        return _ended(unpack(value), kinds)
    try:
        return unpack(value, kinds.get(name))
    except UnknownKind:
        return value


def _ended(parts: Mapping[str, Any], kinds: Mapping[str, dict[str, type]]) -> EndedCut:
    """A cut whose parts were read from a file; an earlier version saved workers alone.

    Raises:
        ValueError: for parts that are none.
    """
    members, pending, lives = (tuple(parts.get(name, ())) for name in (CUT, PENDING, LIVES))
    if not all(isinstance(n, int) and n >= 0 for n in lives):
        raise ValueError(f"the lives of its workers are {lives!r:.60}")
    calls = [x for x in pending if isinstance(x, PendingCall)]
    if len(calls) < len(pending) or not all(map(_is_call, calls)):
        raise ValueError("its pending calls are none")
    return EndedCut(members, kinds, pending, lives)


def _is_call(call: PendingCall) -> bool:
    """Tests for a call that can be made, or whose result is there."""
    if call.result is None:
        return isinstance(call.params, TensorDict)
    return len(call.result) == 3 and isinstance(call.result[0], TensorDict)


def beside(fresh: Any, old: Any) -> Any:
    """``old``, which is like ``fresh``, with its tensors on the devices of those of ``fresh``."""
    if isinstance(fresh, Tensor):
        return old.to(fresh.device)
    if isinstance(fresh, tuple) and hasattr(fresh, "_fields"):
        return type(old)(*map(beside, fresh, old))
    if type(fresh) in (tuple, list) and len(fresh):
        return type(old)(map(beside, fresh, old))
    if type(fresh) is dict and len(fresh):
        return {name: beside(x, old[name]) for name, x in fresh.items()}
    return old


def alike(fresh: Any, old: Any) -> bool:
    """Tests whether two states have the same structure: types, fields, shapes, names.

    None, in ``fresh``, is what comes into being later, and like anything that is not packed.
    """
    if isinstance(old, Packed):
        return False
    if fresh is None:
        return True
    if isinstance(fresh, Tensor):
        return isinstance(old, Tensor) and (fresh.shape, fresh.dtype) == (old.shape, old.dtype)
    if isinstance(fresh, tuple) and hasattr(fresh, "_fields"):
        # by name, as a class that was reloaded in a notebook is another with the same fields
        return getattr(old, "_fields", None) == fresh._fields and all(map(alike, fresh, old))
    if isinstance(fresh, str):
        return fresh == old
    if type(fresh) in (tuple, list) and len(fresh):  # what is empty at first fills up later
        return type(old) is type(fresh) and len(old) == len(fresh) and all(map(alike, fresh, old))
    if type(fresh) is dict and len(fresh):
        same = type(old) is dict and old.keys() == fresh.keys()
        return same and all(alike(x, old[name]) for name, x in fresh.items())
    return type(fresh).__qualname__ == type(old).__qualname__


def close_state(pipeline: Any, state: Mapping[str, Any]) -> None:
    """Ends all that the state of a pipeline holds: workers, and simulators, each once."""
    live_states = live_states_of(pipeline)
    for name, value in state.items():
        try:
            if hasattr(value, "stop"):
                value.stop()
            elif name in live_states:
                live_states[name].close(value)
            else:
                close_each(simulators(value))
        except Exception as error:
            warnings.warn(f"a simulator could not be closed: {error!r}", stacklevel=2)

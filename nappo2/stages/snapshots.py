"""A pipeline's state as plain data, with what its workers and environments hold, and back.

Calls that are in flight are neither waited for nor counted. Environments that cannot be saved, or
loaded here, begin new episodes, and why is said in a sentence; everything else goes on as it was.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from nappo2.envs import Env
from nappo2.machine.closing import simulators
from nappo2.machine.stop import current_stop
from nappo2.pipeline import Pipeline, alike, keep
from nappo2.saving.packing import Packed, UnknownKind, kinds_of, pack, unpack
from nappo2.seeds import fold_in
from nappo2.stages import CollectState

log = logging.getLogger("nappo2")
CUT = "workers"  # the key under which a cut's workers are packed
ANSWER_SECONDS = 8.0  # for all workers of a cut, as who is told to go may have no more
INTERRUPTED_SECONDS = 0.5  # the same, where they were waited for already


def environment(pipeline: Pipeline) -> Env | None:
    """The environments that the source of a pipeline steps, if it has any."""
    return next((stage.env for stage in pipeline.stages if stage.env is not None), None)


class StoredEnv(NamedTuple):
    """Simulators as plain data, or why they are not."""

    saved: Packed | None
    lost: str | None


def packed_state(pipeline: Pipeline, state: dict[str, Any]) -> Packed:
    """A copy of the state as plain data; that of workers is asked for.

    Raises:
        TypeError: if a stage's state has something that is no data.
    """
    env = environment(pipeline)
    return pack({name: _plain(env, value) for name, value in state.items()})


def _plain(env: Env | None, value: Any) -> Any:
    if hasattr(value, "members"):
        end = monotonic() + (
            INTERRUPTED_SECONDS if current_stop().interrupted() else ANSWER_SECONDS
        )
        return {CUT: [_asked(value, i, end) for i in range(len(value.members))]}
    return _of_collectors(lambda state: state._replace(env=_saved(env, state.env)), value)


def _of_collectors(fn: Callable, *values: Any) -> Any:
    """``values``, of one structure, as one, in which ``fn`` joins what stands at collectors."""
    first = values[0]
    if is_collector(first):
        return fn(*values)
    if type(first) is dict:
        return {key: _of_collectors(fn, *(value[key] for value in values)) for key in first}
    if type(first) in (tuple, list):
        return type(first)(_of_collectors(fn, *parts) for parts in zip(*values, strict=True))
    return values[-1]


def close_state(pipeline: Pipeline, state: dict[str, Any]) -> None:
    """Ends all that the state of a pipeline holds: workers, and simulators, each once."""
    env = environment(pipeline)

    def ended(value: Any) -> Iterator[Callable[[], None]]:
        if hasattr(value, "stop"):
            yield value.stop
        elif is_collector(value) and env is not None:
            yield partial(env.close, value.env)
        elif isinstance(value, (dict, tuple, list)):
            for part in value.values() if isinstance(value, dict) else value:
                yield from ended(part)
        else:
            yield from (simulator.close for simulator in simulators(value))

    for end in ended(state):
        try:
            end()
        except Exception as error:
            warnings.warn(f"a simulator could not be closed: {error!r}", stacklevel=2)


def is_collector(value: Any) -> bool:
    """Whether a value is a collector's state, of this class or of one that was reloaded."""
    return getattr(value, "_fields", None) == CollectState._fields


def _saved(env: Env | None, state: Any) -> StoredEnv:
    if env is None or env.save is None:
        return StoredEnv(None, "it cannot be saved")
    try:
        saved = env.save(state)
        if saved is None:
            return StoredEnv(None, "it holds more than data")
        return StoredEnv(pack(saved), None)
    except Exception as error:  # whatever a simulator does, the rest of the run is saved
        return StoredEnv(None, str(error) or repr(error))


def _asked(cut: Any, i: int, end: float) -> Packed | None:
    """What worker ``i`` holds, or None if it does not answer in time."""
    worker = cut.members[i].worker
    if worker is None:
        return None
    try:
        answer = cut.backend.ask(worker, _packed_there, max(0.25, end - monotonic()))
        return answer._replace(arrays=[np.asarray(x) for x in answer.arrays])
    except TypeError:
        raise
    except Exception as error:  # lost, hanging or failing: it is replaced in the next step
        log.warning("worker %d is not in the checkpoint, and would start anew: %r", i, error)
        return None


def _packed_there(pipeline: Pipeline, state: dict[str, Any]) -> tuple:
    return pipeline, state, packed_state(pipeline, state)


class StoredCut(NamedTuple):
    """The state of a cut, read from a file; it can be asked as a live one can."""

    members: tuple[Packed | None, ...]
    kinds: dict[str, dict[str, type]]  # of the stages that are known where it is asked

    def ask(self, i: int) -> dict[str, Any]:
        """The state of worker ``i``; stages that are not known here stay packed."""
        member = self.members[i]
        return {k: _unpacked(x, self.kinds.get(k)) for k, x in member.items()} if member else {}


def unpacked(fresh: dict[str, Any], packed: Packed) -> dict[str, Any]:
    """The stages of a packed state, as far as ``fresh``, the state of a pipeline, knows them.

    Others stay packed, for a worker that may have them. Nothing that is alive is touched.

    Raises:
        ValueError: or another error, if something in it is no data that was packed.
    """
    kinds = {name: kinds_of(value) for name, value in fresh.items()}
    return {name: _revived(value, kinds, name) for name, value in packed.items()}


def _revived(value: Any, kinds: dict[str, dict[str, type]], name: str) -> Any:
    if not _is_cut(value):
        return _unpacked(value, kinds.get(name))
    cut = StoredCut(tuple(unpack(value)[CUT]), kinds)
    for i, member in enumerate(cut.members):
        if member is not None:
            for part in cut.ask(i).values():  # so that what is wrong shows before it is needed
                _revived(part, kinds, name)
    return cut


def _unpacked(value: Any, kinds: dict[str, type] | None) -> Any:
    """The value, if it was packed and its classes are known."""
    if not isinstance(value, Packed) or _is_cut(value):
        return value
    try:
        return unpack(value, kinds)
    except UnknownKind:
        return value


def _is_cut(value: Any) -> bool:
    if not isinstance(value, Packed) or not isinstance(value.skeleton, dict):
        return False
    return CUT in value.skeleton.get("dict", {})


class Resumed(NamedTuple):
    """The state in which a pipeline goes on.

    Attributes:
        state: of each stage.
        notes: sentences about what begins anew, and why.
    """

    state: dict[str, Any]
    notes: list[str]


def resumed(pipeline: Pipeline, fresh: dict[str, Any], old: dict[str, Any]) -> Resumed:
    """Goes on from ``old``, which was saved, where ``fresh`` has the same names and structure.

    Simulators of ``fresh`` are moved to where the saved ones were, or begin new episodes.
    """
    old = {name: _unpacked(value, kinds_of(fresh.get(name))) for name, value in old.items()}
    collecting, notes, begun = _inside(old), [], False
    for name, value in fresh.items():
        if hasattr(value, "adopt"):
            continue
        if has_collector(value) and collecting is not None and _is_stored(collecting):
            old[name], reasons = _simulating(environment(pipeline), value, collecting)
            notes, begun = notes + reasons, bool(reasons)
        elif name in old and not alike(value, old[name]):
            notes.append(
                f"stage {name!r} has another structure than what was saved: it begins anew"
            )
    if begun:
        old = {name: _begun(value) for name, value in old.items()}
    return Resumed(keep(fresh, old), notes)


def _is_stored(value: Any) -> bool:
    """Whether the simulators of a stage's state were read from a file."""
    if is_collector(value):
        return isinstance(value.env, StoredEnv)
    return any(map(_is_stored, value.values() if type(value) is dict else value))


def has_collector(value: Any) -> bool:
    """Whether a stage's state has simulators in it."""
    if type(value) in (dict, tuple, list):
        return any(map(has_collector, value.values() if type(value) is dict else value))
    return is_collector(value)


def _inside(state: dict[str, Any]) -> Any:
    """The collectors of a state, or of the first worker of a stored cut, perhaps further in."""
    for value in state.values():
        if has_collector(value):
            return value
    for cut in (x for x in state.values() if isinstance(x, StoredCut)):
        return _inside({name: _revived(x, cut.kinds, name) for name, x in cut.ask(0).items()})
    return None


def _simulating(env: Env | None, fresh: Any, old: Any) -> tuple[Any, Sequence[str]]:
    """Collectors with their simulators as they were, or with new episodes and the old seeds."""
    reasons: list[str] = []

    def joined(fresh, old):
        state, reason = _collecting(env, fresh, old)
        reasons.extend([] if reason is None else [reason])
        return state

    if not alike_but_env(fresh, old):
        return fresh, ["what collects has another structure than what was saved: it begins anew"]
    state = _of_collectors(joined, fresh, old)
    return state, list(dict.fromkeys(reasons))


def alike_but_env(fresh: Any, old: Any) -> bool:
    """Whether two stages' states have collectors at the same places."""
    if is_collector(fresh):
        return is_collector(old)
    if type(fresh) is not type(old):
        return False
    if type(fresh) is dict:
        return fresh.keys() == old.keys() and all(
            alike_but_env(x, old[k]) for k, x in fresh.items()
        )
    if type(fresh) in (tuple, list):
        return len(fresh) == len(old) and all(map(alike_but_env, fresh, old))
    return True


def _collecting(env: Env | None, fresh: Any, old: Any) -> tuple[Any, str | None]:
    """One collector, and why its episodes begin anew, if they do."""
    if env is None:
        return fresh, None
    reason = old.env.lost
    if reason is None:
        loaded, reason = _loaded(env, fresh, old)
        if reason is None:
            return loaded, None
    env.close(fresh.env)
    state, observation = env.reset(fold_in(old.seed, "resumed"))  # or it would play the first again
    begun = fresh._replace(env=state, observation=observation, seed=old.seed)
    return begun, f"the episodes of {env.name} begin anew: {reason}"


def _loaded(env: Env, fresh: Any, old: Any) -> tuple[Any, str | None]:
    if env.load is None:
        return None, "it cannot be loaded"
    try:
        saved = unpack(old.env.saved, kinds_of(fresh.env))
        loaded = old._replace(env=env.load(fresh.env, saved))
    except Exception as error:  # whatever a simulator does with it, the rest of the run goes on
        return None, str(error) or repr(error)
    if not alike(fresh, loaded):
        return None, "other environments were saved, or another number of them"
    return loaded, None


def _begun(value: Any) -> Any:
    """A stage's state where episodes begin anew: without what it has of unfinished ones."""
    return value.episodes_begun() if hasattr(value, "episodes_begun") else value

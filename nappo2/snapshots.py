"""A pipeline's state as plain data, with what its workers and environments hold, and back.

Calls that are in flight are neither waited for nor counted. An environment without ``save``
restarts its episodes; everything else goes on as it was.
"""

import logging
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from nappo2.envs import Env
from nappo2.packing import Packed, UnknownKind, kinds_of, pack, unpack
from nappo2.pipeline import Pipeline, alike
from nappo2.seeds import fold_in

log = logging.getLogger("nappo2")
CUT = "workers"  # the key under which a cut's workers are packed
ANSWER_SECONDS = 8.0  # for all workers of a cut, as who is told to go may have no more


def environment(pipeline: Pipeline) -> Env | None:
    """The environments that the source of a pipeline steps, if it has any."""
    found = (stage.arguments["env"] for stage in pipeline.stages if "env" in stage.arguments)
    return next(found, None)


def packed_state(pipeline: Pipeline, state: dict[str, Any]) -> Packed:
    """A copy of the state as plain data; that of workers is asked for.

    Raises:
        TypeError: if a stage's state has something that is no data.
    """
    return pack({name: _plain(pipeline, name, x) for name, x in state.items()})


def _plain(pipeline: Pipeline, name: str, value: Any) -> Any:
    if hasattr(value, "members"):
        end = monotonic() + ANSWER_SECONDS
        return {CUT: [_asked(value, i, end) for i in range(len(value.members))]}
    if name == "collect":
        env = environment(pipeline)
        return value._replace(env=env.save(value.env) if env and env.save else None)
    return value


def _asked(cut: Any, i: int, end: float) -> Packed | None:
    """What worker ``i`` holds, or None if it does not answer in time."""
    worker = cut.members[i].worker
    if worker is None:
        return None
    try:
        found = cut.backend.ask(worker, _packed_there, max(0.1, end - monotonic()))
        return found._replace(arrays=[np.asarray(x) for x in found.arrays])
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


def revived(pipeline: Pipeline, fresh: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """What ``keep(fresh, ...)`` takes for the old state: ``old``, with what is packed made live.

    Stages that ``fresh``, the state of ``pipeline``, does not have stay packed, for a worker that
    may have them.
    """
    kinds = {name: kinds_of(value) for name, value in fresh.items()}
    found = {name: _revived(x, kinds, name) for name, x in old.items()}
    collect = old.get("collect", _inside(found.values()))
    if "collect" in fresh and isinstance(collect, Packed):
        found["collect"] = _collecting(pipeline, fresh["collect"], collect)
    for name, value in found.items():
        if name in fresh and not hasattr(fresh[name], "adopt") and not alike(fresh[name], value):
            log.warning("stage %r has another structure than what was saved, and begins anew", name)
    return found


def _revived(value: Any, kinds: dict[str, dict[str, type]], name: str) -> Any:
    if _is_cut(value):
        return StoredCut(tuple(unpack(value)[CUT]), kinds)
    return value if name == "collect" else _unpacked(value, kinds.get(name))


def _unpacked(value: Any, kinds: dict[str, type] | None) -> Any:
    """The value, if it was packed and its classes are known."""
    if kinds is None or not isinstance(value, Packed) or _is_cut(value):
        return value
    try:
        return unpack(value, kinds)
    except UnknownKind:
        return value


def _is_cut(value: Any) -> bool:
    if not isinstance(value, Packed) or not isinstance(value.skeleton, dict):
        return False
    return CUT in value.skeleton.get("dict", {})


def _inside(values) -> Any:
    """The collector of the first worker of a stored cut, perhaps several cuts further in."""
    for cut in (x for x in values if isinstance(x, StoredCut)):
        state = dict(cut.members[0].items()) if cut.members[0] else {}
        inner = [StoredCut(tuple(unpack(x)[CUT]), {}) for x in state.values() if _is_cut(x)]
        return state.get("collect", _inside(inner))
    return None


def _collecting(pipeline: Pipeline, fresh: Any, packed: Packed) -> Any:
    """A collector with its simulators as they were, or with new episodes and the old seed."""
    env, old = environment(pipeline), _unpacked(packed, kinds_of(fresh))
    if isinstance(old, Packed):
        return fresh
    if env is not None and env.load is not None and old.env is not None:
        loaded = old._replace(env=env.load(fresh.env, old.env))
        if alike(fresh, loaded):
            return loaded
    if env is None:
        return fresh
    env.close(fresh.env)
    state, observation = env.reset(fold_in(old.seed, "resumed"))  # or it would play the first again
    return fresh._replace(env=state, observation=observation, seed=old.seed)

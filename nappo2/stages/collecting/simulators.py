"""Saving and loading of collectors: their simulators as plain data, or new episodes and the reason why."""

from functools import partial
from typing import Any, NamedTuple

from nappo2.envs import Env
from nappo2.saving.packing import Packed, pack
from nappo2.saving.snapshots import LiveState, alike
from nappo2.saving.unpacking import kinds_of, unpack
from nappo2.seeds import fold_in_each
from nappo2.stages.collecting.interaction import CollectState


class StoredEnv(NamedTuple):
    """Simulators as plain data, or the reason why there is none.

    Attributes:
        saved: what ``env.save`` returned, packed; None where it could not be saved.
        lost: the reason; None where it was saved.
    """

    saved: Packed | None
    lost: str | None


def live_environments(env: Env) -> LiveState:
    """Functions that save, load and close the ``CollectState`` of these environments."""
    return LiveState(
        lambda state: state._replace(env=_saved(env, state.env)),
        partial(_taken, env),
        lambda state: env.close(state.env),
    )


def restarts_of(env: Env, state: Any) -> int:
    """How many processes of simulators were replaced since the state of environments was reset."""
    return env.restarts(state) if env.restarts else 0


def _saved(env: Env, state: Any) -> StoredEnv:
    if env.save is None:
        return StoredEnv(None, "it cannot be saved")
    try:
        saved = env.save(state)
        if saved is None:
            return StoredEnv(None, "it holds more than data")
        return StoredEnv(pack(saved), None)
    except Exception as error:  # whatever a simulator does, the rest of the run is saved
        return StoredEnv(None, str(error) or repr(error))


def _taken(env: Env, fresh: CollectState, old: Any) -> tuple[CollectState, list[str]]:
    """The state ``old``, or new episodes with its seed, and notes on what begins anew."""
    # by its fields, as a class that was reloaded in a notebook is another with the same
    if getattr(old, "_fields", None) != CollectState._fields:
        return fresh, ["what collects has another structure than what was saved: it begins anew"]
    if not isinstance(old.env, StoredEnv):  # simulators that are alive
        if not alike(fresh, old):
            return fresh, []
        env.close(fresh.env)
        return old, []
    loaded, reason = _loaded(env, fresh, old)
    if loaded is not None:
        return loaded, []
    env.close(fresh.env)
    seed = fold_in_each(old.seed, "resumed")  # or it would play the first again
    state, observation = env.reset(list(seed) if isinstance(seed, tuple) else seed)
    restarted = fresh._replace(env=state, observation=observation, seed=old.seed)
    return restarted, [f"the episodes of {env.name} begin anew: {reason}"]


def _loaded(env: Env, fresh: CollectState, old: CollectState) -> tuple[CollectState | None, str]:
    """The state with its simulators loaded; or None, and the reason."""
    if old.env.lost is not None or env.load is None:
        return None, old.env.lost or "it cannot be loaded"
    try:
        saved = unpack(old.env.saved, kinds_of(fresh.env))
        loaded = old._replace(env=env.load(fresh.env, saved))
    except Exception as error:  # whatever a simulator does with it, the rest of the run goes on
        return None, str(error) or repr(error)
    if not alike(fresh, loaded):
        return None, "other environments were saved, or another number of them"
    return loaded, ""

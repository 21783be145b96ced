"""Environments of PyBullet as plain data, with the worlds that Bullet writes. It imports no torch."""

import tempfile
from pathlib import Path
from typing import Any

from nappo2.envs.graph import Loading, Saving
from nappo2.envs.saving import layers, load_layers, save_layer, save_transparent
from nappo2.envs.signature import is_signed, sign

HANDLES = ("physicsClientId", "ownsPhysicsClient", "stateId")  # of this process's engine


def save_worlds(envs: list[Any], unchanged: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The attributes of all layers, and the worlds with their contacts, as Bullet writes them."""
    saving = Saving(unchanged)
    saving.add_layers(layer for env in envs for layer in _layers(env))
    roots = [_save_layers(env, saving) for env in envs]
    worlds = [_world(env) for env in envs]
    return {"nodes": saving.nodes, "roots": roots, "worlds": worlds}


def _save_layers(env: Any, saving: Saving) -> list:
    *wrappers, inner, robot = _layers(env)
    data = [save_transparent(x, saving, *HANDLES) for x in (inner, robot)]
    return [save_layer(layer, saving) for layer in wrappers] + data


def _layers(env: Any) -> list[Any]:
    """The wrappers of an environment, itself, and its robot."""
    return [*layers(env), env.unwrapped.robot]


def _world(env: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.bullet"
        env.unwrapped._p.saveBullet(str(path))
        data = path.read_bytes()
    return {"data": data, "signature": sign(data)}


def load_worlds(trust_worlds: bool, envs: list[Any], saved: dict[str, Any]) -> None:
    """Moves environments to the states that ``save_worlds`` returned.

    Args:
        trust_worlds: whether worlds may be of another user: Bullet reads them as they are.
        envs: that are moved.
        saved: what ``save_worlds`` returned.

    Raises:
        ValueError: if these were of other environments, or their worlds are not of this user.
    """
    if len(envs) != len(saved["roots"]):
        raise ValueError(f"{len(saved['roots'])} environments were saved, and here are {len(envs)}")
    if not trust_worlds and not all(is_signed(**world) for world in saved["worlds"]):
        raise ValueError(
            "Bullet's worlds were saved by another user or machine; if you trust the file, "
            "envs.make(..., trust_worlds=True) loads them"
        )
    loading = Loading(saved["nodes"])
    loading.add_layers(layer for env in envs for layer in _layers(env))
    for env, roots, world in zip(envs, saved["roots"], saved["worlds"], strict=True):
        load_layers(_layers(env), roots, loading)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world.bullet"
            path.write_bytes(world["data"])
            env.unwrapped._p.restoreState(fileName=str(path))

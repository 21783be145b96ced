"""Live simulators of Gymnasium as plain data, where that is all there is to them.

Numbers, arrays, containers, generators (those of spaces too), the data of MuJoCo, and objects of
classes written in Python are data; functions and models are not, and stay those of the simulator
that is loaded into. Anything else may hold what cannot be seen from here (a physics server, a
socket), and then nothing is saved. Nor is it where a copy turns out to move in another way.
"""

import contextlib
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from time import monotonic
from typing import Any

import gymnasium
import numpy as np

from nappo2.envs.graph import Loading, Saving
from nappo2.envs.kinds import LARGE, MISSING, Opaque, digest, load_attributes


def save_envs(envs: list[gymnasium.Env], unchanged: frozenset[str] = frozenset()) -> dict:
    """Where each of ``envs`` is, as arrays, numbers and texts.

    Raises:
        Opaque: if one of them may hold more; names the attribute.
    """
    saving = Saving(unchanged)
    saving.stand(layer for env in envs for layer in layers(env))
    roots = [[save_layer(layer, saving) for layer in layers(env)] for env in envs]
    return {"nodes": saving.nodes, "roots": roots}


def load_envs(envs: list[gymnasium.Env], saved: dict) -> None:
    """Moves ``envs`` to where those were that are saved.

    Raises:
        ValueError: if they are others, or another number of them.
    """
    if len(envs) != len(saved["roots"]):
        raise ValueError(f"{len(saved['roots'])} environments were saved, and here are {len(envs)}")
    loading = Loading(saved["nodes"])
    loading.stand(layer for env in envs for layer in layers(env))
    for env, roots in zip(envs, saved["roots"], strict=True):
        load_layers(list(layers(env)), roots, loading)


def layers(env: Any) -> Iterator[Any]:
    """An environment's wrappers, from the outermost one, and what is in the innermost."""
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env
    yield env


def save_layer(layer: Any, saving: Saving) -> dict[str, Any]:
    """The attributes of a layer, and what its class has that can change.

    Raises:
        Opaque: if an attribute may hold more than can be seen.
    """
    name = type(layer).__qualname__
    data = {key: saving.value(x, f"{name}.{key}") for key, x in attributes(layer).items()}
    shared = saving.known(class_attributes(layer), name)
    return {"of": name, "attributes": data, "shared": shared, "whole": True}


def save_known(layer: Any, saving: Saving, *without: str) -> dict[str, Any]:
    """The attributes of a layer that are data, where the rest is known not to matter."""
    name = type(layer).__qualname__
    data = {key: x for key, x in attributes(layer).items() if key not in without}
    return {"of": name, "attributes": saving.known(data, name), "shared": {}, "whole": False}


def load_layers(here: list[Any], saved: list[dict[str, Any]], loading: Loading) -> None:
    """Gives layers what is saved of them.

    Raises:
        ValueError: if they are others, or something cannot be made here.
    """
    names, before = [type(layer).__qualname__ for layer in here], [part["of"] for part in saved]
    if names != before:
        raise ValueError(f"{' of '.join(before)} was saved, and here is {' of '.join(names)}")
    for layer, part, name in zip(here, saved, names, strict=True):
        shared = class_attributes(layer)
        for key, value in part["shared"].items():
            there = shared.get(key, MISSING)
            if loading.value(value, there, f"{name}.{key}") is not there:
                raise ValueError(f"{name}.{key}, which all environments share, cannot be moved")
        load_attributes(layer, part["attributes"], loading, name)
        for key in set(attributes(layer)) - set(part["attributes"]) if part["whole"] else ():
            del vars(layer)[key]


def attributes(layer: Any) -> dict[str, Any]:
    """What a layer has, but the one within."""
    inner = ("env",) if isinstance(layer, gymnasium.Wrapper) else ()
    return {name: x for name, x in vars(layer).items() if name not in inner}


CHANGING = (np.ndarray, list, dict, set, deque, np.random.Generator, Random, gymnasium.Space)


def class_attributes(layer: Any) -> dict[str, Any]:
    """What the class of a layer has that can change, and is no attribute of the layer itself."""
    base = gymnasium.Wrapper if isinstance(layer, gymnasium.Wrapper) else gymnasium.Env
    classes = [kind for kind in type(layer).__mro__ if not issubclass(base, kind)]
    shared = {name: x for kind in reversed(classes) for name, x in vars(kind).items()}
    return {
        name: x
        for name, x in shared.items()
        if isinstance(x, CHANGING) and name not in vars(layer) and not name.startswith("__")
    }


def large_arrays(env: gymnasium.Env) -> frozenset[str]:
    """The digests of the large arrays that an environment was made with."""
    saving = Saving()
    saving.stand(layers(env))
    for layer in layers(env):
        saving.known(attributes(layer) | class_attributes(layer), "")
    arrays = [node["data"] for node in saving.nodes if node["kind"] == "array"]
    owned = [data["array"] for data in arrays if "array" in data]
    return frozenset(digest(x) for x in owned if x.nbytes >= LARGE)


Save, Load = Callable[[list, frozenset], Any], Callable[[list, Any], None]
BEFORE, AFTER, SECONDS = 12, 24, 1.0  # steps before and after saving, and how long they may take


class Exactness:
    """Whether environments go on exactly as they were when they are saved, and loaded elsewhere.

    It is tried once, when it is first asked for: one environment is saved in the middle, another is
    loaded with that, and both are given the same actions.

    Attributes:
        unchanged: digests of large arrays that every environment of this kind is made with.
    """

    def __init__(self, make: Callable[[], gymnasium.Env], save: Save, load: Load):
        self.make, self.save, self.load = make, save, load
        self.reason: str | None = None
        self.unchanged: frozenset[str] = frozenset()
        self.tried = False

    def check(self) -> None:
        """Refuses environments of which a copy moves in another way.

        Raises:
            Opaque: says why.
        """
        if not self.tried:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.reason, self.tried = self._difference(), True
        if self.reason is not None:
            raise Opaque(self.reason)

    def _difference(self) -> str | None:
        made: list[gymnasium.Env] = []
        try:
            made += [self.make(), self.make()]
            self.unchanged = large_arrays(made[0])
            return self._compared(*made)
        except Exception as error:
            return str(error) or repr(error)
        finally:
            for env in made:
                with contextlib.suppress(Exception):
                    env.close()

    def _compared(self, one: gymnasium.Env, other: gymnasium.Env) -> str | None:
        actions, end = deepcopy(one.action_space), monotonic() + SECONDS
        actions.seed(0)
        one.reset(seed=1)
        other.reset(seed=2)
        for _ in range(BEFORE):
            moved(one, actions.sample())
            if monotonic() > end:
                break
        saved = self.save([one], self.unchanged)
        self.load([other], saved)
        for t in range(AFTER):
            action = actions.sample()
            if not same(moved(one, action), moved(other, deepcopy(action))):
                return f"a copy of it that was loaded moved in another way after {t + 1} steps"
            if monotonic() > end:
                break
        if not same(one.reset()[0], other.reset()[0]):
            return "a copy of it that was loaded began its next episode in another way"
        return None


def moved(env: gymnasium.Env, action: Any) -> Any:
    """What a step gives, and what a reset does where an episode is over."""
    observation, reward, terminated, truncated, _ = env.step(action)
    start = env.reset()[0] if terminated or truncated else None
    return [deepcopy(observation), reward, terminated, truncated, start]


def same(x: Any, y: Any) -> bool:
    """Whether two observations, or what a step gives, are equal to the last bit."""
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(same(x[key], y[key]) for key in x)
    if isinstance(x, (list, tuple)):
        return len(x) == len(y) and all(map(same, x, y))
    return np.asarray(x).tobytes() == np.asarray(y).tobytes()

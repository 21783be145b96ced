"""Live simulators of Gymnasium as plain data, where they consist of nothing else.

Numbers, arrays, containers, generators (those of spaces too), the data of MuJoCo, and objects of
classes written in Python are data; functions and models are not, and stay those of the simulator
that is loaded into. Any other value may hide state (a physics server, a socket): then nothing is
saved. Nor is it where a copy turns out to move in another way.
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

from nappo2.envs.array_kinds import LARGE, digest
from nappo2.envs.graph import Loading, Saving
from nappo2.envs.kinds import MISSING, Opaque, load_attributes

MUTABLE = (np.ndarray, list, dict, set, deque, np.random.Generator, Random, gymnasium.Space)
STEPS_BEFORE, STEPS_AFTER, SECONDS = 12, 24, 1.0  # how long a copy is compared at most

Save, Load = Callable[[list, frozenset], Any], Callable[[list, Any], None]


def save_envs(envs: list[gymnasium.Env], unchanged: frozenset[str] = frozenset()) -> dict:
    """The states of simulators as arrays, numbers and texts.

    Raises:
        Opaque: if one of them may hold more; names the attribute.
    """
    saving = Saving(unchanged)
    saving.add_layers(layer for env in envs for layer in layers(env))
    roots = [[save_layer(layer, saving) for layer in layers(env)] for env in envs]
    return {"nodes": saving.nodes, "roots": roots}


def load_envs(envs: list[gymnasium.Env], saved: dict) -> None:
    """Moves simulators to the states that ``save_envs`` returned.

    Raises:
        ValueError: if these were of other simulators, or of another number of them.
    """
    if len(envs) != len(saved["roots"]):
        raise ValueError(f"{len(saved['roots'])} environments were saved, and here are {len(envs)}")
    loading = Loading(saved["nodes"])
    loading.add_layers(layer for env in envs for layer in layers(env))
    for env, roots in zip(envs, saved["roots"], strict=True):
        load_layers(list(layers(env)), roots, loading)


def layers(env: Any) -> Iterator[Any]:
    """The wrappers of an environment, from the outermost one, and the environment in the innermost."""
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env
    yield env


def save_layer(layer: Any, saving: Saving) -> dict[str, Any]:
    """The attributes of a layer, and the mutable ones of its class.

    Raises:
        Opaque: if an attribute may hold more than can be seen.
    """
    name = type(layer).__qualname__
    data = {key: saving.value(x, f"{name}.{key}") for key, x in attributes(layer).items()}
    shared = saving.transparent_values(class_attributes(layer), name)
    return {"class": name, "attributes": data, "shared": shared, "complete": True}


def save_transparent(layer: Any, saving: Saving, *without: str) -> dict[str, Any]:
    """The attributes of a layer that are data, for classes whose other attributes never change.

    Args:
        layer: the environment, wrapper or robot.
        saving: the graph to which values are added.
        *without: names of attributes that are left out.

    Returns:
        Data for ``load_layers``.
    """
    name = type(layer).__qualname__
    data = {key: x for key, x in attributes(layer).items() if key not in without}
    values = saving.transparent_values(data, name)
    return {"class": name, "attributes": values, "shared": {}, "complete": False}


def load_layers(layers: list[Any], saved: list[dict[str, Any]], loading: Loading) -> None:
    """Sets the attributes of layers to those that were saved.

    Args:
        layers: of one environment, in the order in which they were saved.
        saved: data of each layer, as ``save_layer`` and ``save_transparent`` return it.
        loading: the graph that this refers to.

    Raises:
        ValueError: if the layers are of other classes, or a value cannot be made here.
    """
    names, old_names = [type(layer).__qualname__ for layer in layers], [x["class"] for x in saved]
    if names != old_names:
        raise ValueError(f"{' of '.join(old_names)} was saved, and here is {' of '.join(names)}")
    for layer, data in zip(layers, saved, strict=True):
        _load_class_attributes(layer, data["shared"], loading)
        load_attributes(layer, data["attributes"], loading, data["class"])
        if data["complete"]:
            for key in set(attributes(layer)) - set(data["attributes"]):
                del vars(layer)[key]


def _load_class_attributes(layer: Any, saved: dict[str, Any], loading: Loading) -> None:
    name, shared = type(layer).__qualname__, class_attributes(layer)
    for key, value in saved.items():
        current = shared.get(key, MISSING)
        if loading.value(value, current, f"{name}.{key}") is not current:
            raise ValueError(f"{name}.{key}, which all environments share, cannot be moved")


def attributes(layer: Any) -> dict[str, Any]:
    """The attributes of a layer by name, without the layer that it wraps."""
    inner = ("env",) if isinstance(layer, gymnasium.Wrapper) else ()
    return {name: x for name, x in vars(layer).items() if name not in inner}


def class_attributes(layer: Any) -> dict[str, Any]:
    """The mutable attributes of a layer's class that the layer itself does not have."""
    base = gymnasium.Wrapper if isinstance(layer, gymnasium.Wrapper) else gymnasium.Env
    classes = [cls for cls in type(layer).__mro__ if not issubclass(base, cls)]
    shared = {name: x for cls in reversed(classes) for name, x in vars(cls).items()}
    return {
        name: x
        for name, x in shared.items()
        if isinstance(x, MUTABLE) and name not in vars(layer) and not name.startswith("__")
    }


def large_arrays(env: gymnasium.Env) -> frozenset[str]:
    """The digests of an environment's large arrays."""
    saving = Saving()
    saving.add_layers(layers(env))
    for layer in layers(env):
        saving.transparent_values(attributes(layer) | class_attributes(layer), "")
    data = [node["data"] for node in saving.nodes if node["kind"] == "array"]
    arrays = [x["array"] for x in data if "array" in x]
    return frozenset(digest(x) for x in arrays if x.nbytes >= LARGE)


class CopyCheck:
    """Tests once whether a copy of an environment moves as the original does.

    Two environments are made; the state of the first one is saved and loaded into the second one;
    then both get the same actions, and have to give the same observations and rewards.

    Attributes:
        unchanged: digests of large arrays that every environment of this kind is made with.
    """

    def __init__(self, make: Callable[[], gymnasium.Env], save: Save, load: Load):
        self.make, self.save, self.load = make, save, load
        self.reason: str | None = None
        self.unchanged: frozenset[str] = frozenset()
        self.is_done = False

    def check(self) -> None:
        """Refuses environments of which a copy moves in another way.

        Raises:
            Opaque: says why.
        """
        if not self.is_done:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.reason, self.is_done = self._difference(), True
        if self.reason is not None:
            raise Opaque(self.reason)

    def _difference(self) -> str | None:
        envs: list[gymnasium.Env] = []
        try:
            envs += [self.make(), self.make()]
            self.unchanged = large_arrays(envs[0])
            return self._compare(*envs)
        except Exception as error:
            return str(error) or repr(error)
        finally:
            for env in envs:
                with contextlib.suppress(Exception):
                    env.close()

    def _compare(self, original: gymnasium.Env, copy: gymnasium.Env) -> str | None:
        draw, end = drawn_actions(original), monotonic() + SECONDS
        outputs = [original.reset(seed=1)[0]]
        copy.reset(seed=2)
        for _ in range(STEPS_BEFORE):
            outputs = _step(original, draw(outputs[-1]))
            if monotonic() > end:
                break
        saved = self.save([original], self.unchanged)
        self.load([copy], saved)
        for t in range(STEPS_AFTER):
            action = draw(outputs[-1])
            outputs = _step(original, action)
            if not _is_equal(outputs, _step(copy, deepcopy(action))):
                return f"a copy of it that was loaded moved in another way after {t + 1} steps"
            if monotonic() > end:
                break
        if not _is_equal(original.reset()[0], copy.reset()[0]):
            return "a copy of it that was loaded began its next episode in another way"
        return None


def drawn_actions(env: gymnasium.Env) -> Callable[[Any], Any]:
    """``observation -> action`` of an environment, drawn among those that its mask allows, if it has one."""
    if "action_mask" in getattr(env.observation_space, "spaces", ()):
        from nappo2.envs.masks import allowed_draws  # with torch, which other simulators do without

        return allowed_draws(env.action_space)
    actions = deepcopy(env.action_space)
    actions.seed(0)
    return lambda observation: actions.sample()


def _step(env: gymnasium.Env, action: Any) -> list:
    """The outputs of a step, and the observation from which the next step is taken."""
    observation, reward, terminated, truncated, _ = env.step(action)
    observation = deepcopy(observation)
    start = env.reset()[0] if terminated or truncated else observation
    return [observation, reward, terminated, truncated, start]


def _is_equal(x: Any, y: Any) -> bool:
    """Tests whether two outputs of environments are equal to the last bit."""
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(_is_equal(x[key], y[key]) for key in x)
    if isinstance(x, (list, tuple)):
        return len(x) == len(y) and all(map(_is_equal, x, y))
    return np.asarray(x).tobytes() == np.asarray(y).tobytes()

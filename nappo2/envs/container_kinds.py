"""Containers as parts of a simulator that is saved.

A container that may refer to itself enters ``loading.values_by_index`` before its items are loaded.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from typing import Any

from nappo2.envs.kinds import MISSING, Kind, Opaque, exactly, stateful


def _save_items(x: Iterable, saving: Any, path: str) -> list:
    return saving.values(x, path)


def _load_list(data: list, current: Any, loading: Any, path: str, index: int) -> list:
    x = current if loading.claim(current, list) else []
    old, loading.values_by_index[index] = list(x), x
    x[:] = loading.values(data, old, path)
    return x


def _load_tuple(data: list, current: Any, loading: Any, path: str, index: int) -> tuple:
    return tuple(loading.values(data, current, path))


def _load_frozenset(data: list, current: Any, loading: Any, path: str, index: int) -> frozenset:
    return frozenset(loading.values(data, MISSING, path))


def _load_set(data: list, current: Any, loading: Any, path: str, index: int) -> set:
    x = current if loading.claim(current, set) else set()
    values = loading.values(data, MISSING, path)
    x.clear()
    x.update(values)
    return x


def _save_deque(x: deque, saving: Any, path: str) -> dict[str, Any]:
    return {"items": saving.values(x, path), "maxlen": x.maxlen}


def _load_deque(data: dict, current: Any, loading: Any, path: str, index: int) -> deque:
    same = type(current) is deque and current.maxlen == data["maxlen"]
    x = current if same and loading.claim(current, deque) else deque(maxlen=data["maxlen"])
    old, loading.values_by_index[index] = list(x), x
    values = loading.values(data["items"], old, path)
    x.clear()
    x.extend(values)
    return x


def _save_dict(x: dict, saving: Any, path: str) -> list:
    return [
        [saving.value(key, path), saving.value(value, f"{path}[{key!r}]")]
        for key, value in x.items()
    ]


def _dict_of(cls: type) -> Kind:
    def load(data, current, loading, path, index):
        x = current if loading.claim(current, cls) else cls()
        old, loading.values_by_index[index] = dict(x), x
        keys = [loading.value(key, MISSING, path) for key, _ in data]
        values = [
            loading.value(value, old.get(key, MISSING), f"{path}[{key!r}]")
            for key, (_, value) in zip(keys, data, strict=True)
        ]
        x.clear()
        for key, value in zip(keys, values, strict=True):  # Counter.update would count the pairs
            x[key] = value
        return x

    return Kind(exactly(cls), _save_dict, load)


FACTORIES = {cls.__name__: cls for cls in (int, float, str, list, dict, set, tuple, bool)}


def _save_defaultdict(x: defaultdict, saving: Any, path: str) -> dict[str, Any]:
    if x.default_factory not in FACTORIES.values():
        raise Opaque(f"{path} makes its defaults by {x.default_factory!r}, which is no data")
    return {"items": _save_dict(x, saving, path), "factory": x.default_factory.__name__}


def _load_defaultdict(data: dict, current: Any, loading: Any, path: str, index: int) -> defaultdict:
    items = CONTAINERS["dict"].load(data["items"], MISSING, loading, path, index)
    return defaultdict(FACTORIES[data["factory"]], items)


def _save_named_tuple(x: Any, saving: Any, path: str) -> dict[str, Any]:
    return {"items": saving.values(x, path), "names": list(x._fields)}


def _load_named_tuple(data: dict, current: Any, loading: Any, path: str, index: int) -> tuple:
    if getattr(current, "_fields", None) != tuple(data["names"]):
        raise ValueError(f"{path} has no fields {', '.join(data['names'])} here")
    return tuple.__new__(type(current), loading.values(data["items"], current, path))


CONTAINERS: dict[str, Kind] = {
    "bytearray": stateful(bytearray, bytes, lambda x, data: x.__setitem__(slice(None), data)),
    "list": Kind(exactly(list), _save_items, _load_list),
    "tuple": Kind(exactly(tuple), _save_items, _load_tuple),
    "frozenset": Kind(exactly(frozenset), _save_items, _load_frozenset),
    "set": Kind(exactly(set), _save_items, _load_set),
    "deque": Kind(exactly(deque), _save_deque, _load_deque),
    "dict": _dict_of(dict),
    "OrderedDict": _dict_of(OrderedDict),
    "Counter": _dict_of(Counter),
    "defaultdict": Kind(exactly(defaultdict), _save_defaultdict, _load_defaultdict),
    "named tuple": Kind(
        lambda x: isinstance(x, tuple) and hasattr(x, "_fields"),
        _save_named_tuple,
        _load_named_tuple,
    ),
}
"""Kinds of containers by name."""

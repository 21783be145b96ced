"""A simulator as a graph of things, each of which is saved once.

Two names may be of one list, two arrays views of one memory. So each thing is one node, and whoever
refers to it says so; what is not yet a node when it is loaded is made of what is there.
"""

import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from nappo2.envs.kinds import KINDS, MISSING, Opaque, constant_name, is_constant, is_plain_class


class Saving:
    """A graph while it is saved.

    Attributes:
        nodes: the things that are not plain numbers and texts, each once.
        seen: the index of each by its identity, and the thing itself, so that it stays alive.
        unchanged: digests of large arrays that every simulator of this kind is made with.
        most: nodes, beyond which it is given up.
    """

    def __init__(self, unchanged: frozenset[str] = frozenset(), most: float = float("inf")):
        self.nodes: list = []
        self.seen: dict[int, tuple[int, Any]] = {}
        self.unchanged, self.most = unchanged, most

    def stand(self, layers: Iterable[Any]) -> None:
        """Has things stand for themselves: who refers to one, refers to the one that is loaded into."""
        for layer in layers:
            self.seen[id(layer)] = len(self.nodes), layer
            self.nodes.append({"kind": "layer", "data": type(layer).__qualname__})

    def value(self, x: Any, place: str) -> Any:
        """A value as it is, if it is a number or a text; else where its node is.

        Raises:
            Opaque: if it may hold more than can be seen; names its place.
        """
        if x is None or type(x) in (bool, int, float, str):
            return x
        if is_constant(x):
            return {"constant": constant_name(x)}
        if id(x) not in self.seen:
            if len(self.nodes) >= self.most:
                raise Opaque(f"{place} is one of more than {self.most:,} things")
            index = len(self.nodes)
            self.seen[id(x)] = index, x
            self.nodes.append(None)
            self.nodes[index] = self._node(x, place)
        return {"node": self.seen[id(x)][0]}

    def _node(self, x: Any, place: str) -> dict[str, Any]:
        for name, kind in KINDS.items():
            if kind.fits(x):
                return {"kind": name, "data": kind.save(x, self, place)}
        module = getattr(type(x), "__module__", "?")  # some classes made in C have none
        raise Opaque(f"{place} is {module}.{type(x).__qualname__}, which may hold more than data")

    def values(self, parts: Any, place: str) -> list:
        """Each of some parts."""
        return [self.value(x, f"{place}[{i}]") for i, x in enumerate(parts)]

    def known(self, parts: dict[str, Any], place: str) -> dict[str, Any]:
        """Those of some parts that are data."""
        known = {}
        for name, x in parts.items():
            nodes, seen = list(self.nodes), dict(self.seen)
            try:
                known[name] = self.value(x, f"{place}.{name}")
            except Opaque:
                self.nodes, self.seen = nodes, seen
        return known


class Loading:
    """A graph while it is loaded.

    Attributes:
        nodes: as they were saved.
        made: what each has become, by its index.
        used: identities of things that were there before, and stand for a node now.
        modules: of the classes of the layers.
    """

    def __init__(self, nodes: list):
        self.nodes = nodes
        self.made: dict[int, Any] = {}
        self.used: set[int] = set()
        self.modules: set[str] = set()

    def stand(self, layers: Iterable[Any]) -> None:
        """Has things stand for those of the same number that were saved."""
        for layer in layers:
            self.made[len(self.made)] = layer
            self.modules.add(getattr(type(layer), "__module__", ""))

    def value(self, saved: Any, there: Any, place: str) -> Any:
        """The value that was saved, made of what is there, where that is of its kind.

        Raises:
            ValueError: if it cannot be made here; names its place.
        """
        match saved:
            case {"constant": name}:
                if not is_constant(there) or constant_name(there) != name:
                    raise ValueError(f"{place} was {name}, and is another here")
                return there
            case {"node": index}:
                if index not in self.made:
                    node = self.nodes[index]
                    self.made[index] = KINDS[node["kind"]].load(
                        node["data"], there, self, place, index
                    )
                return self.made[index]
        return saved

    def values(self, parts: list, there: Any, place: str) -> list:
        """Each of some parts, made of those that are there."""
        old = list(there) if isinstance(there, (list, tuple, deque)) else []
        old += [MISSING] * (len(parts) - len(old))
        return [self.value(x, old[i], f"{place}[{i}]") for i, x in enumerate(parts)]

    def plain_class(self, module: str, name: str, place: str) -> type:
        """A class of which an object can be made that nothing here stands for.

        Of a module that a layer is of, and such that making and deleting an object runs no code.

        Raises:
            ValueError: if it is another one.
        """
        kind = sys.modules.get(module) if module in self.modules else None
        for part in name.split("."):
            kind = vars(kind).get(part) if hasattr(kind, "__dict__") else None
        if not isinstance(kind, type) or not is_plain_class(kind) or hasattr(kind, "__del__"):
            raise ValueError(f"{place} was {name}, and there is none here to be moved")
        return kind

    def take(self, there: Any, kind: type) -> bool:
        """Whether what is there is of this kind and free; from now on it stands for a node."""
        if type(there) is not kind or id(there) in self.used:
            return False
        self.used.add(id(there))
        return True

"""A simulator as a graph of values, each of which is saved once.

Two names may be of one list, and two arrays views of one memory. So each value is one node, and
attributes and items refer to nodes by index. A node is loaded when it is first referred to, into the
value that the simulator has in its place, where that is of the same kind.
"""

import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from nappo2.envs.array_kinds import ARRAYS
from nappo2.envs.container_kinds import CONTAINERS
from nappo2.envs.kinds import (
    MISSING,
    OBJECTS,
    Kind,
    Opaque,
    constant_name,
    is_constant,
    is_plain_class,
)
from nappo2.envs.value_kinds import VALUES

KINDS: dict[str, Kind] = {**ARRAYS, **VALUES, **CONTAINERS, **OBJECTS}
"""All that a simulator may consist of, by name; the first kind that fits a value saves it."""


class Saving:
    """A graph while it is saved.

    Attributes:
        nodes: the values that are not plain numbers and texts, each once.
        index_and_value: of each node, by the identity of the value, which so stays alive.
        unchanged: digests of large arrays that every simulator of this kind is made with.
        max_nodes: number of nodes beyond which saving is given up.
    """

    def __init__(self, unchanged: frozenset[str] = frozenset(), max_nodes: float = float("inf")):
        self.nodes: list = []
        self.index_and_value: dict[int, tuple[int, Any]] = {}
        self.unchanged, self.max_nodes = unchanged, max_nodes

    def add_layers(self, layers: Iterable[Any]) -> None:
        """Adds nodes for objects that are not saved here, but exist wherever the graph is loaded."""
        for layer in layers:
            self.index_and_value[id(layer)] = len(self.nodes), layer
            self.nodes.append({"kind": "layer", "data": type(layer).__qualname__})

    def value(self, x: Any, path: str) -> Any:
        """A number or text itself; of any other value a reference to its node, which is added.

        Raises:
            Opaque: if the value may hold more than its attributes show; names its path.
        """
        if x is None or type(x) in (bool, int, float, str):
            return x
        if is_constant(x):
            return {"constant": constant_name(x)}
        if id(x) not in self.index_and_value:
            if len(self.nodes) >= self.max_nodes:
                raise Opaque(f"{path} is one of more than {self.max_nodes:,} things")
            index = len(self.nodes)
            self.index_and_value[id(x)] = index, x
            self.nodes.append(None)
            self.nodes[index] = self._node(x, path)
        return {"node": self.index_and_value[id(x)][0]}

    def _node(self, x: Any, path: str) -> dict[str, Any]:
        for name, kind in KINDS.items():
            if kind.fits(x):
                return {"kind": name, "data": kind.save(x, self, path)}
        module = getattr(type(x), "__module__", "?")  # some classes made in C have none
        raise Opaque(f"{path} is {module}.{type(x).__qualname__}, which may hold more than data")

    def values(self, items: Iterable[Any], path: str) -> list:
        """``value`` of each item."""
        return [self.value(x, f"{path}[{i}]") for i, x in enumerate(items)]

    def transparent_values(self, items: dict[str, Any], path: str) -> dict[str, Any]:
        """``value`` of each item by name, without those that are opaque."""
        values = {}
        for name, x in items.items():
            nodes, index_and_value = list(self.nodes), dict(self.index_and_value)
            try:
                values[name] = self.value(x, f"{path}.{name}")
            except Opaque:
                self.nodes, self.index_and_value = nodes, index_and_value
        return values


class Loading:
    """A graph while it is loaded.

    Attributes:
        nodes: as ``Saving`` left them.
        values_by_index: the value of each node that has been loaded.
        claimed: identities of the simulator's values that stand for a node by now.
        modules: of the classes of the layers.
    """

    def __init__(self, nodes: list):
        self.nodes = nodes
        self.values_by_index: dict[int, Any] = {}
        self.claimed: set[int] = set()
        self.modules: set[str] = set()

    def add_layers(self, layers: Iterable[Any]) -> None:
        """Has objects stand for the layers that were saved, in the same order."""
        for layer in layers:
            self.values_by_index[len(self.values_by_index)] = layer
            self.modules.add(getattr(type(layer), "__module__", ""))

    def value(self, saved: Any, current: Any, path: str) -> Any:
        """Loads a value that ``Saving.value`` saved.

        Args:
            saved: a number, a text, or a reference to a node.
            current: the value that the simulator has in its place, or MISSING.
            path: the name of the value in messages.

        Returns:
            The value that was saved: ``current`` itself, changed, where its kind allows that.

        Raises:
            ValueError: if it cannot be made here; names its path.
        """
        match saved:
            case {"constant": name}:
                if not is_constant(current) or constant_name(current) != name:
                    raise ValueError(f"{path} was {name}, and is another here")
                return current
            case {"node": index}:
                if index not in self.values_by_index:
                    node = self.nodes[index]
                    load = KINDS[node["kind"]].load
                    self.values_by_index[index] = load(node["data"], current, self, path, index)
                return self.values_by_index[index]
        return saved

    def values(self, items: list, current: Any, path: str) -> list:
        """``value`` of each item.

        Args:
            items: as ``Saving.values`` returned them.
            current: the sequence that the simulator has in their place; any other value counts as
                an empty one.
            path: the name of the sequence in messages.

        Returns:
            The values, as many as items.
        """
        old = list(current) if isinstance(current, (list, tuple, deque)) else []
        old += [MISSING] * (len(items) - len(old))
        return [self.value(x, old[i], f"{path}[{i}]") for i, x in enumerate(items)]

    def plain_class(self, module: str, name: str, path: str) -> type:
        """Looks up the class of an object that has to be made, as the simulator has none.

        Args:
            module: its module, which has to be that of a layer.
            name: its qualified name.
            path: the name of the object in messages.

        Returns:
            A class such that making and deleting an object runs no code.

        Raises:
            ValueError: if there is no such class.
        """
        cls = sys.modules.get(module) if module in self.modules else None
        for part in name.split("."):
            cls = vars(cls).get(part) if hasattr(cls, "__dict__") else None
        if not isinstance(cls, type) or not is_plain_class(cls) or hasattr(cls, "__del__"):
            raise ValueError(f"{path} was {name}, and there is none here to be moved")
        return cls

    def claim(self, x: Any, cls: type) -> bool:
        """Claims a value for a node; False if it has another class, or stands for a node already."""
        if type(x) is not cls or id(x) in self.claimed:
            return False
        self.claimed.add(id(x))
        return True

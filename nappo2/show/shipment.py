"""What would travel to a worker: how large it is, and what it takes along."""

import types
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.schemes.picklable import MEGABYTE, blame, parts, pickled
from nappo2.show.markup import block, heading, table
from nappo2.show.tree import in_bytes

KEPT = 20  # of what is taken along, the largest


class Shipment(NamedTuple):
    """What ``check_picklable`` found.

    Attributes:
        size: in bytes; 0 if it cannot be sent.
        captured: what it takes along, the largest first: its path and bytes.
        problem: why it cannot be sent, or is too large; nothing otherwise.
    """

    size: int
    captured: tuple[tuple[str, int], ...]
    problem: str

    @property
    def ok(self) -> bool:
        """Whether it can be sent."""
        return not self.problem

    def _said(self) -> str:
        return self.problem or f"{in_bytes(self.size)} are sent to each worker"

    def __repr__(self):
        lines = (f"  {in_bytes(size):>8}  {path}" for path, size in self.captured)
        return "\n".join([self._said(), *lines])

    def _repr_html_(self):
        rows = [(in_bytes(size), path) for path, size in self.captured]
        return block(heading(self._said()), table(("", "takes along"), rows))


@checked
def check_picklable(thing: Any, name: str = "it", limit: int = MEGABYTE) -> Shipment:
    """What sending ``thing`` to a worker of Ray takes: a function, an environment, a pipeline.

    A function that was defined in a notebook travels with the globals that it uses, as they are
    when it is sent; large ones are better made on the worker, or passed as params.
    """
    import cloudpickle

    data, error = pickled(thing, cloudpickle.dumps)
    sizes = {
        name + path: len(pickled(part, cloudpickle.dumps)[0] or b"")
        for path, part in parts(thing)
        if not isinstance(part, types.ModuleType)
    }
    captured = tuple(sorted(sizes.items(), key=lambda item: -item[1])[:KEPT])
    problem = ""
    if data is None:
        path = blame(thing, name, lambda x: pickled(x, cloudpickle.dumps)[0] is None)
        problem = f"{path} cannot be sent to a worker: {error}"
    elif len(data) > limit:
        path = blame(thing, name, lambda x: len(pickled(x, cloudpickle.dumps)[0] or b"") > limit)
        problem = f"{path} takes {in_bytes(len(data))}, which would be sent to each worker"
    return Shipment(len(data or b""), captured, problem)

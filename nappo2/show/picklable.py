"""Checks whether an object can be sent to a worker, how large it is, and what it captures."""

import types
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.schemes.picklable import MEGABYTE, blame, parts, pickled
from nappo2.show.markup import block, heading, table
from nappo2.show.tree import in_bytes

MAX_CAPTURED = 20  # captured values that are listed, the largest ones


class PickleReport(NamedTuple):
    """The result of ``check_picklable``.

    Attributes:
        size: of the pickle in bytes; 0 if there is none.
        captured: path and bytes of the values that are pickled along, the largest first.
        problem: why the object cannot be sent, or is too large; empty otherwise.
    """

    size: int
    captured: tuple[tuple[str, int], ...]
    problem: str

    @property
    def ok(self) -> bool:
        """Whether the object can be sent."""
        return not self.problem

    def _summary(self) -> str:
        return self.problem or f"{in_bytes(self.size)} are sent to each worker"

    def __repr__(self):
        lines = (f"  {in_bytes(size):>8}  {path}" for path, size in self.captured)
        return "\n".join([self._summary(), *lines])

    def _repr_html_(self):
        rows = [(in_bytes(size), path) for path, size in self.captured]
        return block(heading(self._summary()), table(("", "takes along"), rows))


@checked
def check_picklable(thing: Any, name: str = "it", limit: int = MEGABYTE) -> PickleReport:
    """Checks whether a function, an environment or a pipeline can be sent to a worker of Ray.

    A function that was defined in a notebook travels with the globals that it uses, as they are
    when it is sent; large ones are better made on the worker, or passed as params.

    Args:
        thing: the object.
        name: of the object in the report.
        limit: bytes beyond which it counts as too large; the default is a megabyte.

    Returns:
        The size, and the values that are pickled along.

    Example:
        >>> check_picklable(lambda x: x + 1).ok
        True
    """
    import cloudpickle

    data, error = pickled(thing, cloudpickle.dumps)
    sizes = {
        name + path: len(pickled(part, cloudpickle.dumps)[0] or b"")
        for path, part in parts(thing)
        if not isinstance(part, types.ModuleType)
    }
    captured = tuple(sorted(sizes.items(), key=lambda item: -item[1])[:MAX_CAPTURED])
    problem = ""
    if data is None:
        path = blame(thing, name, lambda x: pickled(x, cloudpickle.dumps)[0] is None)
        problem = f"{path} cannot be sent to a worker: {error}"
    elif len(data) > limit:
        path = blame(thing, name, lambda x: len(pickled(x, cloudpickle.dumps)[0] or b"") > limit)
        problem = f"{path} takes {in_bytes(len(data))}, which would be sent to each worker"
    return PickleReport(len(data or b""), captured, problem)

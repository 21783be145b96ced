"""Imports tensordict without torch._dynamo, which takes as long to import as torch itself.

tensordict marks four functions for torch.compile when it is imported, and each mark imports the whole
compiler: 2 of 4 seconds in which a command, a notebook or a worker starts. Here these marks are made
when somebody imports the compiler. Importing this module does it, so it is imported first.
"""

import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

import torch.compiler

COMPILER = "torch._dynamo"


class MarkingFinder(MetaPathFinder):
    """Makes marks once the compiler is imported, by whomever.

    Args:
        marks: pairs of the name of a function of the compiler, and what it marks.
    """

    def __init__(self, marks: list[tuple[str, Callable]]):
        self.marks = marks

    def find_spec(self, name, path=None, target=None):
        """The compiler's own spec, whose loader marks afterwards; None for other modules.

        Args:
            name: of the module.
            path: of its package.
            target: the module, when it is imported anew.

        Returns:
            The spec.
        """
        if name != COMPILER:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_mark(module):
            execute(module)
            for mark, function in self.marks:
                getattr(module, mark)(function)

        spec.loader.exec_module = execute_and_mark
        return spec


def import_tensordict() -> None:
    """Imports tensordict; its marks wait for the compiler."""
    marks: list[tuple[str, Callable]] = []

    def later(mark):
        def keep(function):
            marks.append((mark, function))
            return function

        return keep

    names = ("allow_in_graph", "assume_constant_result")
    originals = {name: getattr(torch.compiler, name) for name in names}
    try:
        for name in names:
            setattr(torch.compiler, name, later(name))
        import tensordict  # noqa: F401
    finally:
        for name, original in originals.items():
            setattr(torch.compiler, name, original)
    sys.meta_path.insert(0, MarkingFinder(marks))


if COMPILER not in sys.modules and "tensordict" not in sys.modules:
    import_tensordict()

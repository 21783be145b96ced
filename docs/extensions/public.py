"""Directives that document what is public: ``{public} nappo2.stages`` a module, ``{names}`` the verbs."""

import importlib
import inspect
import sys
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import nappo2

MODULES = [
    *("pipeline", "reports", "params", "seeds"),
    *("maths.returns", "maths.surrogates", "maths.values", "maths.distributions", "maths.moments"),
    *("optim", "networks", "policies", "envs", "losses", "stages", "schemes", "schemes.remote"),
    *("populations", "recipes", "runs.learner", "runs.metrics", "runs.evaluate"),
    *("runs.beside", "runs.record", "runs.stopping", "runs.loggers"),
    *(
        "saving.checkpoint",
        "saving.datasets",
        "interop",
        "exporting",
        "show",
        "trained",
        "replays",
        "zoo",
        "search",
        "advice",
    ),
]


def setup(app):
    app.add_directive("public", Public)
    app.add_directive("names", Names)
    app.connect("autodoc-skip-member", without_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def names_of(module: str) -> list[str]:
    """What a module gives away: its ``__all__``, or what it defines, and constants with a docstring."""
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return [name for name in found.__all__ if not inspect.ismodule(getattr(found, name))]
    said = [name for owner, name in ModuleAnalyzer.for_module(module).find_attr_docs() if not owner]
    own = [name for name, x in vars(found).items() if getattr(x, "__module__", None) == module]
    return [name for name in dict.fromkeys([*said, *own]) if not name.startswith("_")]


def place_of(name: str) -> str:
    """Where one of nappo2's public names is documented."""
    x = getattr(nappo2, name)
    if inspect.ismodule(x):
        return x.__name__
    for module in (f"nappo2.{name}" for name in MODULES):
        if name in names_of(module) and getattr(importlib.import_module(module), name) is x:
            return f"{module}.{name}"
    raise KeyError(name)


def explained(x: Any, name: str) -> str:
    """The docstring of a function or class, or the one behind the assignment of a constant."""
    if is_code(x):
        return inspect.getdoc(x) or ""
    for module, found in list(sys.modules.items()):
        if module.startswith("nappo2") and vars(found).get(name) is x:
            said = ModuleAnalyzer.for_module(module).find_attr_docs()
            if ("", name) in said:
                return "\n".join(said["", name])
    return ""


def is_code(x: Any) -> bool:
    """Whether it is a function, also a cached one, or a class, and has a name."""
    found = inspect.isfunction(x) or inspect.isclass(x) or hasattr(x, "__wrapped__")
    return found and x.__name__ != "<lambda>"


class Public(SphinxDirective):
    """A table of a module's public names, and then each in full."""

    required_arguments = 1

    def run(self):
        module = self.arguments[0]
        found = importlib.import_module(module)
        code = [name for name in names_of(module) if is_code(getattr(found, name))]
        data = [name for name in names_of(module) if name not in code]
        lines = [f".. currentmodule:: {module}", "", ".. autosummary::", ""]
        lines += [f"   {name}" for name in code]
        lines += ["", f".. automodule:: {module}", "   :imported-members:"]
        lines += [f"   :members: {', '.join(code)}", ""]
        for name in data:
            said = explained(getattr(found, name), name).splitlines()
            lines += [f".. py:data:: {name}", "", *(f"   {line}" for line in said), ""]
        return parsed(self, lines)


class Names(SphinxDirective):
    """All that ``from nappo2 import *`` gives, each linked to where it is documented."""

    def run(self):
        links = [f":py:obj:`{name} <{place_of(name)}>`" for name in nappo2.__all__]
        return parsed(self, [" · ".join(links), ""])


def parsed(directive: SphinxDirective, lines: list[str]) -> list[nodes.Node]:
    """The nodes of lines of reStructuredText, on a page of Markdown."""
    node, fenced = nodes.container(), ["```{eval-rst}", *lines, "```"]
    directive.state.nested_parse(StringList(fenced, "public"), directive.content_offset, node)
    return node.children


def without_fields(app, what, name, member, skip, options):
    """A NamedTuple's fields are in its docstring, under Attributes."""
    return True if type(member).__name__ == "_tuplegetter" else None

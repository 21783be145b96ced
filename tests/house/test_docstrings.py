"""Every public name says what it is, and which errors it raises."""

import ast
import importlib
import inspect
import pkgutil
import re
from itertools import pairwise

import nappo2

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(nappo2.__path__, "nappo2.")
    if "remote" not in found.name and "cli" not in found.name
]
PUBLIC = {
    (module.__name__, name): getattr(module, name)
    for module in [nappo2, *MODULES]
    for name in getattr(module, "__all__", ())
    if not inspect.ismodule(getattr(module, name))
}


def explained_constants() -> set[str]:
    """Names that a module assigns to, where a string follows that says what they are."""
    found = set()
    for module in MODULES:
        body = ast.parse(inspect.getsource(module)).body
        for one, following in pairwise(body):
            said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if isinstance(one, (ast.Assign, ast.AnnAssign)) and said:
                targets = one.targets if isinstance(one, ast.Assign) else [one.target]
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def has_docstring(name, x, constants) -> bool:
    """One of its own: not the one that a NamedTuple, or a constant's class, has by itself."""
    if getattr(x, "__qualname__", None) != name:
        return name in constants
    return bool(x.__doc__) and not x.__doc__.startswith(f"{name}(")


def test_every_public_name_has_a_docstring():
    """A constant has one in a string behind its assignment."""
    constants = explained_constants()
    assert [key for key, x in PUBLIC.items() if not has_docstring(key[1], x, constants)] == []


def test_every_public_function_says_which_errors_it_raises():
    functions = {key: x for key, x in PUBLIC.items() if inspect.isfunction(x)}
    raising = {
        key: x.__doc__
        for key, x in functions.items()
        if re.search(r"^ +raise ", inspect.getsource(inspect.unwrap(x)), re.MULTILINE)
    }
    assert len(raising) > 20
    assert [key for key, said in raising.items() if "Raises:" not in said] == []

"""Every public name says what it is, and which errors it raises."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

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


PACKAGE = Path(nappo2.__file__).parent


def public_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """All functions and methods of the package whose names, and those of their classes, are public."""

    def inside(node: ast.AST, path: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in node.body:
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)) and child.name[0] != "_":
                if isinstance(child, ast.FunctionDef):
                    yield f"{path}:{child.name}", child
                else:
                    yield from inside(child, path)

    for path in sorted(PACKAGE.rglob("*.py")):
        yield from inside(ast.parse(path.read_text()), str(path.relative_to(PACKAGE)))


FUNCTIONS = dict(public_functions())


def arguments(function: ast.FunctionDef) -> list[ast.arg]:
    """Those that a caller gives."""
    each = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [argument for argument in each if argument.arg not in ("self", "cls")]


def lacking(says: Callable[[ast.FunctionDef, str], bool]) -> list[str]:
    """The functions of whose docstrings something is not true."""
    texts = {name: (f, ast.get_docstring(f) or "") for name, f in FUNCTIONS.items()}
    return [name for name, (function, text) in texts.items() if not says(function, text)]


def test_there_are_hundreds_of_public_functions():
    assert len(FUNCTIONS) > 700


def test_every_public_function_says_what_it_does():
    assert lacking(lambda function, text: bool(text)) == []


def test_arguments_are_explained_from_three_on():
    assert lacking(lambda function, text: len(arguments(function)) < 3 or "Args:" in text) == []


def test_every_error_that_is_raised_is_told():
    def told(function: ast.FunctionDef, text: str) -> bool:
        raised = any(isinstance(x, ast.Raise) and x.exc is not None for x in ast.walk(function))
        return not raised or "Raises:" in text

    assert lacking(told) == []


def test_tensors_have_shapes():
    """Such as [T, B]; [] is that of a number."""

    def told(function: ast.FunctionDef, text: str) -> bool:
        hints = [argument.annotation for argument in arguments(function)] + [function.returns]
        written = " ".join(ast.unparse(hint) for hint in hints if hint is not None)
        return (
            not re.search(r"\bTensor\b", written) or re.search(r"\[.*?\]", text, re.S) is not None
        )

    assert lacking(told) == []


def test_results_of_three_arguments_or_more_are_told():
    def told(function: ast.FunctionDef, text: str) -> bool:
        result = function.returns and ast.unparse(function.returns)
        return result in (None, "None") or len(arguments(function)) < 3 or "Returns" in text

    assert lacking(told) == []


def docstrings() -> Iterator[tuple[str, str]]:
    """The place and the text of every docstring."""
    folder = Path(nappo2.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                name = getattr(node, "name", "")
                yield f"{path.relative_to(folder)}:{name}", ast.get_docstring(node) or ""


EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=\w)(?![^*\n]+\*)(?!\w+(, \*\*?\w+)*:)"
)  # that does not end; no *args:


def test_no_star_is_read_as_emphasis():
    """Sphinx refuses ``[*shape]`` where it is no code."""
    assert EMPHASIS.search("[..., *shape]") and not EMPHASIS.search("*args: of the call.")
    plain = ((place, "".join(text.split("``")[::2])) for place, text in docstrings())
    assert [place for place, text in plain if EMPHASIS.search(text)] == []

"""``python -m benchmarks.lines``: lines of code of each algorithm, as *Lines of code* shows them.

A row is a file of ``nappo2/recipes``. Counted are lines of code, without docstrings, comments, blank lines
and imports: the hyper-parameters (classes), the recipe (functions), and the losses that these take from
``nappo2.losses``. Presets are data, and stand apart. The losses of another
algorithm are counted for that one, and what several algorithms share for none.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from nappo2 import losses, recipes
from nappo2.recipes import FOR_RECORDED, RECIPES


class Lines(NamedTuple):
    """Lines of code of the algorithms of a file."""

    names: str
    hyper: int
    recipe: int
    loss: int
    presets: int

    @property
    def total(self) -> int:
        """All but presets."""
        return self.hyper + self.recipe + self.loss


HEAD = ("algorithm", "hyper-parameters", "recipe", "loss", "sum", "presets")


def rows() -> Iterator[tuple]:
    """The cells of the table, from the shortest algorithm to the longest, and their medians."""
    counted = sorted(map(lines_of, files().items()), key=lambda x: x.total)
    cells = [(x.names, x.hyper, x.recipe, x.loss, x.total, x.presets) for x in counted]
    yield from cells
    yield ("median", *(f"{median(column):g}" for column in list(zip(*cells, strict=True))[1:]))


@cache
def files() -> dict[Path, str]:
    """The files of algorithms, with the names of what they make."""
    makers = {**RECIPES, **FOR_RECORDED}
    makers |= {name: getattr(recipes, name) for name in ("with_icm", "with_counts")}
    found: dict[Path, str] = {}
    for name, maker in makers.items():
        path = file_of(maker)
        found[path] = ", ".join(filter(None, (found.get(path), f"``{name}``")))
    return found


def file_of(function: object) -> Path:
    """Where a decorated function is defined."""
    return Path(inspect.getsourcefile(inspect.unwrap(function)))


def lines_of(item: tuple[Path, str]) -> Lines:
    """The lines of a file by what they are for."""
    path, names = item
    of_recipes = {x.name for x in files()}
    hyper = recipe = presets = 0
    taken: set[str] = set()
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef):
            hyper += len(code_of(path, node))
        elif isinstance(node, ast.FunctionDef):
            recipe += len(code_of(path, node))
            taken |= losses_in(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            presets += len(code_of(path, node))
    own = [
        name for name in taken if path.name == loss_file(name) or loss_file(name) not in of_recipes
    ]
    loss = sum(map(loss_lines, own))
    return Lines(names, hyper, recipe, loss, presets)


def losses_in(node: ast.AST) -> set[str]:
    """The names of the losses that a function takes from ``nappo2.losses``."""
    return {
        child.attr
        for child in ast.walk(node)
        if isinstance(child, ast.Attribute)
        and isinstance(child.value, ast.Name)
        and child.value.id == "losses"
    }


def loss_file(name: str) -> str:
    """The name of the file of a loss: that of a recipe's file, if it is the loss of that recipe."""
    return file_of(getattr(losses, name)).name


def loss_lines(name: str) -> int:
    """The lines of code of a function of ``nappo2.losses``, and of those of its file that it uses."""
    function = inspect.unwrap(getattr(losses, name))
    path = file_of(function)
    functions = {x.name: x for x in parsed(path).body if isinstance(x, ast.FunctionDef)}
    used, left = set(), [function.__name__]
    while left:
        used.add(name := left.pop())
        names = {x.id for x in ast.walk(functions[name]) if isinstance(x, ast.Name)}
        left += sorted((names & set(functions)) - used - set(left))
    return sum(len(code_of(path, functions[name])) for name in used)


@cache
def parsed(path: Path) -> ast.Module:
    """The tree of a file."""
    return ast.parse(path.read_text())


def code_of(path: Path, node: ast.stmt) -> set[int]:
    """The numbers of the lines of a statement that are code."""
    text = path.read_text().splitlines()
    decorators = [x.lineno for x in getattr(node, "decorator_list", [])]
    numbers = set(range(min([node.lineno, *decorators]), node.end_lineno + 1))
    for child in ast.walk(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            numbers -= set(range(child.lineno, child.end_lineno + 1))
    return {n for n in numbers if (line := text[n - 1].strip()) and not line.startswith("#")}


def main() -> None:
    """Prints the table in Markdown."""
    for row in [HEAD, ("---",) * len(HEAD), *rows()]:
        print(f"| {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    main()

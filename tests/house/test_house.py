"""The floors of the house: nothing imports from a floor above, not even where an import waits."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "nappo2"
FLOORS = (
    {"batch", "checks", "interop", "maths", "params", "reports", "seeds", "trees"},
    {"machine"},
    {"optim", "saving"},
    {"pipeline"},
    {"envs", "policies"},
    {"networks"},
    {"losses"},
    {"stages"},
    {"populations"},
    {"schemes"},
    {"runs"},
    {"recipes"},
    {"show"},
    {"trained", "zoo"},
    {"advice", "exporting", "replays", "search"},
    {"cli", "__init__"},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    """The first folder or file below the package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms that a file imports from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nappo2"):
            inner = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            found |= set(inner)
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "nappo2" and len(name) > 1}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_from_a_floor_above(path):
    mine = FLOOR_OF[room(path)]
    above = {name for name in imported(path) if FLOOR_OF.get(name, mine) > mine}
    assert not above, f"{path.name} on floor {mine} imports from above: {above}"


def test_every_room_has_a_floor():
    assert {room(path) for path in FILES} <= set(FLOOR_OF)

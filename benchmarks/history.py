"""The history of figures: one line per run of a benchmark, with its commit, and the page that draws them.

``benchmarks/results/history.jsonl`` only grows. ``nox -s zoo -- --draw`` draws docs/bench_history.md and its
picture from it: ratios, as rates are those of a machine.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import torch

from nappo2.runs.card import circumstances
from nappo2.show.pictures import COLOURS, new_figure, style_axes

ROOT = Path(__file__).parents[1]
HISTORY = ROOT / "benchmarks/results/history.jsonl"
PAGE, PICTURE = ROOT / "docs/bench_history.md", ROOT / "docs/pictures/bench_history.png"
COLUMNS = 3
SIGNS = {"at_least": "≥", "at_most": "≤"}
HEAD = """# Benchmarks over time

<!-- Written by nox -s zoo -- --draw from benchmarks/results/history.jsonl: change that, not this page. -->

`nox -s bench` and `nox -s jax` add a line to `benchmarks/results/history.jsonl` for each benchmark that they
run. Here are its ratios, each measured in one run, in turns: medians with quartiles. Rates depend on the
machine and are left out; ratios depend on it less, and the vector instructions of its CPU stand beside them.
+ marks a commit with uncommitted changes, † a figure that does not keep its bound of today. The picture has
figures with a bound, which is a dotted line, and those that were measured more than once.

![Ratios over commits](pictures/bench_history.png)

"""


class Point(NamedTuple):
    """A figure as one run measured it."""

    commit: str
    date: str
    value: float
    low: float
    high: float
    cpu: str


def add(bench: str, figures: Sequence[Mapping[str, Any]], path: Path = HISTORY) -> None:
    """Adds the figures of a run to the history; nothing if there are none."""
    if not figures:
        return
    now = circumstances()
    line = {"bench": bench, "commit": now["commit"], "date": now["begun"]}
    line |= {"cpu": torch.backends.cpu.get_cpu_capability(), "figures": [*figures]}
    with path.open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def ratios(path: Path = HISTORY) -> dict[str, list[Point]]:
    """The ratios of all runs, by figure, in the order in which they were measured."""
    found: dict[str, list[Point]] = {}
    for line in lines(path):
        for figure in line["figures"]:
            if not figure["unit"]:
                begun = short(line["commit"]), line["date"][:10]
                measured = figure["value"], *figure["spread"]
                point = Point(*begun, *measured, line.get("cpu", ""))
                found.setdefault(figure["figure"], []).append(point)
    return found


def bounds(path: Path = HISTORY) -> dict[str, tuple[str, float]]:
    """The bounds of figures that have one, as the last run had them, with ≥ or ≤."""
    found = {}
    for line in lines(path):
        for figure in line["figures"]:
            for name, sign in SIGNS.items():
                if name in figure:
                    found[figure["figure"]] = sign, figure[name]
    return found


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of the history."""
    if path.exists():
        yield from map(json.loads, path.read_text().splitlines())


def short(commit: str | None) -> str:
    """A commit in ten letters, with + if there were changes beside it."""
    name, dirty = (commit or "none").partition("-dirty")[:2]
    return name[:10] + "+" * bool(dirty)


def page(path: Path = HISTORY) -> str:
    """The text of the page: of each ratio the first and the last measurement."""
    limits, rows = (
        bounds(path),
        ["| figure | bound | first | last | runs |", "|---|---|---|---|---|"],
    )
    for name, points in ratios(path).items():
        limit = limits.get(name)
        first = text_of(points[0], limit)
        last = text_of(points[-1], limit) if len(points) > 1 else ""
        bound = " ".join(map(str, limit or ()))
        rows.append(f"| {name} | {bound} | {first} | {last} | {len(points)} |")
    return HEAD + "\n".join(rows) + "\n"


def text_of(point: Point, limit: tuple[str, float] | None) -> str:
    """A point as text, with a dagger if it does not keep the bound."""
    sign, bound = limit or ("", 0.0)
    broken = {"≥": point.value < bound, "≤": point.value > bound}.get(sign, False)
    where = ", ".join(x for x in (point.commit, point.date, point.cpu) if x)
    return f"{point.value:.3g}{' †' * broken} ({point.low:.3g} to {point.high:.3g}), {where}"


def digest(path: Path = HISTORY) -> str:
    """Of all that the picture shows, and of the code that draws it."""
    return sha256((path.read_text() + Path(__file__).read_text()).encode()).hexdigest()


def draw(path: Path = HISTORY) -> list[Path]:
    """Writes the page and its picture, of figures that have a bound or were measured more than once.

    Returns:
        The paths of what it wrote.
    """
    PAGE.write_text(page(path))
    if PICTURE.exists() and digest(path).encode() in PICTURE.read_bytes():
        return [PAGE]
    limits = bounds(path)
    found = {k: x for k, x in ratios(path).items() if k in limits or len(x) > 1}
    height = -(-len(found) // COLUMNS)
    figure = new_figure((3.6 * COLUMNS, 2.1 * height))
    grid = figure.subplots(height, COLUMNS, squeeze=False).flatten()
    for axes, (name, points) in zip(grid, found.items(), strict=False):
        draw_points(axes, name, points, limits.get(name, (None, None))[1])
    for axes in grid[len(found) :]:
        axes.set_visible(False)
    figure.savefig(PICTURE, dpi=90, facecolor="white", metadata={"Description": digest(path)})
    return [PAGE, PICTURE]


def draw_points(axes: Any, name: str, points: Sequence[Point], bound: float | None) -> None:
    """Draws a figure over runs, with its quartiles and its bound."""
    at = range(len(points))
    middle = [x.value for x in points]
    spread = [[x.value - x.low for x in points], [x.high - x.value for x in points]]
    axes.errorbar(at, middle, spread, fmt="o-", color=COLOURS[0], markersize=3, linewidth=1)
    if bound is not None:
        axes.axhline(bound, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xticks(list(at), [x.commit[:7] for x in points], rotation=30, ha="right")
    axes.set_xlim(-0.5, len(points) - 0.5)
    axes.set_ylim(0, 1.15 * max(bound or 0, *(x.high for x in points)))
    style_axes(axes, fill(name, 34))
    axes.tick_params(labelsize=6)

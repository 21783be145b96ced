"""Pictures of entries side by side, each marked with a digest of what it was drawn from."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from evidence.entry import Entry
from evidence.summary import curves
from nappo2.runs.curve import on_one_grid
from nappo2.runs.intervals import interval
from nappo2.show.pictures import format_thousands, new_figure, style_axes

GREEDY = ("greedy: ten episodes", "evaluations", "return", "env_steps")
TRAINED = ("training: episodes of the last 10,000 env steps", "rows", "recent_return", "env_steps")
TIMED = ("training, by seconds", "rows", "recent_return", "seconds")
COLOURS = (
    *("#1f5fa8", "#c8551b", "#2a9d8f", "#8e5ea2", "#e0a030", "#b23a5a", "#5b7f2b", "#808890"),
    *("#17becf", "#7a4a2b"),
)
Files = Mapping[str, Mapping[str, Any]]


def digest(entries: Sequence[Entry], files: Files) -> str:
    """Of everything that a picture shows, and of the code that draws it."""
    shown = [[entry.name, entry.published, files[entry.name]] for entry in entries]
    return sha256((json.dumps(shown) + Path(__file__).read_text()).encode()).hexdigest()


def draw(entries: Sequence[Entry], files: Files, path: Path) -> Path:
    """Draws the curves of entries in one environment into a PNG.

    Args:
        entries: that were run, at most ten.
        files: of these.
        path: of the picture.

    Returns:
        The path.
    """
    panels = (GREEDY, TRAINED, *[TIMED] * (entries[0].tags[0] == "schemes"))
    figure = new_figure((4.6 * len(panels), 3.4))
    each = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, source, y, x) in zip(each, panels, strict=True):
        ends = [
            draw_entry(axes, curves(files[entry.name], source, y, x), colour)
            for entry, colour in zip(entries, COLOURS, strict=False)
        ]
        label_ends(axes, [(entry.name, end) for entry, end in zip(entries, ends, strict=True)])
        style_axes(axes, title)
        format_thousands(axes)
        axes.set_xlabel(x.replace("_", " "), fontsize=8)
    for entry, colour in zip(entries, COLOURS, strict=False):
        for published in entry.published:
            each[0].axhline(published.mean, color=colour, linewidth=0.8, linestyle=":")
    each[0].set_ylabel(f"return in {entries[0].env}", fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(
        path, dpi=90, facecolor="white", metadata={"Description": digest(entries, files)}
    )
    return path


def draw_entry(axes: Any, found: Sequence[tuple], colour: str) -> tuple[float, float, str] | None:
    """Draws the interquartile mean of runs with its 95 % interval; returns where it ends, and its colour."""
    if not found:
        return None
    steps, values = on_one_grid(found)
    mean, low, high = interval(values)
    axes.plot(steps, mean, color=colour, linewidth=1.4)
    axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    return float(steps[-1]), float(mean[-1]), colour


def label_ends(axes: Any, named: Sequence[tuple[str, tuple | None]]) -> None:
    """Writes the name of each curve beside its end, apart where they end together."""
    ends = sorted(((name, *end) for name, end in named if end), key=lambda x: x[2])
    if not ends:
        return
    low, high = axes.get_ylim()
    heights = spread([y for *_, y, _ in ends], 0.055 * (high - low))
    right = max(x for _, x, *_ in ends)
    for (name, x, y, colour), height in zip(ends, heights, strict=True):
        axes.annotate(
            name, (x, y), (right + 0.03 * right, height), color=colour, fontsize=7, va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4},
            annotation_clip=False,
        )  # fmt: skip
    axes.set_xlim(right=right * 1.02)


def spread(values: Sequence[float], apart: float) -> list[float]:
    """Sorted values, moved as little as need be so that each is so far above the one before."""
    groups = [[value] for value in values]
    while True:
        tops = [centre(g) + (len(g) - 1) / 2 * apart for g in groups]
        bottoms = [centre(g) - (len(g) - 1) / 2 * apart for g in groups]
        close = [i for i, (top, low) in enumerate(pairwise_of(tops, bottoms)) if low - top < apart]
        if not close:
            return [
                b + i * apart for g, b in zip(groups, bottoms, strict=True) for i in range(len(g))
            ]
        i = close[0]
        groups[i : i + 2] = [groups[i] + groups[i + 1]]


def pairwise_of(tops: Sequence[float], bottoms: Sequence[float]) -> list[tuple[float, float]]:
    """The top of each group with the bottom of the next."""
    return list(zip(tops[:-1], bottoms[1:], strict=True))


def centre(group: Sequence[float]) -> float:
    """The mean of a group."""
    return sum(group) / len(group)

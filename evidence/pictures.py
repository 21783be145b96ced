"""Pictures of entries side by side, each marked with a digest of what it was drawn from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from evidence.entry import Entry
from evidence.summary import curves, limits
from nappo2.runs import curve
from nappo2.runs.curve import draw_interval
from nappo2.show import labels
from nappo2.show.labels import End, colours_of, label_ends, style_of, with_twin
from nappo2.show.pictures import format_thousands, new_figure, style_axes

GREEDY = ("greedy: ten episodes", "evaluations", "return", "env_steps")
TRAINED = ("training: episodes of the last 10,000 env steps", "rows", "recent_return", "env_steps")
TIMED = ("training, by seconds", "rows", "recent_return", "seconds")
Files = Mapping[str, Mapping[str, Any]]


def digest(entries: Sequence[Entry], files: Files) -> str:
    """Of everything that a picture shows, and of the modules that draw it."""
    shown = [[entry.name, entry.env, entry.published, files[entry.name]] for entry in entries]
    code = "".join(Path(path).read_text() for path in (__file__, curve.__file__, labels.__file__))
    return sha256((json.dumps(shown) + code).encode()).hexdigest()


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
        draw_entries(axes, entries, files, source, y, x)
        style_axes(axes, title)
        format_thousands(axes)
        axes.set_xlabel(x.replace("_", " "), fontsize=8)
    for entry, colour in coloured(entries):
        for published in entry.published:
            each[0].axhline(published.mean, color=colour, linewidth=0.8, linestyle=":")
    env = " and ".join(dict.fromkeys(entry.env for entry in entries))
    each[0].set_ylabel(f"return in {env}", fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(
        path, dpi=90, facecolor="white", metadata={"Description": digest(entries, files)}
    )
    return path


def coloured(entries: Sequence[Entry]) -> Iterator[tuple[Entry, str]]:
    """Each entry with the colour that its name has in all pictures."""
    return zip(entries, colours_of([entry.name for entry in entries]), strict=True)


def draw_entries(
    axes: Any, entries: Sequence[Entry], files: Files, source: str, y: str, x: str
) -> None:
    """Draws the interquartile mean of each entry's runs with its 95 % interval, and its name at the end."""
    ends: list[End] = []
    drawn: dict[str, Any] = {}
    for entry, colour in coloured(entries):
        if found := curves(files[entry.name], source, y, x):
            within = limits(files[entry.name])
            curve = draw_interval(axes, found, entry.name, colour, within)
            axes.lines[-1].set_linestyle(style_of(curve, list(drawn.values())))
            name = with_twin(entry.name, curve, drawn)
            drawn[entry.name] = curve
            x_end, y_end = (float(each[-1]) for each in curve)
            ends.append(End(name, x_end, y_end, colour))
    label_ends(axes, ends)

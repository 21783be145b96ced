"""What was changed, or happened, in the middle of a run: texts in its rows, and lines in its pictures."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from nappo2.pipeline import Pipeline
from nappo2.runs.metrics import Row, position
from nappo2.stages.recording.fingerprints import is_other

MOST_TEXTS = 10  # in a picture
LONGEST = 30  # characters of a text in a picture
NEAR = 0.015  # of the width: texts nearer than this would be written over each other


class Event(NamedTuple):
    """A text at a place of the x axis."""

    x: float
    text: str


def events_of(rows: Sequence[Row], x: str = "env_steps") -> list[Event]:
    """The events in rows of metrics, by a column of these; those of no place on it are left out.

    By env steps, they are where the run was: after as many env steps and updates from recorded data.
    """
    told = [row for row in rows if row.get("event")]
    if x == "env_steps":
        return [Event(position(row), row["event"]) for row in told]
    return [Event(row[x], row["event"]) for row in told if row.get(x) is not None]


def adoption(old: Pipeline, new: Pipeline) -> str:
    """The event of ``adopt``: another scheme by its name, else stages that are new or gone, and datasets."""
    names = [pipeline.made and pipeline.made.arguments.get("name") for pipeline in (old, new)]
    if names[1] and names[0] != names[1]:
        return f"adopt {names[1]}"
    before, after = ([repr(stage) for stage in pipeline.stages] for pipeline in (old, new))
    kept = {stage.name for stage in new.stages}
    changed = [stage for stage in after if stage not in before]
    datasets = {stage.name: stage.dataset for stage in old.stages}
    changed += [
        f"another dataset of {stage.name}"
        for stage in new.stages
        if is_other(datasets.get(stage.name), stage.dataset)
    ]
    changed += [f"no {stage.name}" for stage in old.stages if stage.name not in kept]
    return f"adopt {', '.join(changed)}" if changed else "adopt"


def mark_events(
    axes: Any, events: Iterable[Event], colour: str = "#606a74", *, with_text: bool = True
) -> None:
    """Draws thin vertical lines at events, behind the curves; the first ten places have their texts.

    Args:
        axes: of matplotlib, with its curves drawn already.
        events: equal ones are drawn once.
        colour: of lines and texts.
        with_text: whether there is room for texts.
    """
    low, high = axes.get_xlim()
    last, num_texts = None, 0
    for x, text in sorted(dict.fromkeys(events)):
        axes.axvline(x, color=colour, linewidth=0.6, zorder=0)
        is_free = last is None or x - last > NEAR * (high - low)
        if with_text and is_free and num_texts < MOST_TEXTS:
            _write(axes, x, text, colour)
            last, num_texts = x, num_texts + 1


def _write(axes: Any, x: float, text: str, colour: str) -> None:
    """Writes a text upwards along its line, left of it, where the curve has been already."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    place, style = axes.get_xaxis_transform(), {"fontsize": 6.5, "alpha": 0.9, "color": colour}
    axes.text(x, 0.01, literal(short), transform=place, rotation=90, ha="right", **style)


def literal(text: str) -> str:
    """Escapes a text for matplotlib: ``$`` begins no formula, and ``_`` hides no label."""
    text = text.encode("utf-8", "replace").decode().replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text

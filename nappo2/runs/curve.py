"""The learning curve of one run as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

MOST_EVENTS = 10  # with a text in a picture


def draw_curve(rows: Sequence[dict[str, Any]], path: str | Path, title: str = "") -> Path | None:
    """Draws returns by env steps into a PNG.

    Args:
        rows: metrics, each with ``env_steps`` and, where there are any, ``episode_return``,
            ``evaluation_return`` and ``event``.
        path: of the picture.
        title: above the curve.

    Returns:
        The path; None if no episode has ended, as there is nothing to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second, so only here
    from matplotlib.figure import Figure

    trained = [
        (row["env_steps"], row["episode_return"]) for row in rows if _has(row, "episode_return")
    ]
    tested = [
        (row.get("evaluation_env_steps", row["env_steps"]), row["evaluation_return"])
        for row in rows
        if _has(row, "evaluation_return")
    ]
    if not trained:
        return None
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(title=literal(title), xlabel="env steps", ylabel="episode return")
    axes.plot(
        *zip(*trained, strict=True),
        color="#1f5fa8",
        label="training, mean of the last 100 episodes",
    )
    if tested:
        axes.plot(*zip(*tested, strict=True), "o", color="#c8551b", label="evaluation")
    mark_events(axes, rows)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    figure.savefig(path, dpi=120)
    return Path(path)


def mark_events(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Draws thin vertical lines at events, the first ten with their texts."""
    events = [(row["env_steps"], row["event"]) for row in rows if _has(row, "event")]
    for i, (step, event) in enumerate(events):
        axes.axvline(step, color="#808890", linewidth=0.6, zorder=0)
        if i < MOST_EVENTS:
            place = axes.get_xaxis_transform()
            text = event if len(event) <= 30 else f"{event[:29]}…"
            axes.text(
                step, 0.01, literal(text), transform=place, rotation=90, fontsize=6, alpha=0.8
            )


def literal(text: str) -> str:
    """Escapes a text for matplotlib: ``$`` begins no formula, and ``_`` hides no label."""
    text = text.encode("utf-8", "replace").decode().replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _has(row, key) -> bool:
    return row.get(key) is not None

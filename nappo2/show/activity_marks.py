"""Marks in the drawing of a pipeline: what its stages and workers do with their time."""

from collections.abc import Sequence

from nappo2.show.activity import Activity
from nappo2.show.captions import Cut
from nappo2.show.markup import GREEN, ORANGE, element, svg_text

LETTER = 5.8  # of 10.5 px sans, in px, at most
BAR, MOST_BARS = 6.0, 32  # px of a worker, and workers that are drawn


def share_mark(
    share: float | None, x: float, top: float, width: float, height: float, colour: str
) -> str:
    """The share of time that a stage takes: a bar at the bottom of its box, and a number in its corner.

    Args:
        share: within 0 and 1; None for no mark.
        x: of the box.
        top: of the box.
        width: of the box.
        height: of the box.
        colour: of the bar.

    Returns:
        SVG elements.
    """
    if share is None:
        return ""
    bar = {"width": share * (width - 8), "height": 3, "rx": 1.5, "fill": colour}
    number = svg_text(x + width - 4, top + 9, f"{share:.0%}", size=8, anchor="end")
    return element("rect", x=x + 4, y=top + height - 5, **bar) + number


def worker_bars(activity: Activity, cut: str, right: float, bottom: float) -> str:
    """A bar for each worker of a cut, as high as it is busy; the one that is waited for is coloured.

    Args:
        activity: of the pipeline.
        cut: its name.
        right: where the bars end, in px.
        bottom: on which they stand.

    Returns:
        SVG elements.
    """
    busy, waited_for = bars_of(activity, cut), activity.waited_for(cut)
    parts = []
    for i, share in enumerate(busy):
        fill = ORANGE if i == waited_for else "currentColor"
        size = {"width": BAR - 2, "height": 1 + 11 * share, "fill": fill, "fill_opacity": "0.75"}
        text = f"worker {i} is busy for {share:.0%}" + ", and waited for" * (i == waited_for)
        place = {"x": right - BAR * (len(busy) - i), "y": bottom - 1 - 11 * share}
        parts.append(element("rect", element("title", text), **place, **size))
    return "".join(parts)


def bars_of(activity: Activity, cut: str) -> Sequence[float]:
    """How busy each worker of a cut is; empty if there are too many to be drawn."""
    busy = activity.workers.get(cut, ())
    return busy if len(busy) <= MOST_BARS else ()


def where(cut: Cut, activity: Activity) -> str:
    """Where workers are, and how many were begun anew."""
    num = activity.restarts.get(cut.name, 0)
    return cut.where + (f", {num} restart{'s' * (num > 1)}" if num else "")


def title_width(cut: Cut, activity: Activity) -> float:
    """The width of a frame's title, with the bars of its workers."""
    texts = 7.4 * len(f"{cut.counted} {cut.name}") + 6 + LETTER * len(where(cut, activity))
    return 2.0 + 9 + texts + 9 + BAR * len(bars_of(activity, cut.name))


def below_gate(cut: Cut, activity: Activity) -> list[str]:
    """Lines below the arrow out of a frame: how long it is waited for, rollouts ahead, and preemption."""
    share = activity.shares.get(cut.name)
    waits = [f"{share:.0%} of time"] if share is not None else []
    return [*waits, *filter(None, cut.further.split(", "))]


def lag_text(activity: Activity, cut: str, x: float, y: float) -> str:
    """How many updates old the results of a cut are, beside the arrow by which params come to it.

    Args:
        activity: of the pipeline.
        cut: its name; empty for a line without cuts.
        x: where the text begins, in px.
        y: of its base line.

    Returns:
        An SVG element; empty if there is no lag.
    """
    lag = activity.lags.get(cut)
    text = "" if lag is None else f"lag {lag:.1f}"
    return svg_text(x, y, text, size=9.5, colour=GREEN)

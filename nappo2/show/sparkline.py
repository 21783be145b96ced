"""Small curves as inline SVG, which need no matplotlib."""

from collections.abc import Sequence

from nappo2.show.markup import BLUE, FAINT, SANS, element, svg_text

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 440.0, 120.0, 52.0, 18.0, 20.0
MAX_POINTS = 300  # points that are drawn


def sparkline(x: Sequence[float], y: Sequence[float], title: str) -> str:
    """A line through points, with the ends of both axes; points that are not finite are left out.

    Args:
        x: of the points.
        y: of the points, as many.
        title: above the line.

    Returns:
        An ``svg`` element; an empty text if there are no points.
    """
    points = [(a, b) for a, b in zip(x, y, strict=True) if abs(b) < float("inf")]
    if not points:
        return ""
    points = points[:: 1 + len(points) // MAX_POINTS] + points[-1:]
    xs, ys = zip(*points, strict=True)
    across, up = _scale(xs, LEFT, WIDTH - 10), _scale(ys, HEIGHT - BOTTOM, TOP)
    line = " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in points)
    frame = f"M{LEFT} {TOP} V{HEIGHT - BOTTOM} H{WIDTH - 10}"
    parts = [
        element("path", d=frame, stroke=FAINT, fill="none"),
        element("polyline", points=line, stroke=BLUE, stroke_width=1.8, fill="none"),
        svg_text(LEFT, 11, title, faint=True),
        svg_text(LEFT - 5, TOP + 6, f"{max(ys):,.5g}", anchor="end"),
        svg_text(LEFT - 5, HEIGHT - BOTTOM, f"{min(ys):,.5g}", anchor="end"),
        svg_text(LEFT, HEIGHT - 6, f"{min(xs):,}", faint=True),
        svg_text(WIDTH - 10, HEIGHT - 6, f"{max(xs):,}", anchor="end", faint=True),
    ]
    view = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    style = "max-width:100%;height:auto;color:inherit;display:block"
    return element(
        "svg", "".join(parts), xmlns="http://www.w3.org/2000/svg", viewBox=view,
        width=f"{WIDTH:.0f}", role="img", font_family=SANS, style=style,
    )  # fmt: skip


def _scale(values: Sequence[float], start: float, end: float):
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / span

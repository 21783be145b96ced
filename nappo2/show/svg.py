"""Text and arrows of a drawing, in colours that can be read in light and in dark."""

from html import escape

from nappo2.show.markup import element

BLUE, ORANGE, GREEN, GREY = "#3b82c4", "#d9762b", "#2a9d8f", "#808890"


def text(
    x: float, y: float, said: str, *, size: float = 10.5, anchor: str = "start", weight: int = 400,
    font: str = "", faint: bool = False, colour: str = "currentColor",
) -> str:  # fmt: skip
    """A piece of text."""
    if not said:
        return ""
    given = {"x": x, "y": y, "font_size": size, "text_anchor": anchor, "fill": colour}
    given |= {"font_weight": weight} if weight != 400 else {}
    given |= {"font_family": font} if font else {}
    given |= {"fill_opacity": "0.72"} if faint else {}
    return element("text", escape(said), **given)


def arrow(x1: float, y1: float, x2: float, y2: float, colour: str = "currentColor") -> str:
    """A line with a head at its end."""
    if x1 == x2:
        sign = 1 if y2 > y1 else -1
        head = f"M{x2 - 3.5:.1f} {y2 - 6 * sign:.1f} L{x2:.1f} {y2:.1f} L{x2 + 3.5:.1f} {y2 - 6 * sign:.1f}"
    else:
        head = f"M{x2 - 6:.1f} {y2 - 3.5:.1f} L{x2:.1f} {y2:.1f} L{x2 - 6:.1f} {y2 + 3.5:.1f}"
    line = {"stroke": colour, "stroke_width": 1.5, "fill": "none"}
    return element("path", d=f"M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f} {head}", **line)

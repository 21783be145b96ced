"""Elements of HTML and SVG without scripts or external files, readable on light and dark pages."""

from collections.abc import Sequence
from functools import partial
from html import escape
from itertools import zip_longest
from textwrap import wrap
from typing import Any

MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
FAINT = "rgba(128,128,128,.35)"
WHOLE_WORDS = {"break_on_hyphens": False, "break_long_words": False}
LIMIT = 50_000  # bytes of HTML for one object
BLUE, ORANGE, GREEN, GREY = "#3b82c4", "#d9762b", "#2a9d8f", "#808890"


def element(tag: str, inner: str = "", /, **attributes: Any) -> str:
    """An element; ``_`` in names of attributes becomes ``-``, and values are escaped."""
    pairs = "".join(
        f' {name.strip("_").replace("_", "-")}="{escape(_short(value))}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{pairs}>{inner}</{tag}>"


def _short(value: Any) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], marked: Sequence[int] = ()) -> str:
    """A table of text with aligned columns.

    Args:
        head: names of the columns.
        rows: as many values each.
        marked: indices of rows that are set in bold.

    Returns:
        HTML.
    """
    first, *lines = aligned([head, *rows])
    parts = [element("span", escape(first), style="opacity:.6")] if any(head) else []
    parts += [
        element("b", escape(line)) if i in marked else escape(line) for i, line in enumerate(lines)
    ]
    style = f"font:12px/1.45 {MONO};margin:4px 0;padding:0;background:none;color:inherit"
    return element("pre", "\n".join(parts), style=f"{style};overflow:visible")


def aligned(rows: Sequence[Sequence[Any]], width: int | None = None) -> list[str]:
    """Rows as lines of text with aligned columns.

    Args:
        rows: as many values each.
        width: of the lines, for which long cells are broken between words; where that does not
            suffice, each row is a paragraph. None for a line per row.

    Returns:
        The lines.
    """
    texts = [[str(x) for x in row] for row in rows]
    columns = list(zip(*texts, strict=True))
    widths = [max(map(len, column)) for column in columns]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        words = [max(len(word) for x in column for word in [*x.split(), ""]) for column in columns]
        room = width - 2 * (len(widths) - 1)
        if sum(words) > room:
            fill = partial(wrap, width=width, subsequent_indent="    ", **WHOLE_WORDS)
            return [line for row in texts for line in fill("  ".join(row))]
        widths = _narrowed(widths, words, room)
        broken = [
            [wrap(x, max(n, 1), **WHOLE_WORDS) or [""] for x, n in zip(row, widths, strict=True)]
            for row in texts
        ]
        texts = [line for cells in broken for line in zip_longest(*cells, fillvalue="")]
    lines = ("  ".join(x.ljust(n) for x, n in zip(row, widths, strict=True)) for row in texts)
    return [line.rstrip() for line in lines]


def _narrowed(widths: list[int], words: list[int], room: int) -> list[int]:
    """Widths that come to ``room`` at most: the long ones are cut at one number, or at their longest word."""
    cuts = range(max(widths), -1, -1)
    cut = ([max(word, min(x, n)) for x, word in zip(widths, words, strict=True)] for n in cuts)
    return next(each for each in cut if sum(each) <= room)


def heading(text: str) -> str:
    """A line in bold."""
    return element("div", escape(text), style=f"font:600 13px {SANS};margin:6px 0 2px")


def paragraph(text: str) -> str:
    """A line of plain text."""
    return element("div", escape(text), style=f"font:13px {SANS};margin:2px 0")


def folded(summary: str, inner: str) -> str:
    """A summary that shows the rest when it is clicked."""
    style = f"font:600 13px {SANS};cursor:pointer"
    return element("details", element("summary", escape(summary), style=style) + inner)


def block(*parts: str) -> str:
    """One output, which scrolls where the page is narrower."""
    return element("div", "".join(parts), style="overflow-x:auto;max-width:100%")


def preformatted(text: str) -> str:
    """Text in a monospaced font, with its line breaks."""
    return element("pre", escape(text), style=f"font:12px {MONO};margin:2px 0;background:none")


def svg_text(
    x: float, y: float, content: str, *, size: float = 10.5, anchor: str = "start", weight: int = 400,
    font: str = "", faint: bool = False, colour: str = "currentColor",
) -> str:  # fmt: skip
    """Text in a drawing.

    Args:
        x: of the anchor, in px.
        y: of the base line.
        content: the text; empty for no element.
        size: of the font, in px.
        anchor: ``start``, ``middle`` or ``end``.
        weight: of the font, 400 or more.
        font: a family; empty for that of the drawing.
        faint: whether it is half transparent.
        colour: by default that of the page.

    Returns:
        An SVG element.
    """
    if not content:
        return ""
    attributes = {"x": x, "y": y, "font_size": size, "text_anchor": anchor, "fill": colour}
    attributes |= {"font_weight": weight} if weight != 400 else {}
    attributes |= {"font_family": font} if font else {}
    attributes |= {"fill_opacity": "0.72"} if faint else {}
    return element("text", escape(content), **attributes)


def svg_arrow(x1: float, y1: float, x2: float, y2: float, colour: str = "currentColor") -> str:
    """A line with an arrow head at its end, in a drawing.

    Args:
        x1: of the start, in px.
        y1: of the start.
        x2: of the end; equal to ``x1`` if the line is vertical.
        y2: of the end.
        colour: by default that of the page.

    Returns:
        An SVG element.
    """
    if x1 == x2:
        sign = 1 if y2 > y1 else -1
        head = f"M{x2 - 3.5:.1f} {y2 - 6 * sign:.1f} L{x2:.1f} {y2:.1f} L{x2 + 3.5:.1f} {y2 - 6 * sign:.1f}"
    else:
        head = f"M{x2 - 6:.1f} {y2 - 3.5:.1f} L{x2:.1f} {y2:.1f} L{x2 - 6:.1f} {y2 + 3.5:.1f}"
    line = {"stroke": colour, "stroke_width": 1.5, "fill": "none"}
    return element("path", d=f"M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f} {head}", **line)

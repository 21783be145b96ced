"""Pieces of HTML and SVG: no scripts, nothing from elsewhere, readable in light and in dark."""

from collections.abc import Sequence
from html import escape
from typing import Any

MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
FAINT = "rgba(128,128,128,.35)"
LIMIT = 50_000  # bytes of what one object shows


def element(tag: str, inner: str = "", /, **attributes: Any) -> str:
    """An element; ``_`` in names of attributes is ``-``, and values are escaped."""
    given = "".join(
        f' {name.strip("_").replace("_", "-")}="{escape(_short(value))}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{given}>{inner}</{tag}>"


def _short(value: Any) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], marked: Sequence[int] = ()) -> str:
    """Rows of text in columns below a head; those that are ``marked`` stand out."""
    first, *lines = aligned([head, *rows])
    shown = [element("span", escape(first), style="opacity:.6")] if any(head) else []
    shown += [
        element("b", escape(line)) if i in marked else escape(line) for i, line in enumerate(lines)
    ]
    style = f"font:12px/1.45 {MONO};margin:4px 0;padding:0;background:none;color:inherit"
    return element("pre", "\n".join(shown), style=f"{style};overflow:visible")


def aligned(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of text, in which columns stand below each other."""
    widths = [max(len(str(x)) for x in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(str(x).ljust(n) for x, n in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def heading(text: str) -> str:
    """A line above what it is about."""
    return element("div", escape(text), style=f"font:600 13px {SANS};margin:6px 0 2px")


def paragraph(text: str) -> str:
    """A line of plain text."""
    return element("div", escape(text), style=f"font:13px {SANS};margin:2px 0")


def folded(summary: str, inner: str) -> str:
    """What shows its summary, and the rest when it is clicked."""
    style = f"font:600 13px {SANS};cursor:pointer"
    return element("details", element("summary", escape(summary), style=style) + inner)


def block(*parts: str) -> str:
    """One output; as wide as it needs to be, and scrolled where there is less room."""
    return element("div", "".join(parts), style="overflow-x:auto;max-width:100%")


def preformatted(text: str) -> str:
    """Text as in a terminal."""
    return element("pre", escape(text), style=f"font:12px {MONO};margin:2px 0;background:none")

"""Figures on pages: each stands between two marks, and is written from a file that a command wrote.

``<!-- figure KEY -->0.66<!-- end -->`` is invisible but for the figure. Keys are ``NAME last``,
``NAME best`` and ``NAME training`` for entries of the zoo, the names of figures of ``nox -s bench``,
with `` spread`` for their quartiles, and ``compare`` for the table of ``nox -s compare``. On
pages that explain it, a dagger stands behind what does not keep its bound.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks import comparison
from benchmarks.__main__ import kept as kept_benches
from evidence.keeping import kept
from evidence.summary import core_hours, greedy, hours, training

ROOT = Path(__file__).parents[1]
DAGGER = "†"
MARK = re.compile(r"(<!-- figure (.+?) -->)(.*?)(<!-- end -->)", re.DOTALL)


def figures() -> dict[str, str]:
    """The texts of all figures by key."""
    found = {"compare": f"\n{comparison.short_table(comparison.kept())}\n"}
    for name, data in kept().items():
        found |= {f"{name} {which}": str(greedy(data, which)) for which in ("last", "best")}
        found[f"{name} training"] = str(training(data))
        found[f"{name} core hours"] = hours(core_hours(data))
    for name, figure in kept_benches().items():
        found[name] = text_of(figure["value"]) + f" {DAGGER}" * (not figure.get("met", True))
        if figure["spread"] is not None:
            found[f"{name} spread"] = " to ".join(map(text_of, figure["spread"]))
    return found


def text_of(x: float) -> str:
    """A figure of a benchmark as text."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def filled(text: str, figures: Mapping[str, str]) -> str:
    """A page with the figures as their files are now; without daggers if it does not say what they are.

    Raises:
        ValueError: if there is no figure of a key.
    """

    def replaced(match: re.Match) -> str:
        begin, key, _, end = match.groups()
        if key not in figures:
            raise ValueError(f"no file has a figure {key!r}; run what measures it")
        figure = figures[key] if DAGGER in text else figures[key].removesuffix(f" {DAGGER}")
        return begin + figure + end

    return MARK.sub(replaced, text)


def without_figures(text: str) -> str:
    """A page without what stands between marks."""
    return MARK.sub("", text)


def pages() -> list[Path]:
    """The pages in which figures may stand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fill() -> list[Path]:
    """Writes the figures into all pages; returns those that changed."""
    found, changed = figures(), []
    for path in pages():
        text = path.read_text()
        if (new := filled(text, found)) != text:
            path.write_text(new)
            changed.append(path)
    return changed

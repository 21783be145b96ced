"""Pictures that notebooks show and files keep, and the common style of all plots."""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.saving.outputs import check_output, whole_file

COLOURS = (
    *("#1f5fa8", "#c8551b", "#2a9d8f", "#8e5ea2", "#e0a030"),
    *("#808890", "#b23a5a", "#5b7f2b", "#17becf", "#333a42"),
)


VECTORS = (".pdf", ".svg")
"""Suffixes of files that are as sharp at any size."""

SUFFIXES = (".png", *VECTORS)
"""Suffixes of the files of pictures."""


class Picture(NamedTuple):
    """A picture, which notebooks show.

    Attributes:
        png: the bytes of its PNG.
        drawn: ``format -> bytes`` of the formats pdf and svg; None of a picture that has only dots.
    """

    png: bytes
    drawn: Callable[[str], bytes] | None = None

    def save(self, path: str | Path) -> Path:
        """Writes a PNG, or a PDF or SVG where the path ends so, and returns the path.

        Raises:
            ValueError: if there can be no file at this path, or its name is of another kind of file.
        """
        check_output(path, *(SUFFIXES if self.drawn else SUFFIXES[:1]))
        suffix = Path(path).suffix.lower()
        data = self.drawn(suffix[1:]) if suffix in VECTORS else self.png
        with whole_file(path) as unfinished:
            unfinished.write_bytes(data)
        return Path(path)

    def __repr__(self):
        return f"a picture of {len(self.png) / 1000:.0f} kB; save(path) keeps it"

    def _repr_png_(self):
        return self.png

    def inline(self) -> str:
        """The picture as an element of HTML."""
        data = b64encode(self.png).decode()
        return f'<img style="max-width:100%" src="data:image/png;base64,{data}">'


def new_figure(size: tuple[float, float], layout: str | None = "constrained") -> Any:
    """A matplotlib figure outside of pyplot, so that none has to be closed; ``size`` is in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second, so only here
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def as_picture(figure: Any, dpi: int = 100) -> Picture:
    """A figure on white, which is readable on light and dark pages."""
    return Picture(_drawn(figure, dpi, "png"), partial(_drawn, figure, dpi))


def _drawn(figure: Any, dpi: int, kind: str) -> bytes:
    data = BytesIO()
    figure.savefig(data, format=kind, dpi=dpi, facecolor="white")
    return data.getvalue()


def style_axes(axes: Any, title: str = "") -> None:
    """Sets the title and the common style of axes."""
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def format_thousands(axes: Any) -> None:
    """Writes the numbers of the x axis as 20k or 1.5M."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(5))

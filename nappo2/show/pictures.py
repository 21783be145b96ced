"""Pictures as PNG bytes that notebooks show, and the common style of all plots."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.saving.outputs import check_output, whole_file

COLOURS = (
    *("#1f5fa8", "#c8551b", "#2a9d8f", "#8e5ea2", "#e0a030"),
    *("#808890", "#b23a5a", "#5b7f2b", "#17becf", "#333a42"),
)


class Picture(NamedTuple):
    """A PNG, which notebooks show.

    Attributes:
        png: the bytes of the file.
    """

    png: bytes

    def save(self, path: str | Path) -> Path:
        """Writes the file and returns its path.

        Raises:
            ValueError: if there can be no file at this path, or its name is of another kind of file.
        """
        check_output(path, ".png")
        with whole_file(path) as unfinished:
            unfinished.write_bytes(self.png)
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
    """Renders a figure on white, which is readable on light and dark pages."""
    data = BytesIO()
    figure.savefig(data, format="png", dpi=dpi, facecolor="white")
    return Picture(data.getvalue())


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

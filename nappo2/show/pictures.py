"""Pictures as values: bytes that a notebook shows and a file can take."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

COLOURS = ("#1f5fa8", "#c8551b", "#2a9d8f", "#8e5ea2", "#e0a030", "#808890", "#b23a5a")


class Picture(NamedTuple):
    """A PNG."""

    png: bytes

    def save(self, path: str | Path) -> Path:
        """Writes it to a file."""
        Path(path).write_bytes(self.png)
        return Path(path)

    def __repr__(self):
        return f"a picture of {len(self.png) / 1000:.0f} kB; save(path) keeps it"

    def _repr_png_(self):
        return self.png

    def inline(self) -> str:
        """As an element of HTML."""
        data = b64encode(self.png).decode()
        return f'<img style="max-width:100%" src="data:image/png;base64,{data}">'


def new_figure(size: tuple[float, float], layout: str | None = "constrained") -> Any:
    """A figure that pyplot's list of open figures does not know, so that none has to be closed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second, so only here
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def drawn(figure: Any, dpi: int = 100) -> Picture:
    """The figure on white, which can be read in light and dark."""
    data = BytesIO()
    figure.savefig(data, format="png", dpi=dpi, facecolor="white")
    return Picture(data.getvalue())


def tidy(axes: Any, title: str = "") -> None:
    """Axes as all pictures have them."""
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def thousands(axes: Any) -> None:
    """Env steps as 20k, 1.5M."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(5))

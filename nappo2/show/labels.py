"""Names beside the ends of curves, and colours of groups by their names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from textwrap import fill
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from nappo2.show.pictures import COLOURS

NUMBER = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.])")
SALT = "8818"  # of the hash: recipes and schemes that are compared often have colours apart
ALIKE = 0.002  # of the range of a curve: less is no difference that a picture shows
DARKEST = 0.2  # luminance of text, so that it can be read on white
APART = 0.055  # of the height of axes, between two names
LONGEST = 40  # characters in a line of a name
Curve = tuple[Sequence[float], Sequence[float]]  # x and y of its points


class End(NamedTuple):
    """The last point of a curve."""

    name: str
    x: float
    y: float
    colour: str


def colours_of(names: Sequence[str]) -> list[str]:
    """A colour for each name, which it has in other pictures, too, as far as there are enough.

    Where two names of a picture would have the same colour, the later one in the alphabet has the next.
    Names that differ by one number, such as ``learning_rate 0.001``, have colours from light to dark.

    Returns:
        Colours in the order of the names.
    """
    numbers = numbers_in(names)
    if numbers is not None:
        ranks = {x: i for i, x in enumerate(sorted(numbers))}
        return [shade(ranks[x] / (len(ranks) - 1)) for x in numbers]
    places: dict[str, int] = {}
    for name in sorted(names):
        places[name] = _place(name, set(places.values()))
    return [COLOURS[places[name]] for name in names]


def _place(name: str, taken: set[int]) -> int:
    """The place of a name among the colours: that of its hash, or the next that is free."""
    first = crc32(f"{SALT}{name}".encode("utf-8", "replace")) % len(COLOURS)
    order = [(first + i) % len(COLOURS) for i in range(len(COLOURS))]
    return next((i for i in order if i not in taken), first)


def numbers_in(names: Sequence[str]) -> list[float] | None:
    """The numbers in which two names or more differ, and in nothing else; otherwise None."""
    pieces = [NUMBER.split(name) for name in names]  # text, number, text, number, text
    if len(names) < 2 or len({len(each) for each in pieces}) > 1:
        return None
    columns = list(zip(*pieces, strict=True))
    differ = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(differ) != 1 or differ[0] % 2 == 0:
        return None
    numbers = [float(text) for text in columns[differ[0]]]
    return numbers if len(set(numbers)) == len(numbers) else None


def shade(share: float) -> str:
    """A blue, from light at 0 to dark at 1."""
    light, dark = (140, 190, 235), (10, 38, 82)
    return _as_hex(a + share * (b - a) for a, b in zip(light, dark, strict=True))


def readable(colour: str) -> str:
    """A colour for text on white: the same one, darkened where it is too light to read."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    while _luminance(rgb) > DARKEST:
        rgb = [0.95 * x for x in rgb]
    return _as_hex(rgb)


def _luminance(rgb: Sequence[float]) -> float:
    """How light a colour is, from 0 to 1 (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    return sum(w * (x / 255) ** 2.2 for w, x in zip((0.2126, 0.7152, 0.0722), rgb, strict=True))


def _as_hex(rgb: Iterable[float]) -> str:
    return "#" + "".join(f"{round(x):02x}" for x in rgb)


def label_ends(axes: Any, ends: Sequence[End]) -> None:
    """Writes the names of curves beside their ends, apart where they end together.

    A dot is at each end, and dots lead from there to the name, so that a short curve is not taken for
    one that goes on. The name of a curve that ends at no finite value is at the bottom. Long names are
    written in lines.

    Args:
        axes: of matplotlib, in which all curves are drawn.
        ends: of the curves.
    """
    if not ends:
        return
    for end in ends:
        dot = {"color": end.colour, "markersize": 4, "label": "_end"}
        axes.plot(end.x, end.y, ".", scalex=False, scaley=False, **dot)
    low, high = axes.get_ylim()
    ends = [end if isfinite(end.y) else end._replace(y=low) for end in ends]
    ends = sorted(ends, key=lambda end: end.y)
    names = [in_lines(end.name) for end in ends]
    apart = APART * max(name.count("\n") + 1 for name in names) * (high - low)
    heights = spread([end.y for end in ends], apart, low, high)
    for end, name, height in zip(ends, names, heights, strict=True):
        line = {"arrowstyle": "-", "color": end.colour, "linewidth": 0.5, "relpos": (0, 0.5)}
        line |= {"linestyle": (0, (1, 5)), "shrinkA": 1, "shrinkB": 0}
        axes.annotate(
            name,
            (end.x, end.y),
            (1.015, height),  # of the width, so that it is beside the axes on any scale
            textcoords=axes.get_yaxis_transform(),
            color=readable(end.colour),
            fontsize=7,
            va="center",
            arrowprops=line,
            annotation_clip=False,
        )


def counted(name: str, num_runs: int) -> str:
    """The name of a group with the number of its runs, if there are several."""
    return f"{name} ({num_runs} runs)".strip() if num_runs > 1 else name


def in_lines(name: str) -> str:
    """A name in lines that leave room for what it names."""
    return fill(name, LONGEST)


def spread(
    values: Sequence[float], apart: float, low: float = -np.inf, high: float = np.inf
) -> list[float]:
    """Values, moved as little as need be so that each is far enough above the one before.

    Args:
        values: sorted.
        apart: the least distance between two.
        low: the least value, if there is room for all.
        high: the largest value.

    Returns:
        The new values, sorted.
    """

    def bottom(group: Sequence[float]) -> float:
        height = (len(group) - 1) * apart
        return min(max(sum(group) / len(group) - height / 2, low), high - height)

    groups = [[value] for value in values]
    while True:
        bottoms = [bottom(g) for g in groups]
        tops = [low + (len(g) - 1) * apart for low, g in zip(bottoms, groups, strict=True)]
        pairs = enumerate(zip(tops[:-1], bottoms[1:], strict=True))
        close = next((i for i, (top, low) in pairs if low - top < apart - 1e-9), None)
        if close is None:
            return [
                b + i * apart for g, b in zip(groups, bottoms, strict=True) for i in range(len(g))
            ]
        groups[close : close + 2] = [groups[close] + groups[close + 1]]


def same_curves(curve: Curve, earlier: Sequence[Curve]) -> list[int]:
    """The numbers of the earlier curves with which one coincides, as far as a picture shows."""
    return [i for i, other in enumerate(earlier) if coincide(curve, other)]


def coincide(curve: Curve, other: Curve) -> bool:
    """Tests whether two curves of growing x are the same line, through however many points."""
    (x, y), (other_x, other_y) = curve, other
    ends, other_ends = (x[0], x[-1]), (other_x[0], other_x[-1])
    if not np.allclose(ends, other_ends, 0, unseen(x)):
        return False
    points = np.union1d(x, other_x)  # those of both, as one may bend between those of the other
    at_points = np.interp(points, x, y), np.interp(points, other_x, other_y)
    return np.allclose(*at_points, 0, unseen(y), equal_nan=True)


def unseen(values: Sequence[float]) -> float:
    """The largest difference that a picture of these values does not show."""
    finite = np.asarray(values)[np.isfinite(values)]
    return ALIKE * float(np.ptp(finite)) if len(finite) else 0.0


def style_of(curve: Curve, earlier: Sequence[Curve]) -> Any:
    """The line of a curve: dashed where it would hide others that it coincides with.

    The more there are, the shorter the dashes, so that each of them is seen between those above it.
    """
    if not (num := len(same_curves(curve, earlier))):
        return "-"
    dash = 2.0 ** (3 - num)
    return 0, (dash, 8.0 - dash)


def with_twin(label: str, curve: Curve, earlier: Mapping[str, Curve]) -> str:
    """The label of a curve, with the name of the first one with which it coincides.

    Args:
        label: of the curve.
        curve: its points, x and y.
        earlier: the points of the curves that are drawn already, by name.

    Returns:
        The label, as ``label = name`` if it coincides with one.
    """
    twins = same_curves(curve, list(earlier.values()))
    return f"{label} = {list(earlier)[twins[0]]}" if twins else label


def by_name(names: Sequence[str]) -> Mapping[str, str]:
    """The colours of names."""
    return dict(zip(names, colours_of(names), strict=True))

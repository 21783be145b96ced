"""Names beside the ends of curves, and colours of groups by their names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nappo2.show.pictures import COLOURS

NUMBER = re.compile(r"^(.*?)(-?\d+(?:\.\d+)?(?:e-?\d+)?)$")
APART = 0.055  # of the height of axes, between two names


class End(NamedTuple):
    """The last point of a curve."""

    name: str
    x: float
    y: float
    colour: str


def colours_of(names: Sequence[str]) -> list[str]:
    """A colour for each name, the same in every picture of these names.

    Names that differ by one number, such as ``learning_rate 0.001``, have colours from light to dark.

    Returns:
        Colours in the order of the names.
    """
    numbers = numbers_in(names)
    if numbers is not None:
        ranks = {x: i for i, x in enumerate(sorted(numbers))}
        return [shade(ranks[x] / (len(ranks) - 1)) for x in numbers]
    places = {name: i for i, name in enumerate(sorted(names))}
    return [COLOURS[places[name] % len(COLOURS)] for name in names]


def numbers_in(names: Sequence[str]) -> list[float] | None:
    """The numbers in which three names or more differ, and in nothing else; otherwise None."""
    found = [NUMBER.match(name) for name in names]
    if len(names) < 3 or not all(found) or len({match[1] for match in found}) > 1:
        return None
    numbers = [float(match[2]) for match in found]
    return numbers if len(set(numbers)) == len(numbers) else None


def shade(share: float) -> str:
    """A blue, from light at 0 to dark at 1."""
    light, dark = (168, 205, 240), (10, 38, 82)
    rgb = (round(a + share * (b - a)) for a, b in zip(light, dark, strict=True))
    return "#" + "".join(f"{x:02x}" for x in rgb)


def label_ends(axes: Any, ends: Sequence[End]) -> None:
    """Writes the names of curves beside their ends, apart where they end together.

    Args:
        axes: of matplotlib, in which all curves are drawn.
        ends: of the curves.
    """
    if not ends:
        return
    ends = sorted(ends, key=lambda end: end.y)
    low, high = axes.get_ylim()
    heights = spread([end.y for end in ends], APART * (high - low))
    right = max(end.x for end in ends)
    for end, height in zip(ends, heights, strict=True):
        line = {"arrowstyle": "-", "color": end.colour, "linewidth": 0.4}
        axes.annotate(
            end.name,
            (end.x, end.y),
            (1.03 * right, height),
            color=end.colour,
            fontsize=7,
            va="center",
            arrowprops=line,
            annotation_clip=False,
        )
    axes.set_xlim(right=1.02 * right)


def spread(values: Sequence[float], apart: float) -> list[float]:
    """Sorted values, moved as little as need be so that each is so far above the one before."""
    groups = [[value] for value in values]
    while True:
        bottoms = [sum(g) / len(g) - (len(g) - 1) / 2 * apart for g in groups]
        tops = [low + (len(g) - 1) * apart for low, g in zip(bottoms, groups, strict=True)]
        pairs = enumerate(zip(tops[:-1], bottoms[1:], strict=True))
        close = next((i for i, (top, low) in pairs if low - top < apart - 1e-9), None)
        if close is None:
            return [
                b + i * apart for g, b in zip(groups, bottoms, strict=True) for i in range(len(g))
            ]
        groups[close : close + 2] = [groups[close] + groups[close + 1]]


def style_of(curve: Sequence[float], earlier: Sequence[Sequence[float]]) -> str:
    """The line of a curve: dashed where it would hide another one that it coincides with."""
    return "--" if any(list(curve) == list(other) for other in earlier) else "-"


def by_name(names: Sequence[str]) -> Mapping[str, str]:
    """The colours of names."""
    return dict(zip(names, colours_of(names), strict=True))

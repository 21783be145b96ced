"""Draws pipelines as SVG: the line of stages, the cuts, and the way of params back to the workers.

All stages left of a cut run on its workers, so a cut is drawn as a frame around them; frames nest as
cuts do. Nothing is run: the drawing is made of ``pipeline.stages`` alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nappo2.checks import checked
from nappo2.pipeline import Pipeline, Stage
from nappo2.show.captions import Cut, cut_of, words
from nappo2.show.markup import (
    BLUE,
    GREEN,
    GREY,
    MONO,
    ORANGE,
    SANS,
    element,
    svg_arrow,
    svg_text,
)

CHARACTER = 7.3  # of 12 px monospace, in px
LETTER = 5.8  # of 10.5 px sans, in px, at most
COLOURS = {
    "collect": BLUE,
    "members": BLUE,
    "collect_members": BLUE,
    "gradients": ORANGE,
    "all_reduce": ORANGE,
    "learn": GREEN,
    "learn_members": GREEN,
    "update": GREEN,
    "workers": GREY,
}
BOX, GAP, PAD, TITLE, CARD = 44.0, 20.0, 12.0, 20.0, 4.0


@checked
def diagram(pipeline: Pipeline) -> str:
    """Draws a pipeline as inline SVG."""
    return Drawing(pipeline.stages).svg()


class Box(NamedTuple):
    x: float
    width: float
    stage: Stage


class Frame(NamedTuple):
    """A frame around all stages that run on the workers of a cut.

    Attributes:
        right: the right edge; the left one follows from the depth.
        start: the left edge of the part that is not in an inner frame.
        depth: 0 for the outermost frame.
        cut: the workers, in words.
    """

    right: float
    start: float
    depth: int
    cut: Cut


class Drawing:
    """Places boxes from left to right, and frames around them."""

    def __init__(self, stages: Sequence[Stage]):
        cuts = [stage for stage in stages if stage.cut is not None]
        self.depths = len(cuts)
        self.boxes: list[Box] = []
        self.frames: list[Frame] = []
        x = start = 2.0 + self.depths * PAD
        for stage in stages:
            if stage.cut is not None:
                cut, depth = cut_of(stage), self.depths - 1 - len(self.frames)
                x = self._widen(x - GAP + PAD, _title_width(cut) + depth * PAD)
                self.frames.append(Frame(x, start, depth, cut))
                x += _stack_width(cut) + _gate_width(cut)
                start = x
            else:
                width = max(52.0, CHARACTER * len(stage.name) + 16, LETTER * len(words(stage)) + 14)
                self.boxes.append(Box(x, width, stage))
                x += width + GAP
        self.end = x - GAP if stages[-1].cut is None else x
        self.top = 4.0 + self.depths * TITLE
        self.bottom = self.top + BOX
        self.floor = self.bottom + self.depths * (PAD - 2) + 30
        self.returns = any(box.stage.updates for box in self.boxes)
        self.width = self.end + 26.0
        self.height = self.floor + 18 if self.returns else self.floor - 16

    def _widen(self, right: float, least: float) -> float:
        """The right edge of a frame that is to be ``least`` wide; the boxes in it are centred."""
        slack = max(0.0, least - right)
        if len(self.frames) == 0:
            self.boxes = [box._replace(x=box.x + slack / 2) for box in self.boxes]
        return right + slack

    def elements(self) -> str:
        """All elements of the drawing, without the ``svg`` around them."""
        parts = [self._frame(frame) for frame in reversed(self.frames)]
        parts += [self._box(box) for box in self.boxes]
        gates = [self._gate(frame) for frame in self.frames]
        return "".join(parts + self._arrows() + gates + self._params())

    def svg(self) -> str:
        """The drawing as an ``svg`` element."""
        return element(
            "svg",
            self.elements(),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {self.width:.0f} {self.height:.0f}",
            width=f"{self.width:.0f}",
            role="img",
            font_family=SANS,
            style=f"max-width:100%;height:auto;min-width:{0.7 * self.width:.0f}px;color:inherit",
        )

    def _box(self, box: Box) -> str:
        colour, caption = COLOURS.get(box.stage.kind, GREY), words(box.stage)
        middle, y = box.x + box.width / 2, self.top + (19 if caption else 26)
        edge = {"stroke": colour, "stroke_width": 1.5, "fill": colour, "fill_opacity": "0.13"}
        shape = element("rect", x=box.x, y=self.top, width=box.width, height=BOX, rx=6, **edge)
        name = svg_text(middle, y, box.stage.name, size=12, anchor="middle", font=MONO, weight=600)
        return shape + name + svg_text(middle, y + 16, caption, anchor="middle", faint=True)

    def _frame(self, frame: Frame) -> str:
        left, deep = 2.0 + frame.depth * PAD, frame.depth
        top, bottom = 3.0 + deep * TITLE, self.bottom + (self.depths - deep) * (PAD - 2)
        size = {"width": frame.right - left, "height": bottom - top, "rx": 9, "fill": "none"}
        line = {"stroke": "currentColor", "stroke_opacity": "0.55"}
        if not frame.cut.all:
            line["stroke_dasharray"] = "5 3"
        behind = [
            element("path", d=_card(left, top, frame.right, bottom, CARD * i), fill="none", **line)
            for i in range(1, min(frame.cut.num, 3))
        ]
        title = f"{frame.cut.counted} {frame.cut.name}"
        caption = svg_text(left + 9, top + 14, title, size=11.5, weight=600) + svg_text(
            left + 9 + 7.4 * len(title) + 6, top + 14, frame.cut.where, faint=True
        )
        return element("rect", x=left, y=top, **size, **line) + "".join(behind) + caption

    def _gate(self, frame: Frame) -> str:
        """The arrow out of a frame, with a thick bar if it waits for all workers."""
        start, cut = frame.right + _stack_width(frame.cut), frame.cut
        end, y = start + _gate_width(cut), self.top + BOX / 2
        middle = (start + end) / 2 - 2
        bar = {"stroke": "currentColor", "stroke_width": 4 if cut.all else 1.5}
        if not cut.all:
            bar["stroke_dasharray"] = "3 3"
        parts = [
            element("line", x1=start + 4, y1=y - 15, x2=start + 4, y2=y + 15, **bar),
            svg_arrow(start + 6, y, end - 2, y),
            svg_text(middle, y - 21, "waits for", anchor="middle", faint=True),
            svg_text(middle, y - 8, cut.waits, anchor="middle", weight=600),
        ]
        for i, line in enumerate(filter(None, cut.further.split(", "))):
            parts.append(svg_text(middle, y + 14 + 12 * i, line, anchor="middle", faint=True))
        return "".join(parts)

    def _arrows(self) -> list[str]:
        """Arrows between neighbouring boxes that no cut separates."""
        y = self.top + BOX / 2
        neighbours = zip(self.boxes, self.boxes[1:], strict=False)
        return [
            svg_arrow(a.x + a.width + 2, y, b.x - 2, y)
            for a, b in neighbours
            if abs(a.x + a.width + GAP - b.x) < 0.1
        ]

    def _params(self) -> list[str]:
        """The arrows of params from the end of the line back to each frame, or to the first box."""
        y, floor = self.top + BOX / 2, self.floor
        out, end = self.end, self.end + 12.0
        line = {"stroke": GREEN, "stroke_width": 1.5, "fill": "none"}
        targets = [
            ((frame.start + frame.right) / 2, self.bottom + (self.depths - frame.depth) * (PAD - 2))
            for frame in self.frames
        ]
        if not targets:
            targets = [(self.boxes[0].x + self.boxes[0].width / 2, self.bottom)]
        if not self.returns:
            return []
        left = min(x for x, _ in targets)
        bow = f"M{out:.0f} {y:.0f} H{end:.0f} V{floor:.0f} H{left:.0f}"
        back = [element("path", d=bow, **line)]
        back += [svg_arrow(x, floor, x, bottom + 2, GREEN) for x, bottom in targets]
        return [*back, svg_text(end - 8, floor + 13, "params", anchor="end", colour=GREEN)]


def _title_width(cut: Cut) -> float:
    """The width of a frame's title."""
    return 2.0 + 9 + 7.4 * len(f"{cut.counted} {cut.name}") + 6 + LETTER * len(cut.where) + 9


def _stack_width(cut: Cut) -> float:
    """How far the frames of the workers behind the first one stick out."""
    return CARD * (min(cut.num, 3) - 1)


def _gate_width(cut: Cut) -> float:
    texts = ["waits for", cut.waits, *cut.further.split(", ")]
    return 14 + LETTER * max(map(len, texts))


def _card(left: float, top: float, right: float, bottom: float, by: float) -> str:
    """The edges of a frame behind another one, ``by`` to the right and below."""
    return (
        f"M{right + by:.0f} {top + by + 5:.0f} V{bottom + by - 9:.0f} "
        f"a9 9 0 0 1 -9 9 H{left + by + 9:.0f}"
    )


STYLE = "svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}"


def picture(pipelines: Mapping[str, Pipeline]) -> str:
    """Draws named pipelines below each other, as the text of an SVG file.

    It follows the reader's preference of light or dark.
    """
    left = 16.0 + 8 * max(map(len, pipelines)) if len(pipelines) > 1 else 0.0
    y, width, parts = 0.0, 0.0, []
    for name, pipeline in pipelines.items():
        drawing = Drawing(pipeline.stages)
        inner = f'<g transform="translate({left:.0f} {y:.0f})">{drawing.elements()}</g>'
        label = svg_text(0, y + drawing.top + BOX / 2 + 4, name, size=13, weight=700, font=MONO)
        parts.append((label if left else "") + inner)
        y, width = y + drawing.height + 8, max(width, left + drawing.width)
    size = {"viewBox": f"0 0 {width:.0f} {y:.0f}", "width": f"{width:.0f}"}
    size |= {"height": f"{y:.0f}", "style": "max-width:100%"}
    inner = f"<style>{STYLE}</style>" + "".join(parts)
    return element("svg", inner, xmlns="http://www.w3.org/2000/svg", font_family=SANS, **size)

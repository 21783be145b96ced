"""``differ``: the first step, stage and leaf in which two recorded runs part."""

import html
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.replays._rewind import rewound, take_again
from nappo2.replays.source import Run, Source, source_of
from nappo2.replays.tracing import Item, leaves_of, traced
from nappo2.runs.learner import Learner
from nappo2.schemes import serial
from nappo2.schemes.observed import Answer, Event
from nappo2.schemes.timing import Step

PARAMS = "params"


class Difference(NamedTuple):
    """Where two runs part.

    Attributes:
        step: of the Learner, from 0.
        updates: before this step.
        stage: whose item is the first to be another; the name of a cut whose timing was another;
            ``params`` before any step; after a step whose items are the same ``params``, or the
            stage whose state is another, as where Adam rounds a difference away and keeps it.
        leaf: of the item, such as ``next/reward``; ``timing`` where calls came in another order, were
            lost or stopped elsewhere; ``set`` where other hyper-parameters were set.
        a: the leaf in the first run; None where there is none.
        b: the leaf in the second run.
    """

    step: int
    updates: int
    stage: str
    leaf: str
    a: Tensor | None = None
    b: Tensor | None = None

    def __repr__(self):
        where = f"step {self.step}, after {self.updates:,} updates: {self.stage}, {self.leaf}"
        return f"{where}{_extent(self.a, self.b)}"

    def _repr_html_(self):
        return f"<p>The runs part in {html.escape(repr(self))}.</p>"


@checked
def differ(a: Run, b: Run) -> Difference | None:
    """The first step, stage and leaf in which two recorded runs part: ``differ("runs/a", "runs/b")``.

    The records say by which step they do. Both runs are taken again in this process from the last
    checkpoint that they share, to the first step that leads to other params, of which the item of each
    stage is kept: so a changed constant, a seed or one bit of a gradient is found where it enters.

    Args:
        a: the folder of a run with ``on=record_timing(...)``, or its Learner.
        b: another one.

    Returns:
        Where they part; None if one of them is how the other begins.

    Raises:
        FileNotFoundError: if one of them was not recorded.
        ValueError: as ``rewind`` does; where a run is no function of its record.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> pipe = scheme("da2cs", recipe, collectors=2, on=record_timing(serial))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> learner = Learner(pipe, recipe.init(0), target_steps=96, log_dir=folder, progress=False)
        >>> learner.run().close()
        >>> differ(folder, folder) is None
        True
    """
    sources = source_of(a), source_of(b)
    if found := _first_leaf(*(leaves_of(source.params) for source in sources)):
        return Difference(0, 0, PARAMS, *found)
    steps = list(zip(*(source.record.steps for source in sources), strict=False))
    parted = next((i for i, pair in enumerate(steps) if not _same_step(*pair)), None)
    if parted is None and (not steps or steps[-1][0].digest == steps[-1][1].digest is not None):
        return None
    i = _first_other_step(sources, len(steps) if parted is None else parted)
    if i == len(steps):
        return None
    updates = steps[i - 1][0].version if i else 0
    if steps[i][0].set != steps[i][1].set:
        return Difference(i, updates, PARAMS, "set")
    if cut := _other_timing(steps[i][0].notes, steps[i][1].notes, cuts_of(sources[0])):
        return Difference(i, updates, cut, "timing")
    return _in_items(sources, i, updates)


def _same_step(x: Step, y: Step) -> bool:
    """Tests whether the records of two steps are equal, as far as both have them."""
    digests = {x.digest, y.digest} - {None}
    return x[:3] == y[:3] and len(digests) < 2


def _first_other_step(sources: Sequence[Source], end: int) -> int:
    """The first step that leads to other params or another state; ``end`` if none before it does.

    The records have few digests of params, and seven bits of those of items, so that they may notice a
    difference later.
    """
    common = {0, *sources[0].checkpoints()} & {0, *sources[1].checkpoints()}
    for first in sorted((n for n in common if n <= end), reverse=True):
        with closing(rewound(sources[0], first)) as x, closing(rewound(sources[1], first)) as y:
            if _first_leaf(*map(_params_and_state, (x, y))):
                continue
            for i in range(first, end):
                take_again(x, sources[0], i)
                take_again(y, sources[1], i)
                if _first_leaf(*map(_params_and_state, (x, y))):
                    return i
        break
    return end


def _params_and_state(learner: Learner) -> dict[str, Tensor]:
    """The leaves of the params, and of the state of the stage that gives them, such as Adam's moments."""
    stage = learner.pipeline.stages[-1]
    states = {key: x for key, x in learner.state.items() if key in stage.keys}
    if stage.cut is not None:  # its state is its workers, whose items show what differs in them
        states = {}
    return leaves_of({PARAMS: learner.params, stage.name: states})


def _in_items(sources: Sequence[Source], i: int, updates: int) -> Difference | None:
    """The difference of step ``i``, which both runs take again."""
    results = []
    for source in sources:
        with closing(rewound(source, i)) as learner:
            items = traced(partial(take_again, learner, source, i))
            results.append((items, _params_and_state(learner)))
    (items, after), (others, other_after) = results
    for item, other in zip_longest(items, others, fillvalue=Item("", {})):
        if item.stage != other.stage:
            return Difference(i, updates, item.stage or other.stage, "another stage")
        if found := _first_leaf(item.leaves, other.leaves):
            return Difference(i, updates, item.stage, *found)
    if found := _first_leaf(after, other_after):
        name, *values = found
        stage, _, leaf = name.partition("/")
        return Difference(i, updates, stage, leaf, *values)
    return None


def _first_leaf(
    ours: dict[str, Tensor], theirs: dict[str, Tensor]
) -> tuple[str, Tensor | None, Tensor | None] | None:
    """The first leaf in which two items are not the same bytes, with both values.

    Of a rollout it is the leaf that differs in the earliest step, as an action does before what follows.
    """
    names = dict.fromkeys((*ours, *theirs))
    pairs = [(name, ours.get(name), theirs.get(name)) for name in names]
    others = [pair for pair in pairs if not _same_bytes(*pair[1:])]
    if len({x.shape[:1] for x in (*ours.values(), *theirs.values())}) > 1:
        return next(iter(others), None)
    return min(others, key=lambda pair: _first_row(*pair[1:]), default=None)


def _first_row(x: Tensor | None, y: Tensor | None) -> int:
    """The first row in which two leaves differ; 0 if they have other rows."""
    if x is None or y is None or x.shape != y.shape or x.ndim == 0:
        return 0
    same = map(_same_bytes, x, y)
    return next(i for i, row in enumerate(same) if not row)


def _same_bytes(x: Tensor | None, y: Tensor | None) -> bool:
    if x is None or y is None:
        return False
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        return False
    a, b = (each.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for each in (x, y))
    return torch.equal(a, b)


def _extent(x: Tensor | None, y: Tensor | None) -> str:
    """How much two leaves differ, in words; empty where they cannot be compared."""
    if x is None or y is None:
        return ""
    if x.shape != y.shape:
        return f" has the shape {list(x.shape)} in one and {list(y.shape)} in the other"
    gap = (x.double() - y.double()).abs().nan_to_num(torch.inf)
    return f", {int((gap > 0).sum())} of {x.numel()} numbers, by at most {float(gap.max()):.3g}"


def cuts_of(source: Source) -> list[str]:
    """The names of the cuts of a run, the last one first: those before it are in its workers."""
    names = [stage.name for stage in source.pipeline(serial).stages if stage.cut is not None]
    return names[::-1]


def _other_timing(a: Sequence[tuple], b: Sequence[tuple], cuts: Sequence[str]) -> str | None:
    """The cut whose events are not the same, but for checks; None if all are."""
    name, *inner = cuts
    outer = [[[_shallow(event) for event in step] for step in steps] for steps in (a, b)]
    if outer[0] != outer[1]:
        return name
    answers = zip(_inner_steps(a), _inner_steps(b), strict=True)
    found = (_other_timing(x, y, inner) for x, y in answers if inner)
    return next((cut for cut in found if cut), None)


def _shallow(event: tuple) -> tuple:
    """An event without checks and inner steps."""
    if event[0] != Event.ANSWERED:
        return event
    return event[0], *((answer[0], *answer[2:3]) for answer in event[1:])


def _inner_steps(steps: Sequence[tuple]) -> list[Sequence[tuple]]:
    """The steps of the inner cut in each call that delivered."""
    answers = [
        x for step in steps for event in step if event[0] == Event.ANSWERED for x in event[1:]
    ]
    return [x[3] for x in answers if x[0] == Answer.DELIVERED and len(x) > 3]

"""Pipelines: a pair of functions that yields one item per step.

A source collects rollouts. Each transform wraps the pipeline before it, and may
step it zero, one or many times per step of its own: data flows down the pipe,
demand flows up. A pipeline's state is a mapping from stage name to that stage's
state; a stage's seed is ``fold_in(seed, name)``, whatever stands beside it.
"""

import inspect
import math
from collections.abc import Callable
from functools import partial, reduce, update_wrapper, wraps
from time import perf_counter
from typing import Any, NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import written_by
from nappo2.checks import binder, checked, takes
from nappo2.machine.closing import close_each, simulators
from nappo2.params import Params
from nappo2.reports import Report, join, timed
from nappo2.saving.snapshots import Left, LiveState, is_cut, taken


@checked
class Cut(NamedTuple):
    """How a cut merges what its workers yield.

    Attributes:
        num_workers: how many there are.
        wait_for: of how many a step waits.
        ahead: how many steps a worker may begin before its last result was taken.
        preempt: the share of a rollout with which the others stop, or None.
        remote: whether they are in processes of their own.
    """

    num_workers: int
    wait_for: int
    ahead: int = 0
    preempt: float | None = None
    remote: bool = False

    @property
    def num_merged(self) -> int:
        """How many results make one item."""
        return self.wait_for if self.preempt is None else self.num_workers


@checked
class Stage(NamedTuple):
    """What a pipeline knows of one of its stages.

    Attributes:
        name: which reports its seconds.
        kind: the function that was called, for drawings and messages.
        arguments: what it was called with, for drawings and messages.
        keys: under which it keeps states; its name, if it says nothing else.
        env: the environments that it steps.
        batches: of a stage that makes batches of rollouts: what it feeds, such as "minibatches".
        update_ratio: of a replay: batches per transition.
        cut: of a cut: how it merges.
        reduces: whether workers of the cut around it meet in it.
        regroups: whether its items are no longer the single steps of a rollout [T, B].
        updates: whether its items are params.
        is_source: whether nothing stands left of it.
        live: how a state that is more than data is saved, loaded and closed.
        with_non_finite: of a source: the same with another treatment of what is not finite.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    keys: tuple[str, ...] = ()
    env: Any = None
    batches: str | None = None
    update_ratio: float | None = None
    cut: Cut | None = None
    reduces: bool = False
    regroups: bool = False
    updates: bool = False
    is_source: bool = False
    live: LiveState | None = None
    with_non_finite: Callable[[Callable[..., Any]], "Pipeline"] | None = None

    def __repr__(self):
        plain = {k: v for k, v in self.arguments.items() if isinstance(v, (int, float)) and v}
        shown = ", ".join(f"{name}={value}" for name, value in plain.items())
        return f"{self.name}({shown})" if shown else self.name


@checked
class Pipeline(NamedTuple):
    """A pair of functions, as an optax ``GradientTransformation`` is, and its stages' names.

    Attributes:
        init: ``(params, seed, left=None) -> state``; each stage takes what is its own of what another
            pipeline ``left``.
        step: ``(params, state) -> (state, item, report)``. A step consumes its
            state and may reuse its storage, so go on with the new one only.
        stages: what it is made of, from left to right.
    """

    init: Callable[..., dict[str, Any]]
    step: Callable[[Params, dict], tuple[dict, TensorDict, Report]]
    stages: tuple[Stage, ...] = ()

    def __or__(self, transform: "Transform") -> "Pipeline":
        check_transform(transform)
        made = transform(self)
        if not is_pipeline(made):
            raise ValueError(
                f"behind | stands a transform, as gae(...) or map_items(...) makes one, not {transform!r}"
            )
        return made

    def __ror__(self, other: Any):
        raise ValueError(f"a pipeline begins a line, so that nothing stands before {self!r}")

    def __repr__(self):
        line, ratio = " | ".join(map(repr, self.stages)), updates_per_transition(self)
        return line if ratio is None else f"{line} ({ratio:g} updates per transition)"


@checked
class Transform(NamedTuple):
    """What stands behind ``|``: wraps the pipeline before it.

    Attributes:
        wrap: ``Pipeline -> Pipeline``.
        stages: what it adds to a pipeline, from left to right.
    """

    wrap: Callable[[Pipeline], Pipeline]
    stages: tuple[Stage, ...] = ()

    @staticmethod
    def of(value: Any) -> Any:
        """A plain function of one pipeline stands for a transform; all else for itself."""
        if isinstance(value, (Transform, Maker)) or not callable(value):
            return value
        return Transform(value) if takes(value, 1) else value

    def __call__(self, source: Pipeline) -> Pipeline:
        return self.wrap(source)

    def __or__(self, other: "Transform") -> "Transform":
        check_transform(other, f"{self!r} |")
        return compose(self, other)

    def __repr__(self):
        return " | ".join(map(repr, self.stages)) or "compose()"


def updates_per_transition(pipeline: Pipeline) -> float | None:
    """How often replayed transitions move the params, for each that is collected.

    That is the replay's ``update_ratio``, divided at a cut behind it by the results that make a
    step, as their mean is one gradient. None for a pipeline without a replay or an update.
    """
    stages = pipeline.stages
    ratios = [(i, its.update_ratio) for i, its in enumerate(stages) if its.update_ratio is not None]
    if not ratios or not any(stage.updates for stage in stages):
        return None
    first, ratio = ratios[0]
    cuts = [stage.cut.num_merged for stage in stages[first:] if stage.cut is not None]
    return ratio / math.prod(cuts)


@checked
def stage(make: Callable) -> Callable:
    """Records the name and the arguments of each call of ``make``, a maker of sources or transforms.

    What is made reports the seconds it takes, less those of the stages before it.
    """
    bind = binder(make)

    @wraps(make)
    def recorded(*args, **kwargs):
        bound = bind(*args, **kwargs)
        bound.apply_defaults()
        made = make(*bound.args, **bound.kwargs)
        (facts,) = getattr(made, "stages", ()) or (_NO_FACTS,)
        name = bound.arguments.get("name", make.__name__)
        record = facts._replace(
            name=name,
            kind=make.__name__,
            arguments=dict(bound.arguments),
            keys=facts.keys or (name,),
        )
        if is_pipeline(made):
            begin = lambda params, seed, left: made.init(params, seed)
            return _finished(begin, made, (record._replace(is_source=True),))

        def wrap(source):
            pipeline = made(source)
            stages = _joined(source.stages, (record,))
            return _finished(partial(_begin, made, source, pipeline), pipeline, stages)

        return Transform(wrap, (record,))

    return Maker(recorded)


_NO_FACTS = Stage("", "", {})


def described(made: Any, **facts: Any) -> Any:
    """A source or a transform, as ``stage`` takes it, of which pipelines know these ``facts``."""
    stages = (_NO_FACTS._replace(**facts),)
    return made._replace(stages=stages) if is_pipeline(made) else Transform(made, stages)


class Maker:
    """A function that makes a stage, which is called before it stands in a pipeline."""

    is_maker = True
    __name__: str
    __qualname__: str

    def __init__(self, make: Callable):
        self.make = make
        update_wrapper(self, make)

    def __call__(self, *args, **kwargs):
        return self.make(*args, **kwargs)

    def __get__(self, *_):  # as functions have it, by which tools know them
        return self

    def __reduce__(self):
        return self.__qualname__

    def __or__(self, other):
        raise ValueError(_uncalled(self))

    __ror__ = __or__

    def __repr__(self):
        return f"the function {self.__name__}"


def _uncalled(make: Maker) -> str:
    arguments = ", ".join(inspect.signature(make).parameters)
    return f"{make.__name__} stands beside | and was not called: {make.__name__}({arguments}) is a stage"


def check_transform(transform: Any, where: str = "|") -> None:
    """Refuses what cannot stand behind ``|``.

    Raises:
        ValueError: says what can.
    """
    if isinstance(transform, Maker):
        raise ValueError(_uncalled(transform))
    if is_pipeline(transform):
        raise ValueError(
            f"a pipeline begins a line: {transform!r} stands before {where}, not behind"
        )
    if not callable(transform):
        raise ValueError(
            f"behind {where} stands a transform, as gae(...) or map_items(...) makes one, not {transform!r}"
        )


def _joined(left: tuple[Stage, ...], right: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages of a line, of which no two have one name, or keep states under one key."""
    for stage in right:
        for other in left:
            if stage.name == other.name:
                raise ValueError(
                    f"two stages are called {stage.name!r}; a state could not tell them apart"
                )
            if shared := sorted({*stage.keys} & {*other.keys}):
                raise ValueError(
                    f"{other.name} and {stage.name} both keep a state that is called {shared[0]!r}; "
                    "only one of them can stand in a line"
                )
    return left + right


def _begin(
    made: Transform, source: Pipeline, pipeline: Pipeline, params: Params, seed: int, left: Any
):
    """The first state of a stage behind a source, which takes what is its own of what was left.

    A stage whose own ``init`` has a third argument, as a cut's has, is given that, too.
    """
    if left is None:
        return pipeline.init(params, seed)
    if takes(pipeline.init, 3):
        return pipeline.init(params, seed, left)
    handed = source._replace(init=lambda params, seed: begun(source, params, seed, left))
    return made(handed).init(params, seed)


def begun(pipeline: Pipeline, params: Params, seed: int, left: Left) -> dict[str, Any]:
    """The first state of a pipeline that takes what is its own of what was left.

    One that was put together by hand, whose ``init`` has no third argument, takes it by the names.
    """
    if takes(pipeline.init, 3):
        return pipeline.init(params, seed, left)
    state = pipeline.init(params, seed)
    return {name: taken(None, name, value, left)[0] for name, value in state.items()}


def _finished(begin: Callable, pipeline: Pipeline, stages: tuple[Stage, ...]) -> Pipeline:
    """A pipeline of these stages, of which the last is new.

    Its ``init`` takes for the last what a pipeline left that is its own. Its reports have the
    seconds that the last one spends outside of those before it; a key that items lack is named,
    and so is a state that no stage says it keeps.
    """
    known, last = {key for stage in stages for key in stage.keys}, stages[-1]

    def init(params, seed, left=None):
        state = begin(params, seed, left)
        if stages[0].is_source and (unknown := sorted({*state} - known)):
            raise ValueError(
                f"the stage {last.name} keeps a state that is called {unknown[0]!r}; "
                f"a stage's state is called as the stage is, {last.name!r}"
            )
        if left is None:
            return state
        own = {key: taken(last.live, key, state[key], left)[0] for key in last.keys if key in state}
        return state | own

    step = partial(_measured, stages[-1].name, len(stages) > 1, pipeline.step)
    return Pipeline(init, step, stages)


def _measured(name: str, reads: bool, step: Callable, params: Params, state: dict):
    start = perf_counter()
    try:
        state, item, report = step(params, state)
    except KeyError as error:
        if not reads or "stage" in vars(error):
            vars(error).setdefault("stage", name)  # it is not the fault of those behind
            raise
        raise ValueError(_lacking(name, error)) from error
    total = perf_counter() - start
    report = timed(report, **{name: max(0.0, total - report.elapsed)})
    return state, item, report._replace(elapsed=total)


def _lacking(name: str, error: KeyError) -> str:
    """What a stage did not find, and which stage left of it adds that."""
    text = str(error.args[0]) if error.args else ""
    key = text.split('"')[1] if text.startswith('key "') else text
    stage = written_by(key)
    added = "" if stage is None else f"; {stage}, left of it, adds that"
    return f"the stage {name} reads {key!r}, which its items and params do not have{added}"


@checked
def compose(*transforms: Transform) -> Transform:
    """The transform that applies ``transforms`` from left to right."""
    none: tuple[Stage, ...] = ()
    stages = reduce(_joined, (getattr(each, "stages", none) for each in transforms), none)
    return Transform(lambda source: reduce(Pipeline.__or__, transforms, source), stages)


def is_empty(item: Any) -> bool:
    """Whether an item is an empty batch, as a replay yields while none is due.

    Stages hand it on as it is: there is no gradient of it, no update, and params stay.
    """
    return 0 in getattr(item, "batch_size", ())


def stateless(fn: Callable[[Params, TensorDict], TensorDict]) -> Transform:
    """Replaces every item by ``fn(params, item)``; the bare transform, for use within a stage.

    Empty batches pass as they are.
    """

    def transform(source):
        def step(params, state):
            state, item, report = source.step(params, state)
            return state, item if is_empty(item) else fn(params, item), report

        return Pipeline(source.init, step)

    return Transform(transform)


@stage
def _map_items(fn: Callable[[Params, TensorDict], TensorDict], name: str) -> Transform:
    return stateless(fn)


@checked
def map_items(fn: Callable[[Params, TensorDict], TensorDict], name: str | None = None) -> Transform:
    """Replaces every item by ``fn(params, item)``; the stage is called ``name``, or as ``fn`` is."""
    return _map_items(fn, name=name or getattr(fn, "__name__", "map_items"))


@stage
def repeat(num_steps: int) -> Transform:
    """Takes ``num_steps`` steps as one, each with the params that the one before it yielded.

    Raises:
        ValueError: if ``num_steps`` is not at least 1.
    """
    positive(num_steps=num_steps)

    def transform(source):
        def step(params, state):
            reports = []
            for _ in range(num_steps):
                state, item, report = source.step(params, state)
                params = params if is_empty(item) else item
                reports.append(report)
            return state, params, join(reports)

        return Pipeline(source.init, step)

    return Transform(transform)


@checked
def adopt(pipeline: Pipeline, state: dict[str, Any], params: Params, seed: int) -> dict[str, Any]:
    """The state in which ``pipeline`` goes on from ``state``, which is consumed.

    Keeps the states of stages that have the same name and structure, and
    initialises the others. A cut that fits keeps its workers, which adopt what is left
    of it; other workers are asked for their states, and ended. Simulators that are not kept
    are closed.
    """
    state = {
        name: x.ended() if is_cut(x) and not x.fits(pipeline) else x for name, x in state.items()
    }
    held = [x for old in state.values() if not hasattr(old, "fits") for x in simulators(old)]
    fresh = begun(pipeline, params, seed, Left(state))
    kept = {id(simulator) for simulator in simulators(fresh)}
    close_each(simulator for simulator in held if id(simulator) not in kept)
    return fresh


def is_plain(state: Any) -> bool:
    """Whether a state is tensors, numbers and texts, in tuples and dictionaries: all that may travel."""
    if isinstance(state, (Tensor, TensorDict, int, float, str, type(None))):
        return True
    if isinstance(state, dict):
        return all(map(is_plain, state.values()))
    return isinstance(state, (tuple, list)) and all(map(is_plain, state))


def positive(**counts: int) -> None:
    """Refuses counts that are no integers of at least 1."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is an integer of at least 1, not {value!r}")


def is_pipeline(x: Any) -> bool:
    """By its fields, as a class that was reloaded in a notebook is another one with the same."""
    return getattr(x, "_fields", None) == Pipeline._fields

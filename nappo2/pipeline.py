"""Pipelines: a pair of functions that yields one item per step.

A source collects rollouts. Each transform wraps the pipeline before it, and may
step it zero, one or many times per step of its own: data flows down the pipe,
demand flows up. A pipeline's state is a mapping from stage name to that stage's
state; a stage's seed is ``fold_in(seed, name)``, whatever stands beside it.
"""

import inspect
import math
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, reduce, update_wrapper, wraps
from time import perf_counter
from typing import Any, NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import binder, checked, takes
from nappo2.machine.closing import close_each, simulators
from nappo2.params import Params
from nappo2.reports import Report, count, join
from nappo2.saving.packing import Packed


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
    with_non_finite: Callable[[Callable[..., Any]], "Pipeline"] | None = None

    def __repr__(self):
        plain = {k: v for k, v in self.arguments.items() if isinstance(v, (int, float)) and v}
        shown = ", ".join(f"{name}={value}" for name, value in plain.items())
        return f"{self.name}({shown})" if shown else self.name


@checked
class Pipeline(NamedTuple):
    """A pair of functions, as an optax ``GradientTransformation`` is, and its stages' names.

    Attributes:
        init: ``(params, seed) -> state``.
        step: ``(params, state) -> (state, item, report)``. A step consumes its
            state and may reuse its storage, so go on with the new one only.
        stages: what it is made of, from left to right.
    """

    init: Callable[[Params, int], dict[str, Any]]
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
            return _finished(made, (record._replace(is_source=True),))
        return Transform(
            lambda source: _finished(made(source), _joined(source.stages, (record,))), (record,)
        )

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


_upstream: ContextVar[list] = ContextVar("upstream")  # seconds of inner steps, and their errors


def _finished(pipeline: Pipeline, stages: tuple[Stage, ...]) -> Pipeline:
    """A pipeline of these stages, of which the last is new.

    Its reports have the seconds that the last one spends outside of those before it; a key that
    items lack is named, and so is a state that no stage says it keeps.
    """
    known = {key for stage in stages for key in stage.keys}

    def init(params, seed):
        state = pipeline.init(params, seed)
        if stages[0].is_source and (unknown := sorted({*state} - known)):
            raise ValueError(
                f"the stage {stages[-1].name} keeps a state that is called {unknown[0]!r}; "
                f"a stage's state is called as the stage is, {stages[-1].name!r}"
            )
        return state

    step = partial(_measured, stages[-1].name, len(stages) > 1, pipeline.step)
    return Pipeline(init, step, stages)


def _measured(name: str, reads: bool, step: Callable, params: Params, state: dict):
    inner: list[Any] = [0.0]
    outer = _upstream.get([0.0])
    token, start = _upstream.set(inner), perf_counter()
    try:
        state, item, report = step(params, state)
    except Exception as error:
        outer.append(error)
        if reads and isinstance(error, KeyError) and not any(one is error for one in inner):
            raise ValueError(_lacking(name, error)) from error
        raise
    finally:
        _upstream.reset(token)
    total = perf_counter() - start
    outer[0] += total
    return state, item, count(report, **{f"{name}_seconds": total - inner[0]})


ADDED_BY = {
    "weights": "gradients(loss)",
    **dict.fromkeys(
        ("advantage", "value_target", "state_value"), "gae(agent) or vtrace(agent, dist)"
    ),
    **dict.fromkeys(("noise", "next_noise"), "noise(normal_noise(..., size=A))"),
    **dict.fromkeys(("memory", "is_init"), "collect(...) with a policy that remembers"),
    **dict.fromkeys(("action_log_prob", "params_version", "next"), "collect(...)"),
    "learnt": "windows(length, period)",
}
"""Which stages add keys that other stages read."""


def _lacking(name: str, error: KeyError) -> str:
    """What a stage did not find, and which stage left of it adds that."""
    text = str(error.args[0]) if error.args else ""
    key = text.split('"')[1] if text.startswith('key "') else text
    added = f"; {ADDED_BY[key]}, left of it, adds that" if key in ADDED_BY else ""
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
    state = {name: cut if _fits(cut, pipeline) else cut.ended() for name, cut in state.items()}
    old = [x for cut in state.values() if not hasattr(cut, "fits") for x in simulators(cut)]
    token = _offered.set(state)
    try:
        fresh = pipeline.init(params, seed)
    finally:
        _offered.reset(token)
    made = [*simulators(fresh)]
    state = keep(fresh, state)
    kept = {id(simulator) for simulator in simulators(state)}
    close_each(simulator for simulator in (*old, *made) if id(simulator) not in kept)
    return state


_offered: ContextVar[dict[str, Any]] = ContextVar("offered")  # the state that is being adopted


def offered(name: str) -> Any:
    """What the cut ``name`` may go on with, within an adoption; None otherwise."""
    return _offered.get({}).get(name)


def _fits(value: Any, pipeline: Pipeline) -> bool:
    return not hasattr(value, "fits") or value.fits(pipeline)


def keep(fresh: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """``fresh``, with what ``old``, or the first worker of a cut in it, has under the same names.

    The state of a cut adopts by itself (``adopt``), and tells what is in its workers (``ask``).
    """
    lacking = any(name not in old and not hasattr(x, "adopt") for name, x in fresh.items())
    inner = [cut.ask(0) for cut in old.values() if lacking and hasattr(cut, "ask")]
    known = {name: value for state in (*inner, old) for name, value in state.items()}
    return {
        name: _keep(value, old.get(name, old), known.get(name)) for name, value in fresh.items()
    }


def _keep(fresh, cut, old):
    if hasattr(fresh, "adopt"):
        return fresh.adopt(cut)
    return beside(fresh, old) if alike(fresh, old) else fresh


def beside(fresh: Any, old: Any) -> Any:
    """``old``, which is like ``fresh``, with its tensors on the devices of those of ``fresh``."""
    if isinstance(fresh, Tensor):
        return old.to(fresh.device)
    if isinstance(fresh, tuple) and hasattr(fresh, "_fields"):
        return type(old)(*map(beside, fresh, old))
    if type(fresh) in (tuple, list) and len(fresh):
        return type(old)(map(beside, fresh, old))
    if type(fresh) is dict and len(fresh):
        return {name: beside(x, old[name]) for name, x in fresh.items()}
    return old


def alike(fresh: Any, old: Any) -> bool:
    """Whether two states have the same structure: types, fields, shapes, names.

    None, in ``fresh``, is what comes into being later, and like anything that is not packed.
    """
    if isinstance(old, Packed):
        return False
    if fresh is None:
        return True
    if isinstance(fresh, Tensor):
        return isinstance(old, Tensor) and (fresh.shape, fresh.dtype) == (old.shape, old.dtype)
    if isinstance(fresh, tuple) and hasattr(fresh, "_fields"):
        # by name, as a class that was reloaded in a notebook is another with the same fields
        return getattr(old, "_fields", None) == fresh._fields and all(map(alike, fresh, old))
    if isinstance(fresh, str):
        return fresh == old
    if type(fresh) in (tuple, list) and len(fresh):  # what is empty at first fills up later
        return type(old) is type(fresh) and len(old) == len(fresh) and all(map(alike, fresh, old))
    if type(fresh) is dict and len(fresh):
        same = type(old) is dict and old.keys() == fresh.keys()
        return same and all(alike(x, old[name]) for name, x in fresh.items())
    return type(fresh).__qualname__ == type(old).__qualname__


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

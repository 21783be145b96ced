"""Stages: functions that make sources and transforms, with a name, a record and the seconds they take."""

from collections.abc import Callable
from functools import partial, wraps
from time import perf_counter
from typing import Any

from nappo2.batch import written_by
from nappo2.checks import binder, checked, takes
from nappo2.machine.clock import since_1970
from nappo2.params import Params
from nappo2.pipeline.adopting import init_from
from nappo2.pipeline.types import Maker, Pipeline, Stage, Transform, is_pipeline, joined
from nappo2.reports import Span, timed
from nappo2.saving.snapshots import PreviousStates, gone_on

_PLAIN = Stage("", "", {})


@checked
def stage(make: Callable) -> Callable:
    """Decorates a function that makes a source or a transform: each call makes a named stage.

    The stage's record has the arguments of the call. Its reports have the seconds that it takes, less
    those of the stages before it.

    Example:
        >>> @stage
        ... def halved():
        ...     def transform(source):
        ...         def step(params, state):
        ...             state, rollout, report = source.step(params, state)
        ...             return state, rollout[: len(rollout) // 2], report
        ...
        ...         return Pipeline(source.init, step)
        ...
        ...     return transform
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8))
        >>> first(collect_of(recipe) | halved(), recipe.init(0)).item.batch_size
        torch.Size([4, 4])
    """
    bind = binder(make)

    @wraps(make)
    def make_stage(*args, **kwargs):
        bound = bind(*args, **kwargs)
        bound.apply_defaults()
        made = make(*bound.args, **bound.kwargs)
        record = _record(make.__name__, dict(bound.arguments), made)
        if is_pipeline(made):
            return _source(made, record._replace(is_source=True))
        return Transform(partial(_wrapped, made, record), (record,))

    return Maker(make_stage)


def described(made: Any, **facts: Any) -> Any:
    """Adds fields of ``Stage`` to the source or transform that a function under ``stage`` returns."""
    stages = (_PLAIN._replace(**facts),)
    return made._replace(stages=stages) if is_pipeline(made) else Transform(made, stages)


def _record(kind: str, arguments: dict[str, Any], made: Any) -> Stage:
    (facts,) = getattr(made, "stages", ()) or (_PLAIN,)
    name = arguments.get("name", kind)
    return facts._replace(name=name, kind=kind, arguments=arguments, keys=facts.keys or (name,))


def _source(made: Pipeline, record: Stage) -> Pipeline:
    def init(params, seed, previous=None):
        return _checked_init(made.init(params, seed), (record,), previous)

    return Pipeline(init, partial(_timed_step, record.name, False, made.step), (record,))


def _wrapped(made: Transform, record: Stage, source: Pipeline) -> Pipeline:
    """``source`` with one more stage behind it."""
    record = record._replace(behind_stages=not source.stages or is_of_stages(source))
    pipeline, stages = made(source), joined(source.stages, (record,))

    def init(params, seed, previous=None):
        state = _first_state(made, source, pipeline, params, seed, previous)
        return _checked_init(state, stages, previous)

    step = partial(_timed_step, record.name, len(stages) > 1, pipeline.step)
    return Pipeline(init, step, stages)


@checked
def is_of_stages(pipeline: Pipeline) -> bool:
    """Tests whether stages are all that takes part in a step, and no plain function of a pipeline."""
    whole = all(each.behind_stages for each in pipeline.stages)
    return whole and getattr(pipeline.step, "func", None) is _timed_step


def _first_state(
    made: Transform,
    source: Pipeline,
    pipeline: Pipeline,
    params: Params,
    seed: int,
    previous: PreviousStates | None,
) -> dict[str, Any]:
    """Begins a stage behind a source, which goes on from ``previous``.

    A stage whose ``init`` has a third argument, as a cut's has, is given ``previous``, too.
    """
    if previous is None:
        return pipeline.init(params, seed)
    if takes(pipeline.init, 3):
        return pipeline.init(params, seed, previous)
    adopting = lambda params, seed: init_from(source, params, seed, previous)
    return made(source._replace(init=adopting)).init(params, seed)


def _checked_init(
    state: dict[str, Any], stages: tuple[Stage, ...], previous: PreviousStates | None
) -> dict[str, Any]:
    """The first state of a line, in which its last stage goes on from ``previous``.

    Raises:
        ValueError: names a state that belongs to no stage.
    """
    keys, last = {key for stage in stages for key in stage.keys}, stages[-1]
    if stages[0].is_source and (unknown := sorted({*state} - keys)):
        raise ValueError(
            f"the stage {last.name} keeps a state that is called {unknown[0]!r}; "
            f"a stage's state is called as the stage is, {last.name!r}"
        )
    if previous is None:
        return state
    kept = [key for key in last.keys if key in state]
    return state | {key: gone_on(last.live, key, state[key], previous) for key in kept}


def _timed_step(name: str, has_source: bool, step: Callable, params: Params, state: dict):
    """A step, whose report has the seconds and the span of the stage; a key that its items lack is named."""
    start = perf_counter()
    try:
        state, item, report = step(params, state)
    except KeyError as error:
        if not has_source or "stage" in vars(error):
            vars(error).setdefault("stage", name)  # it is not the fault of those behind
            raise
        raise ValueError(_lacking(name, error)) from error
    total = perf_counter() - start
    report = timed(report, **{name: max(0.0, total - report.elapsed)})
    spans = (*report.spans, Span(name, since_1970(start), total))
    return state, item, report._replace(elapsed=total, spans=spans)


def _lacking(name: str, error: KeyError) -> str:
    """Which key a stage lacks, and which stage left of it adds that."""
    text = str(error.args[0]) if error.args else ""
    key = text.split('"')[1] if text.startswith('key "') else text
    writer = written_by(key)
    remedy = "" if writer is None else f"; {writer}, left of it, adds that"
    return f"the stage {name} reads {key!r}, which its items and params do not have{remedy}"

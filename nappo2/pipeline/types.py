"""The records of a pipeline, and the operator ``|`` that joins them.

A ``Pipeline`` is a source and all transforms behind it; a ``Transform`` is what stands behind ``|``;
a ``Stage`` and a ``Cut`` describe them to whoever draws, saves, places or checks a pipeline.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import reduce, update_wrapper
from typing import Any, NamedTuple

from tensordict import TensorDict

from nappo2.checks import checked, explained, takes
from nappo2.params import Params
from nappo2.pipeline.tensor_functions import Parts
from nappo2.reports import Report
from nappo2.saving.calls import Call
from nappo2.saving.snapshots import LiveState


class Between(NamedTuple):
    """A number of workers that may change; ``between(2, 16)`` makes it.

    Attributes:
        least: the fewest.
        most: the most.
    """

    least: int
    most: int

    @staticmethod
    def of(value: Any) -> Any:
        """Makes a ``Between`` of the text ``2..16``; returns any other value as it is.

        Raises:
            ValueError: if the bounds are in the wrong order.
        """
        match = re.fullmatch(r"(\d+)\.\.(\d+)", value) if isinstance(value, str) else None
        return between(*map(int, match.groups())) if match else value

    @property
    def text(self) -> str:
        """The number in the words of the command line: ``2..16``."""
        return f"{self.least}..{self.most}"

    def __repr__(self):
        return self.text


@checked
def between(least: int, most: int) -> Between:
    """A number of workers that may change during a run: ``workers(between(2, 16))``.

    Workers join when there is room for them, and leave when there is none any more.

    Raises:
        ValueError: unless ``least`` is at least 1, and below ``most``.

    Example:
        >>> pipe = scheme("ds2cs", ppo(envs.cartpole(2)), collectors=between(1, 4))
        >>> [stage.cut.counted for stage in pipe.stages if stage.cut]
        ['1..4']
    """
    if least >= most:
        raise ValueError(
            f"between({least}, {most}) is no number of workers that may change: the first is the "
            "fewest, and less than the second"
        )
    return Between(least, most)


@checked
class Cut(NamedTuple):
    """How a cut merges the results of its workers.

    Attributes:
        num_workers: number of workers; the most of them, if it may change.
        wait_for: number of results that a step waits for; None for those of all who are there.
        ahead: how many steps a worker may begin before its last result was taken.
        preempt: share of a rollout with which the other workers stop; None lets them finish.
        remote: whether the workers are other processes.
        least: the fewest workers there are; None if their number stays.
        needs: resources of each such process by name, such as ``{"CPU": 1}``.
    """

    num_workers: int
    wait_for: int | None
    ahead: int = 0
    preempt: float | None = None
    remote: bool = False
    least: int | None = None
    needs: Mapping[str, float] = {}

    @property
    def num_merged(self) -> int:
        """Number of results that make one item, at most."""
        if self.wait_for is None or self.preempt is not None:
            return self.num_workers
        return self.wait_for

    @property
    def counted(self) -> str:
        """The number of workers in words: ``4``, or ``2..16``."""
        return f"{self.num_workers}" if self.least is None else f"{self.least}..{self.num_workers}"


@checked
class Stage(NamedTuple):
    """What a pipeline knows of one of its stages.

    Attributes:
        name: of the stage, under which reports have its seconds.
        kind: name of the function that made it, for drawings and messages.
        arguments: of that function, for drawings and messages.
        keys: names of the states that it keeps; its own name by default.
        env: environments that it steps.
        batches: kind of batches that it makes of rollouts, such as "minibatches"; None if it makes none.
        update_ratio: batches per transition, of a replay.
        batches_left: ``state of the pipeline -> int``: how many batches it yields before it collects
            again; None if it makes none of rollouts.
        cut: how its workers are merged, of a cut.
        reduces: whether the workers of the enclosing cut meet in it.
        regroups: whether its items are no longer the single steps of a rollout [T, B].
        updates: whether its items are params.
        schedules: hyper-parameters that it sets, as functions of the version of params.
        is_source: whether it begins a pipeline.
        dataset: recorded transitions [N] that it yields, or adds to batches; None for none.
        live: how a state that is more than data is saved, loaded and closed.
        with_non_finite: makes the same source with another treatment of numbers that are not finite.
        part: the stage as a function of tensors, for ``in_one_program``; None if it is none.
        behind_stages: whether all that stands left of it is stages, and no plain function of a pipeline.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    keys: tuple[str, ...] = ()
    env: Any = None
    batches: str | None = None
    update_ratio: float | None = None
    batches_left: Callable[[Mapping[str, Any]], int] | None = None
    cut: Cut | None = None
    reduces: bool = False
    regroups: bool = False
    updates: bool = False
    schedules: Mapping[str, Callable[..., Any]] = {}
    is_source: bool = False
    dataset: TensorDict | None = None
    live: LiveState | None = None
    with_non_finite: Callable[[Callable[..., Any]], "Pipeline"] | None = None
    part: Parts | None = None
    behind_stages: bool = True

    def __repr__(self):
        kinds = (int, float, Between)
        numbers = {k: v for k, v in self.arguments.items() if isinstance(v, kinds) and v}
        shown = ", ".join(f"{name}={value}" for name, value in numbers.items())
        return f"{self.name}({shown})" if shown else self.name


@checked
class Pipeline(NamedTuple):
    """A pair of functions, as an optax ``GradientTransformation`` is, and its stages.

    Attributes:
        init: ``(params, seed, previous=None) -> state``. With ``PreviousStates`` of another pipeline,
            a stage goes on from the state that has its name and structure.
        step: ``(params, state) -> (state, item, report)``. A step consumes its
            state and may reuse its storage, so go on with the new one only.
        stages: from left to right.
        made: the call that made it, or the pipeline it goes on from: of ``scheme``, for example.
    """

    init: Callable[..., dict[str, Any]]
    step: Callable[[Params, dict], tuple[dict, TensorDict, Report]]
    stages: tuple[Stage, ...] = ()
    made: Call | None = None

    def __or__(self, transform: "Transform") -> "Pipeline":
        check_transform(transform)
        pipeline = transform(self._replace(made=None))  # which workers need not be sent
        if not is_pipeline(pipeline):
            raise ValueError(_no_transform(transform))
        return pipeline._replace(made=pipeline.made or self.made)

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
        """Makes a plain function of one pipeline a transform; returns any other value as it is."""
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


@checked
def compose(*transforms: Transform) -> Transform:
    """Composes ``transforms``, which are applied from left to right.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> compose(recipe.prepare, batches_of(recipe))
        to_device | gae(lambda_=0.95) | minibatches(num_epochs=10, num_minibatches=2)
    """
    no_stages: tuple[Stage, ...] = ()
    stages = reduce(joined, (getattr(each, "stages", no_stages) for each in transforms), no_stages)
    return Transform(lambda source: reduce(Pipeline.__or__, transforms, source), stages)


class Maker:
    """A function that makes a stage: it is called before its result stands in a pipeline."""

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
        raise ValueError(_not_called(self))

    __ror__ = __or__

    def __repr__(self):
        return f"the function {self.__name__}"


def check_transform(transform: Any, where: str = "|") -> None:
    """Refuses what cannot stand behind ``|``.

    Raises:
        ValueError: for a stage that was not called, a pipeline, or anything else that is no transform.
    """
    if isinstance(transform, Maker):
        raise ValueError(_not_called(transform))
    if is_pipeline(transform):
        raise ValueError(
            f"a pipeline begins a line: {transform!r} stands before {where}, not behind"
        )
    if not callable(transform):
        raise ValueError(_no_transform(transform, where))


def _not_called(make: Maker) -> str:
    arguments = ", ".join(inspect.signature(make).parameters)
    return f"{make.__name__} stands beside | and was not called: {make.__name__}({arguments}) is a stage"


def _no_transform(value: Any, where: str = "|") -> str:
    return (
        f"behind {where} stands a transform, as gae(...) or map_items(...) makes one, not {value!r}"
    )


def joined(left: tuple[Stage, ...], right: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Joins the stages of a line.

    Raises:
        ValueError: if two of them have one name, or keep a state under the same key.
    """
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


def is_pipeline(x: Any) -> bool:
    """Tests for a pipeline by its fields: a class that a notebook reloaded is another with the same."""
    return getattr(x, "_fields", None) == Pipeline._fields


@explained
def is_recorded(pipeline: Pipeline) -> bool:
    """Tests whether a pipeline begins with recorded data, so that no env steps are counted."""
    return any(stage.is_source and stage.dataset is not None for stage in pipeline.stages)


@explained
def updates_per_transition(pipeline: Pipeline) -> float | None:
    """Number of updates for each collected transition; None without a replay, or of recorded data.

    It is the replay's ``update_ratio``, divided by the number of results that each cut behind the
    replay merges, as their mean is one gradient.
    """
    stages = pipeline.stages
    ratios = [(i, x.update_ratio) for i, x in enumerate(stages) if x.update_ratio is not None]
    if not ratios or not any(stage.updates for stage in stages) or is_recorded(pipeline):
        return None
    first, ratio = ratios[0]
    merged = [stage.cut.num_merged for stage in stages[first:] if stage.cut is not None]
    return ratio / math.prod(merged)

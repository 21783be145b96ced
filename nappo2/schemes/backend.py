"""Where workers are: the record ``Backend``, and ``serial``, which has them in this process.

A step of a cut calls ``put`` once, ``call`` for each worker, then ``wait`` and ``get``; ``spawn`` and
``stop`` begin and end workers, ``ask`` and ``regroup`` read and change their states between steps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.machine.closing import close_each
from nappo2.machine.stop import Interrupted, current_stop, left_behind, stopped_by
from nappo2.pipeline import Pipeline
from nappo2.saving.calls import Call
from nappo2.saving.snapshots import close_state
from nappo2.schemes.group import in_turns

UNBOUNDED = 10**9


@checked
class Backend(NamedTuple):
    """A place for workers.

    Attributes:
        spawn: ``(pipeline, params, seeds, arrivals, patient=True) -> workers``; they start at once,
            and their errors show in ``ask`` or ``get``. ``arrivals`` is (how many, share) for workers
            that meet, and None otherwise: when so many are at the end of their rollouts, the others
            stop with that share. If it is ``patient``, it waits until there is room for them, or says
            that there is none.
        put: ``params -> handle``, for any number of workers.
        call: ``(worker, handle) -> ref`` of a step's ``(item, report)``.
        ask: ``(worker, fn, seconds=None) -> result``, where ``fn: (pipeline, state) ->
            (pipeline, state, result)``; waits for it no longer than that, or as for a step.
        preempt: ``(refs, share)``: has these calls stop collecting with that share of a rollout.
        wait: ``(refs, num) -> refs``, the first ``num`` to be ready, in order of their calls; of each
            worker its earliest ones.
        get: ``refs -> results``, each what a step gave, or ``Lost``.
        regroup: ``(workers, fns) -> results``: has workers meet again, and then asks each its
            ``fn``; each result is what that gave, or ``Lost``.
        stop: ``workers``: ends them.
        room: ``workers -> int``: for how many more there is room beside these.
        leaving: ``workers -> list[int]``: which of these will find no place, in a place that has become
            too small.
        max_restarts: failures in a row after which a worker is given up.
        remote: whether results travel, so that ``get`` takes time.
        runs: ``pipeline -> pipeline``: what a worker runs of it, such as one that notes.
        notes: with which the workers of a cut begin: () if timing is noted, else None.
        orders: with which they begin: ``Orders`` if they obey the notes of another run, else None.
        made: the call that made it; None if no decorated function did.
    """

    spawn: Callable
    put: Callable
    call: Callable
    ask: Callable
    preempt: Callable
    wait: Callable
    get: Callable
    regroup: Callable
    stop: Callable
    room: Callable = lambda workers: UNBOUNDED
    leaving: Callable = lambda workers: []
    max_restarts: int = 0
    remote: bool = False
    runs: Callable = lambda pipeline: pipeline
    notes: tuple | None = None
    orders: Any = None
    made: Call | None = None

    @staticmethod
    def of(value: Any) -> Any:
        """Makes ``serial`` and ``on_ray()`` of the words serial and ray; returns any other value as it is.

        Raises:
            ValueError: for another word.
        """
        if not isinstance(value, str):
            return value
        if value == "serial":
            return serial
        if value == "ray":
            from nappo2.schemes.remote import on_ray

            return on_ray()
        raise ValueError(f"on is serial or ray, not {value!r}")


class Lost(NamedTuple):
    """Answer of a call whose worker is to be replaced.

    Attributes:
        error: the reason.
        died: whether its process is gone; otherwise it raised ``error``.
    """

    error: BaseException
    died: bool


class Delivered:
    """A call whose result is there already, as it was read from a checkpoint."""

    def __init__(self, result: tuple):
        self.result = result


class Parted(RuntimeError):
    """Raised in a worker whose group lost another one."""


class Worker:
    """A pipeline and its state, from step to step."""

    def start(self, pipeline: Pipeline, params: Any, seed: int) -> "Worker":
        """Begins a pipeline.

        Args:
            pipeline: what stands left of the cut.
            params: the first ones.
            seed: of this worker.

        Returns:
            The worker itself.
        """
        self.pipeline, self.state = pipeline, pipeline.init(params, seed)
        return self

    def step(self, params: Any) -> tuple:
        """Takes a step of the pipeline: ``(item, report)``.

        Raises:
            Interrupted: if it is broken off; what has changed for good is kept.
        """
        try:
            self.state, *result = self.pipeline.step(params, self.state)
        except Interrupted as interrupt:
            self.state = left_behind(self.state, interrupt)
            raise Interrupted({}) from None
        return tuple(result)

    def close(self) -> None:
        """Ends what the state holds: simulators, and the workers of inner cuts."""
        close_state(self.pipeline, self.state)

    def ask(self, fn: Callable) -> Any:
        """Calls ``fn: (pipeline, state) -> (pipeline, state, result)``, and returns the result."""
        self.pipeline, self.state, result = fn(self.pipeline, self.state)
        return result


class SerialCall:
    """A pending step of a worker in this process; it is taken when ``get`` wants its result."""

    def __init__(self, worker: Worker, params: Any):
        self.worker, self.params, self.share = worker, params, None
        self.each_rollout = current_stop().each_rollout

    def __call__(self) -> tuple:
        outer = current_stop()
        stop = outer._replace(each_rollout=self.each_rollout)
        if self.share is not None:
            stops = lambda share: share >= self.share or outer.interrupted()
            stop = stop._replace(asked=stops, arrived=lambda: None)
        with stopped_by(stop):
            return self.worker.step(self.params)


def reduces(pipeline: Pipeline) -> bool:
    """Tests whether the workers of a cut behind ``pipeline`` meet in ``all_reduce`` within a step."""
    return any(stage.reduces for stage in pipeline.stages)


def _preempt(calls, share):
    for call in calls:
        call.share = share


def _get(calls):
    grouped = len(calls) > 1 and all(reduces(call.worker.pipeline) for call in calls)
    return in_turns(calls) if grouped else [call() for call in calls]


def _spawn(pipeline, params, seeds, arrivals, patient=True):
    workers: list[Worker] = []
    try:
        for seed in seeds:
            workers.append(Worker().start(pipeline, params, seed))
    except BaseException:
        close_each(workers)
        raise
    return workers


serial = Backend(
    spawn=_spawn,
    put=lambda params: params,
    call=SerialCall,
    ask=lambda worker, fn, seconds=None: worker.ask(fn),
    preempt=_preempt,
    wait=lambda calls, num: calls[:num],
    get=_get,
    regroup=lambda workers, fns: [worker.ask(fn) for worker, fn in zip(workers, fns, strict=True)],
    stop=close_each,
)
"""Workers in this process, by turns and in order: asynchrony that can be replayed.

Errors are raised where they happen, so that a debugger stops there. Workers that are preempted
stop as early as they may.
"""

"""The cut: everything upstream runs on workers, and their results are merged.

A training scheme says where the pipeline is cut, and how many of a cut's workers each step waits for.
One step, of ``collect | workers(4, wait_for=1)`` for example:

1. The params are handed to every worker that has room for a call (``CutStep.call_all``); where the
   number of workers may change, some have left before, and others join (``membership``).
2. With ``preempt``, the calls that are late are told to stop collecting.
3. The results of the first ``wait_for`` calls are fetched; workers that were lost are replaced
   (``CutStep.results``, or ``group_results`` where workers meet in ``all_reduce``).
4. The items are merged and the reports joined (``_merged``).
"""

from collections.abc import Sequence
from time import perf_counter

import torch
from tensordict import TensorDict

from nappo2.machine.stop import Interrupted
from nappo2.pipeline import Between, Cut, Pipeline, Transform, described, positive, stage
from nappo2.reports import Report, count, join, note, timed
from nappo2.schemes.backend import Backend, reduces, serial
from nappo2.schemes.cut_step import CutStep, under_way
from nappo2.schemes.membership import bounds_of
from nappo2.schemes.merging import merge
from nappo2.schemes.regrouping import complete_group, group_results
from nappo2.schemes.workers_state import Member, WorkersState, settings_of
from nappo2.seeds import fold_in


@stage
def workers(
    num_workers: int | Between,
    wait_for: int | None = None,
    ahead: int = 0,
    preempt: float | None = None,
    on: Backend = serial,
    name: str = "workers",
) -> Transform:
    """Runs the pipeline up to here on ``num_workers`` workers, and merges their results.

    A step hands its params to every worker that has room, waits for the first ``wait_for``
    results in the order of their calls, and merges them: rollouts along B, gradients and params
    by their means, reports by joining. To wait for all is synchronous, for one asynchronous.
    Worker i starts from ``fold_in(seed, i)``; one that is lost is replaced, with the newest
    params and a fresh seed. Of ``between(2, 16)`` workers, further ones join when there is room for them,
    as Ray says; those that are lost, and for whom there is no room, leave, and reports say how many
    were there, such as ``num_collectors``.

    Args:
        num_workers: number of workers; ``between(2, 16)`` of a number that may change.
        wait_for: number of results that make a step; None for all of them.
        ahead: how many steps a worker may begin before its last result was taken.
        preempt: if not None, a step takes the results of all, but when ``wait_for`` are there,
            the others stop collecting with this share of a rollout.
        on: where the workers are: ``serial``, or ``on_ray(...)``.
        name: of the stage.

    Returns:
        The cut, which stands right of what the workers run.

    Raises:
        ValueError: for counts that do not go together.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> pipe = collect_of(recipe) | workers(4, wait_for=1) | recipe.prepare | learn_of(recipe)
        >>> Learner(pipe, recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    cut = _cut_of(num_workers, wait_for, ahead, preempt, on.remote)._replace(needs=on.needs)
    least, most = bounds_of(num_workers)

    def transform(source):
        grouped = reduces(source) and most > 1  # its workers meet in all_reduce
        if grouped:
            _check_group(cut)
        settings = settings_of(source.stages, name, cut)
        arrivals = (cut.wait_for, preempt) if grouped and preempt is not None else None

        runs = on.runs(source)

        def spawn(params, seeds, patient=True, others=()):
            return on.spawn(runs, params, seeds, arrivals, patient, others)

        def begun(members, delivered, begin):
            fixed = (on, settings, on.notes, on.orders, cut.least, begin)
            return WorkersState(members, {}, delivered, *fixed)

        def init(params, seed, previous=None):
            seeds = [fold_in(seed, i) for i in range(most)]
            begin = lambda i: spawn(params, [seeds[i]], False)[0]
            old = None if previous is None else previous.states.get(name)
            if hasattr(old, "fits"):  # cuts that do not fit have ended
                workers_state = begun(old.members, True, begin)
                workers_state.reuse(runs, params, seeds)
                return {name: workers_state}
            workers = [*spawn(params, seeds[:least]), *[None] * (most - least)]
            return {name: _started(begun(tuple(map(Member, workers, seeds)), False, begin))}

        def step(params, state):
            cut_step = CutStep(name, source, spawn, params, state[name])
            try:
                results = _results(cut_step, cut, grouped)
            except Interrupted as interrupt:
                on.preempt(under_way(cut_step.pending), 0.0)  # nobody waits for them any more
                notes = state[name].notes  # of whole steps
                workers_state = cut_step.workers_state()._replace(pending={}, notes=notes)
                raise Interrupted({name: workers_state}) from interrupt
            item, report = _merged(name, results, cut_step)
            return {name: cut_step.workers_state()}, item, report

        return Pipeline(init, step)

    return described(transform, cut=cut)


def _started(workers_state: WorkersState) -> WorkersState:
    """The workers once they have begun; an error at the start of one is raised here."""
    try:
        for member in workers_state.members:
            if member.worker is not None:
                workers_state.backend.ask(member.worker, _nothing)
    except BaseException:  # also an interrupt
        workers_state.stop()
        raise
    return workers_state


def _nothing(pipeline: Pipeline, state: dict) -> tuple:
    return pipeline, state, None


def _results(cut_step: CutStep, cut: Cut, grouped: bool) -> list[tuple]:
    if cut.least is not None:
        cut_step.let_leave()
    if grouped:
        complete_group(cut_step)
    cut_step.call_all(1 + cut.ahead)
    if grouped:
        return group_results(cut_step)
    if cut.preempt is not None:
        cut_step.backend.preempt(cut_step.late(cut.wait_for), cut.preempt)
    return cut_step.results_of_all() if cut.wait_for is None else cut_step.results(cut.num_merged)


def _merged(name: str, results: Sequence[tuple], cut_step: CutStep) -> tuple[TensorDict, Report]:
    """One item and one report, which has the seconds, spans and restarts of the cut."""
    start = perf_counter()
    items, reports = zip(*results, strict=True)
    item, report = merge(items), join(reports)
    if cut_step.backend.remote:  # others spent these seconds, beside this process
        report = report._replace(elapsed=0.0)
    report = count(report, restarts=report.sums.get("restarts", 0) + cut_step.restarts)
    transfer = cut_step.transfer_seconds + perf_counter() - start
    waits = {f"{name}_wait": cut_step.wait_seconds, f"{name}_transfer": transfer}
    report = report._replace(spans=(*report.spans, *cut_step.spans))
    if cut_step.before.least is not None:
        report = note(report, 1, **{f"num_{name}": torch.tensor(float(len(cut_step.present())))})
    return item, timed(report, **waits)


def _cut_of(
    num_workers: int | Between,
    wait_for: int | None,
    ahead: int,
    preempt: float | None,
    remote: bool,
) -> Cut:
    """How a cut merges, by the arguments of ``workers``.

    Raises:
        ValueError: for counts that do not go together.
    """
    least, most = bounds_of(num_workers)
    if least == most:
        wait_for = most if wait_for is None else wait_for
        _check_counts(most, wait_for, ahead, preempt)
        return Cut(most, wait_for, ahead, preempt, remote)
    if preempt is not None:
        raise ValueError(
            f"preempt={preempt} is for a number of workers that stays, not for {num_workers}"
        )
    if wait_for is not None and wait_for > least:
        raise ValueError(
            f"cannot wait for {wait_for} of {num_workers} workers, who may be {least}; wait_for=None "
            "waits for all who are there"
        )
    _check_counts(least, least if wait_for is None else wait_for, ahead, None)
    return Cut(most, wait_for, ahead, None, remote, least)


def _check_counts(num_workers: int, wait_for: int, ahead: int, preempt: float | None) -> None:
    positive(num_workers=num_workers)
    if not _is_integer(wait_for) or not 1 <= wait_for <= num_workers:
        raise ValueError(f"cannot wait for {wait_for} of {num_workers} workers")
    if not _is_integer(ahead) or ahead < 0:
        raise ValueError(f"ahead is an integer of at least 0, not {ahead!r}")
    if preempt is not None and not 0 < preempt <= 1:
        raise ValueError(f"preempt is a share of a rollout, above 0 and at most 1, not {preempt}")
    if preempt is not None and wait_for == num_workers:
        raise ValueError(
            f"preempt={preempt} is for workers that a step does not wait for, but it waits for all "
            f"{num_workers}; wait_for is less where it is to change something"
        )


def _is_integer(x: object) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)


def _check_group(cut: Cut) -> None:
    if cut.least is not None:
        raise ValueError(
            f"workers that meet in all_reduce are as many from beginning to end, not {cut.counted}: "
            "each that joined would have all others begin their episodes anew"
        )
    if cut.ahead:
        raise ValueError("workers that meet in all_reduce cannot be ahead of each other")
    if cut.wait_for < cut.num_workers and cut.preempt is None:
        raise ValueError(
            f"workers that meet in all_reduce cannot wait for {cut.wait_for} of {cut.num_workers}; "
            "preempt=0.5 lets the others stop early"
        )

"""Workers that meet in ``all_reduce``: when one is lost, all of them begin anew together.

What stands right of ``all_reduce``, such as the optimiser, is equal on all workers and is kept, from a
worker that has finished the step if there is one. Collectors restart their episodes.
"""

import logging
from collections.abc import Callable
from typing import Any

from nappo2.machine.stop import Interrupted
from nappo2.params import Params
from nappo2.pipeline.adopting import init_from
from nappo2.saving.snapshots import PreviousStates
from nappo2.schemes.backend import Lost, Parted
from nappo2.schemes.cut_step import CutStep
from nappo2.seeds import fold_in

log = logging.getLogger("nappo2")


def complete_group(cut_step: CutStep) -> None:
    """Replaces the workers that are missing since an interrupt broke a regrouping off."""
    if any(member.worker is None for member in cut_step.members):
        _regroup(cut_step, {})


def group_results(cut_step: CutStep) -> list[tuple]:
    """The results of all workers, or of those that finished the step in which another one was lost."""
    results: list[tuple] = []
    while len(results) < len(cut_step.members):
        answers = dict(cut_step.fetch(len(cut_step.members) - len(results)))
        if any(isinstance(x, Lost) for x in answers.values()):
            if finished := _regroup(cut_step, answers):
                return finished  # whoever was at its end has reduced with all others
            cut_step.call_all(1)
            continue
        cut_step.delivered |= bool(answers)
        for i in answers:
            cut_step.mark_alive(i)
        results += answers.values()
    return results


def _regroup(cut_step: CutStep, answers: dict[int, Any]) -> list[tuple]:
    """Replaces lost workers, also those lost meanwhile; returns the results of finished ones."""
    members = cut_step.members
    _replace_all_lost(cut_step, answers)
    while cut_step.pending:  # when one is gone, the others come to their ends
        more = dict(cut_step.fetch(len(cut_step.pending)))
        _replace_all_lost(cut_step, more)
        answers |= more
    finished = {i: x for i, x in answers.items() if not isinstance(x, Lost)}
    cut_step.delivered |= bool(finished)
    alive = [i for i, member in enumerate(members) if member.worker is not None]
    shared = _shared_state(cut_step, [*finished, *(i for i in alive if i not in finished)])
    for i in alive:
        members[i] = members[i]._replace(lives=members[i].lives + 1)
    try:
        while not _begin_together(cut_step, shared):
            continue
    except Interrupted:
        _end(cut_step, set(range(len(members))) - set(alive) or {alive[-1]})
        raise
    return list(finished.values())


def _end(cut_step: CutStep, indices: set[int]) -> None:
    """Ends these workers, as a group that is not complete meets before its next step."""
    for i in indices:
        member = cut_step.members[i]
        if member.worker is not None:
            cut_step.backend.stop([member.worker])
            cut_step.members[i] = member._replace(worker=None)


def _replace_all_lost(cut_step: CutStep, answers: dict[int, Any]) -> None:
    """Replaces workers that were lost, but not those that only lost another one."""
    for i, x in sorted(answers.items()):
        if isinstance(x, Lost) and not isinstance(x.error, Parted):
            cut_step.replace_lost(i, x)


def _begin_together(cut_step: CutStep, shared: dict[str, Any]) -> bool:
    """Begins the lives that are missing, and has all workers meet; False if one was lost in that."""
    for i, member in enumerate(cut_step.members):
        if member.worker is None:
            cut_step.timing.rest(member.due)
            cut_step.begin_life(i)
    seeds = [fold_in(member.seed, member.lives) for member in cut_step.members]
    workers = [member.worker for member in cut_step.members]
    fns = [_beginning(cut_step.params, seed, shared) for seed in seeds]
    answers = cut_step.timing.regroup(workers, fns)
    lost = {i: x for i, x in enumerate(answers) if isinstance(x, Lost)}
    if all(isinstance(x.error, Parted) for x in lost.values()):  # none of them died
        for i, x in lost.items():
            cut_step.replace_lost(i, x)
    else:
        _replace_all_lost(cut_step, lost)
    return not lost


def _beginning(params: Params, seed: int, shared: dict[str, Any]) -> Callable:
    return lambda pipe, _: (pipe, init_from(pipe, params, seed, PreviousStates(shared)), None)


def _shared_state(cut_step: CutStep, survivors: list[int]) -> dict[str, Any]:
    """The states right of ``all_reduce``, of the first of the survivors to answer."""
    stages = cut_step.source.stages
    meeting = next(i for i, stage in enumerate(stages) if stage.reduces)
    keys = [key for stage in stages[meeting + 1 :] for key in stage.keys]

    def shared(pipeline, state):
        return pipeline, state, {k: x for k, x in state.items() if k in keys}

    for i in survivors:
        try:
            return cut_step.timing.ask(cut_step.members[i].worker, shared)
        except Exception as error:
            cut_step.replace_lost(i, Lost(error, died=True))
    log.warning("all workers of a group were lost, and the state of the optimiser with them")
    return {}

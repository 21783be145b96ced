"""Schedules of hyper-parameters, where each member of a population has its own value."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from nappo2.optim import Schedule
from nappo2.params import replaced
from nappo2.pipeline import Pipeline, Stage, Transform, is_empty, stage
from nappo2.stages.learning.update import check_names


@stage
def scheduled_members(
    schedules: Mapping[str, Schedule], own: frozenset[str], name: str = "scheduled"
) -> Transform:
    """``scheduled`` of all members, who have one version.

    A member without a value of its own has that of the schedule. A value of its own is where its
    schedule starts: it changes by the factors by which the schedule changes, and so does a value that
    ``evolve`` has perturbed.

    Args:
        schedules: by the name of a hyper-parameter, ``version -> value`` [].
        own: hyper-parameters of which members have values of their own from the start.
        name: of the stage.

    Returns:
        A transform of params [n, ...].
    """

    def transform(source):
        def step(params, state):
            state, after, report = source.step(params, state)
            if is_empty(after):
                return state, after, report
            check_names(after, schedules)
            hyper, begins = after["hyper"], int(params["version"]) == 0
            values = {
                key: scaled(
                    hyper[key],
                    schedule(params["version"]),
                    schedule(after["version"]),
                    exact=begins and key not in own,
                )
                for key, schedule in schedules.items()
            }
            return state, replaced(after, hyper=hyper.copy().update(values)), report

        return Pipeline(source.init, step)

    return transform


def scaled(values: Tensor, before: Tensor, now: Tensor, exact: bool) -> Tensor:
    """The values of members after a schedule has changed.

    Args:
        values: [n].
        before: value of the schedule before, [].
        now: value of the schedule, [].
        exact: whether all members have the value of the schedule.

    Returns:
        Values [n].
    """
    if exact:
        return now.expand(values.shape).clone()
    return torch.where(values == before, now, values * (now / before))


def schedules_of(stages: Iterable[Stage], own: Iterable[str]) -> dict[str, Schedule]:
    """The schedules of stages right of ``learn``.

    Args:
        stages: of the recipe's ``after``.
        own: hyper-parameters of which members have values of their own.

    Returns:
        Schedules by the name of a hyper-parameter.

    Raises:
        ValueError: for a stage that is none of schedules; for values of its own that cannot be where
            a schedule starts, as that starts at 0.
    """
    schedules: dict[str, Schedule] = {}
    for each in stages:
        if not each.schedules:
            raise ValueError(
                f"members of a population have params [n, ...], which {each.name} does not take; of "
                "what stands behind the updates, scheduled(...) does"
            )
        schedules |= each.schedules
    for name in own:
        if name in schedules and schedules[name](torch.zeros((), dtype=torch.int64)) == 0:
            raise ValueError(
                f"the schedule of {name} starts at 0, so members cannot have values of {name} of their "
                "own, at which it would start"
            )
    return schedules

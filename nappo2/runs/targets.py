"""When a run is done: by env steps, or by updates where it learns from recorded data."""

from typing import NamedTuple

from nappo2.pipeline import Pipeline, is_recorded
from nappo2.runs.recorder import Recorder


class Target(NamedTuple):
    """What a run is to reach, and what it is at.

    Attributes:
        total: env steps, or updates from recorded data; elsewhere frames or trials.
        now: as many of these as there are.
        unit: one of them, for a progress bar.
    """

    total: int
    now: int
    unit: str


def target_of(
    pipeline: Pipeline, recorder: Recorder, target_steps: int, target_updates: int | None
) -> Target:
    """The target that a pipeline runs to: env steps if it collects, else updates.

    Args:
        pipeline: of the run.
        recorder: of its rows.
        target_steps: env steps after which a run that collects is done.
        target_updates: updates after which a run on recorded data is done.

    Returns:
        The target.
    """
    if is_recorded(pipeline):
        updates = recorder.recorded_updates + recorder.updates_without_row
        return Target(target_updates or 0, updates, "update")
    return Target(target_steps, recorder.env_steps, "step")


def check_target(pipeline: Pipeline, target_updates: int | None) -> None:
    """Refuses a pipeline of recorded data without a number of updates.

    Raises:
        ValueError: says which target fits.
    """
    if is_recorded(pipeline) and target_updates is None:
        raise ValueError(
            f"{pipeline!r} learns from recorded data, of which no env steps are counted: a Learner of it "
            "has target_updates=..., not target_steps"
        )


def check_first_target(pipeline: Pipeline, target_updates: int | None) -> None:
    """``check_target`` of the pipeline that a run begins with, which also refuses updates for no data.

    Raises:
        ValueError: says which target fits.
    """
    check_target(pipeline, target_updates)
    if target_updates is not None and not is_recorded(pipeline):
        raise ValueError(
            f"target_updates ends a run on recorded data, and {pipeline!r} collects: a Learner of it has "
            "target_steps=..."
        )

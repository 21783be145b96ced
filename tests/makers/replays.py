"""Recorded runs with drawn timing."""

from pathlib import Path

from nappo2 import Recipe, record_timing
from nappo2.runs.learner import Learner
from tests.makers.recipes import run_of
from tests.makers.scheduling import drawn
from tests.makers.stepping import step


def recorded_run(
    recipe: Recipe, name: str, folder: Path, num: int = 12, *, timing: int = 7, **options: object
) -> Learner:
    """A run of so many steps whose timing is drawn, and recorded."""
    return step(run_of(recipe, name, folder, on=record_timing(drawn(timing)), **options), num)

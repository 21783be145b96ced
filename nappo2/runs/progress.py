"""Progress bars."""

import sys
import warnings
from typing import Any

from nappo2.runs.metrics import Row
from nappo2.runs.targets import Target


def progress_bar(target: Target, progress: bool | None) -> Any:
    """A bar of tqdm that counts the target's unit; None shows it on a terminal and in a notebook."""
    with warnings.catch_warnings():  # without ipywidgets it is a plain bar, and says so
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    return tqdm(
        total=target.total,
        initial=target.now,
        unit=target.unit,
        disable=None if progress is None else not progress,  # None, to tqdm: on a terminal
        mininterval=0.5 if sys.stderr.isatty() else 10.0,  # a file would fill up
    )


def shown_return(row: Row) -> str:
    """The episode return of a row of metrics, and the success rate, as text; nothing without any."""
    score = f"return {row['episode_return']:.1f}" if "episode_return" in row else ""
    return f"{score}, {row['success_rate']:.0%} successes" if "success_rate" in row else score

"""The progress bar of a run."""

import sys
import warnings
from typing import Any

from nappo2.runs.metrics import Row


def progress_bar(total: int, initial: int, progress: bool | None) -> Any:
    """A bar of tqdm that counts env steps.

    Args:
        total: env steps of the run.
        initial: env steps so far.
        progress: whether to show it; None shows it on a terminal and in a notebook.

    Returns:
        The bar, a context manager.
    """
    with warnings.catch_warnings():  # without ipywidgets it is a plain bar, and says so
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    return tqdm(
        total=total,
        initial=initial,
        unit="step",
        disable=None if progress is None else not progress,  # None, to tqdm: on a terminal
        mininterval=0.5 if sys.stderr.isatty() else 10.0,  # a file would fill up
    )


def shown_return(row: Row) -> str:
    """The episode return of a row of metrics, and the success rate, as text; nothing without any."""
    score = f"return {row['episode_return']:.1f}" if "episode_return" in row else ""
    return f"{score}, {row['success_rate']:.0%} successes" if "success_rate" in row else score

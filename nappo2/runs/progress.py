"""Progress bars."""

import sys
import warnings
from contextlib import suppress
from typing import Any

from tqdm.utils import ObjectWrapper

from nappo2.runs.metrics import Row
from nappo2.runs.targets import Target


def progress_bar(target: Target, progress: bool | None) -> Any:
    """A bar of tqdm that counts the target's unit; None shows it on a terminal and in a notebook.

    There is none without a standard error, and what cannot be written there is left out: a run is worth
    more than its bar.
    """
    with warnings.catch_warnings():  # without ipywidgets it is a plain bar, and says so
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook
    if sys.stderr is None:  # as in a process that was started without
        return tqdm(disable=True)
    return tqdm(
        total=target.total,
        initial=target.now,
        unit=target.unit,
        disable=None if progress is None else not progress,  # None, to tqdm: on a terminal
        file=None if issubclass(tqdm, tqdm_notebook) else ErrorOutput(sys.stderr),
        mininterval=0.5 if sys.stderr.isatty() else 10.0,  # a file would fill up
    )


class ErrorOutput(ObjectWrapper):
    """The standard error without its own errors: its disk may be full, its reader or terminal gone.

    They must not leave tqdm, which would keep its lock, on which its thread then waits for ever.
    """

    def write(self, text: str) -> None:
        """Writes a text, if that can be."""
        with suppress(OSError):
            self._wrapped.write(text)

    def flush(self) -> None:
        """Writes what is buffered, if that can be."""
        with suppress(OSError):
            self._wrapped.flush()

    def __eq__(self, other: object) -> bool:  # by which tqdm.write knows the bar to clear
        return self._wrapped == getattr(other, "_wrapped", other)

    __hash__ = None


def shown_return(row: Row) -> str:
    """The episode return of a row of metrics, and the success rate, as text; nothing without any."""
    score = f"return {row['episode_return']:.1f}" if "episode_return" in row else ""
    return f"{score}, {row['success_rate']:.0%} successes" if "success_rate" in row else score

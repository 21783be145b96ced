"""Figures: medians over rounds in which all take turns, and whether they are what they should be."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from itertools import islice
from statistics import median, quantiles
from typing import Any

import torch

from nappo2.machine.silence import silent


def interleaved(rounds: int, warmup: int = 2, **turns: Iterator) -> dict[str, tuple]:
    """What each iterator yields in each round, without the first ``warmup`` rounds.

    In a round each takes one turn, so that what slows the machine down slows all of them.
    """
    rows = islice(zip(*turns.values(), strict=True), warmup, warmup + rounds)
    return dict(zip(turns, zip(*rows, strict=True), strict=True))


def ratios(a: Iterable[float], b: Iterable[float]) -> list[float]:
    """``a / b``, round by round."""
    return [x / y for x, y in zip(a, b, strict=True)]


def figure(name: str, values: Iterable[float], unit: str = "", **bounds: float) -> dict[str, Any]:
    """The median of ``values``, its quartiles as spread, and whether it keeps to the bounds.

    Args:
        name: what was measured.
        values: of at least two rounds.
        unit: of the values, if they have one.
        **bounds: ``at_least`` or ``at_most``; a figure without is there to be compared with.
    """
    values = list(values)
    value, (low, _, high) = median(values), quantiles(values)
    met = bounds.get("at_least", value) <= value <= bounds.get("at_most", value)
    shown = {"value": _rounded(value), "spread": [_rounded(low), _rounded(high)]}
    return {"figure": name, **shown, "unit": unit, **bounds, "met": met}


def _rounded(x: float) -> float:
    return float(f"{x:.4g}")


def report(measure: Callable[[], list[dict]]) -> int:
    """Measures with one thread, prints a JSON line per figure; returns 1 if a bound is not kept."""
    torch.set_num_threads(1)
    with os.fdopen(os.dup(1), "w") as lines, silent(1), redirect_stdout(lines):
        figures = measure()  # which may print; what simulators announce is dropped
    for found in figures:
        print(json.dumps(found), flush=True)
    return int(not all(found["met"] for found in figures))

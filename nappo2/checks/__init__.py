"""Checks of arguments against annotations, once, where something is made.

``checked`` holds each call of a public function, and each making of a public class, to its
annotations and to ``RANGES``. What does not fit is refused in one sentence at that call, which names
the argument, what is right and what was given. Nothing is checked within a step: functions that are
called there are not decorated.
"""

from nappo2.checks.annotations import Check, Refusal, check_of, is_a, takes
from nappo2.checks.calls import CallError, binder, checked, explained, take
from nappo2.checks.packages import installs, is_installed
from nappo2.checks.ranges import RANGES, Range, check_hyper, hyper_range, positive
from nappo2.checks.words import misfit, nearest, shown, suggestion

__all__ = [
    "RANGES",
    "CallError",
    "Check",
    "Range",
    "Refusal",
    "binder",
    "check_hyper",
    "check_of",
    "checked",
    "explained",
    "hyper_range",
    "installs",
    "is_a",
    "is_installed",
    "misfit",
    "nearest",
    "positive",
    "shown",
    "suggestion",
    "take",
    "takes",
]

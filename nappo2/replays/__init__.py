"""Recorded runs, taken again: ``rewind`` to any update, ``fork`` from there, and where two ``differ``."""

from nappo2.replays._differ import Difference, differ
from nappo2.replays._rewind import fork, rewind

__all__ = ["Difference", "differ", "fork", "rewind"]

"""Whether observations are within the bounds of their space."""

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import getitem

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from nappo2.envs import Env
from nappo2.envs.observations import part_of
from nappo2.show.env_report import GOOD, NOTE, Finding
from nappo2.show.trials import Episode


def bounds(env: Env, episode: Episode) -> Iterator[Finding]:
    """Checks that observations, or all parts of them that have bounds, are within their space."""
    boxes = {path: part_of(env.observation_space, path) for path in env.observation_spec.tensors}
    boxes = {path: box for path, box in boxes.items() if isinstance(box, Box)}
    if not boxes:
        return
    parts = {path: _values(episode, path) for path in boxes}
    texts = (first_outside(parts[path], box, path) for path, box in boxes.items())
    if outside := "; ".join(filter(None, texts)):
        yield Finding("bounds", NOTE, f"observation {outside}, and its space says otherwise")
    else:
        low = min(values.min().item() for values in parts.values())
        high = max(values.max().item() for values in parts.values())
        yield Finding("bounds", GOOD, f"observations in [{low:.3g}, {high:.3g}]")


def _values(episode: Episode, path: Sequence[str]) -> Tensor:
    """A part of the observations of each step, [T, B, ...] float64; all of them at ()."""
    observations = (transition.observation for transition in episode.transitions)
    return torch.stack([reduce(getitem, path, x) for x in observations]).double()


def first_outside(values: Tensor, box: Box, path: Sequence[str] = ()) -> str:
    """The first of values [T, B, ...] that is outside of a box, in words; empty if none is.

    Args:
        values: of each step and environment.
        box: with their bounds.
        path: of the part of an observation that they are.

    Returns:
        The part, the index in it, the value and the step.
    """
    low, high = (torch.from_numpy(np.asarray(x, np.float64)) for x in (box.low, box.high))
    out = (values < low - 1e-5) | (values > high + 1e-5)
    if not out.any():
        return ""
    t, b, *index = out.nonzero()[0].tolist()
    place = " ".join(filter(None, (".".join(path), str(tuple(index)))))
    return f"{place} was {values[(t, b, *index)]:.4g} at step {t}"

"""Random inputs of networks, beside what is observed, so that networks are functions without chance."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nappo2.maths.masks import MASK, mask_of, unmasked

NOISE = "network_noise"
"""The key of a network's noise in an observation."""


def beside_noise(observation: Any, noise: Tensor) -> Mapping:
    """An observation with noise for a network, [..., size], and with its mask, if it has one."""
    mask = mask_of(observation)
    masked = {} if mask is None else {MASK: mask}
    return {"observation": unmasked(observation), NOISE: noise} | masked


def noise_of(observation: Any) -> Tensor | None:
    """The noise [..., size] beside an observation without a mask; None if there is none."""
    if isinstance(observation, Tensor) or NOISE not in observation.keys():
        return None
    return observation[NOISE]

"""Optimisers: pairs of functions on the vector of weights, after optax."""

from nappo2.optim.finite import apply_if_finite
from nappo2.optim.schedules import Schedule, constant, linear
from nappo2.optim.transformations import (
    GradientTransformation,
    adam,
    chain,
    clip_by_global_norm,
    every,
    partition,
    rmsprop,
    sgd,
)

__all__ = [
    "GradientTransformation",
    "Schedule",
    "adam",
    "apply_if_finite",
    "chain",
    "clip_by_global_norm",
    "constant",
    "every",
    "linear",
    "partition",
    "rmsprop",
    "sgd",
]

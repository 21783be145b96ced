"""Optimisers: pairs of functions on the vector of weights, after optax."""

from nappo2.optim._from_torch import from_torch
from nappo2.optim._radam import radam
from nappo2.optim.finite import apply_if_any, apply_if_finite
from nappo2.optim.partition import partition
from nappo2.optim.schedules import Schedule, constant, cosine, linear, warm_up
from nappo2.optim.transformations import (
    GradientTransformation,
    adam,
    adamw,
    add_decayed_weights,
    chain,
    clip_by_global_norm,
    every,
    gradient_descent,
    rmsprop,
    set_to_zero,
    sgd,
    until_due,
)

__all__ = [
    "GradientTransformation",
    "Schedule",
    "adam",
    "adamw",
    "add_decayed_weights",
    "apply_if_any",
    "apply_if_finite",
    "chain",
    "clip_by_global_norm",
    "constant",
    "cosine",
    "every",
    "from_torch",
    "gradient_descent",
    "linear",
    "partition",
    "radam",
    "rmsprop",
    "set_to_zero",
    "sgd",
    "until_due",
    "warm_up",
]

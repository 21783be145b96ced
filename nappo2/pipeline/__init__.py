"""Pipelines: a pair of functions that yields one item per step.

A source collects rollouts. Each transform wraps the pipeline before it, and may
step it zero, one or many times per step of its own: data flows down the pipe,
demand flows up. A pipeline's state is a mapping from stage name to that stage's
state; a stage's seed is ``fold_in(seed, name)``, whatever stands beside it.
"""

from nappo2.checks import positive
from nappo2.pipeline.adopting import adopt
from nappo2.pipeline.making import described, is_of_stages, stage
from nappo2.pipeline.transforms import is_empty, map_items, repeat, stateless
from nappo2.pipeline.types import (
    Between,
    Cut,
    Pipeline,
    Stage,
    Transform,
    between,
    compose,
    is_pipeline,
    is_recorded,
    updates_per_transition,
)

__all__ = [
    "Between",
    "Cut",
    "Pipeline",
    "Stage",
    "Transform",
    "adopt",
    "between",
    "compose",
    "described",
    "is_empty",
    "is_of_stages",
    "is_pipeline",
    "is_recorded",
    "map_items",
    "positive",
    "repeat",
    "stage",
    "stateless",
    "updates_per_transition",
]

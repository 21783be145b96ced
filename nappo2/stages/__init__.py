"""Stages: the transforms of which pipelines are made, and ``collect``, their source."""

from nappo2.stages.advantages import discounted, gae, standardized, vtrace
from nappo2.stages.collect import CollectState, collect
from nappo2.stages.gradients import gradients
from nappo2.stages.learn import learn
from nappo2.stages.minibatches import MinibatchState, minibatches
from nappo2.stages.place import placed
from nappo2.stages.update import scheduled, update

__all__ = [
    "CollectState",
    "MinibatchState",
    "collect",
    "discounted",
    "gae",
    "gradients",
    "learn",
    "minibatches",
    "placed",
    "scheduled",
    "standardized",
    "update",
    "vtrace",
]

"""Stages: the transforms of which pipelines are made, and ``collect``, their source."""

from nappo2.stages.advantages import discounted, gae, standardized, vtrace
from nappo2.stages.batches import all_due, all_minibatches, all_sequences
from nappo2.stages.collect import collect
from nappo2.stages.compatibility import SCHEMES, Compatibility
from nappo2.stages.gradients import gradients
from nappo2.stages.hindsight import episode, final, future, hindsight
from nappo2.stages.interaction import CollectState
from nappo2.stages.learn import kl_exceeds, learn
from nappo2.stages.loops import Target
from nappo2.stages.minibatches import MinibatchState, minibatches, sequences
from nappo2.stages.n_step import n_step
from nappo2.stages.noise import noise, normal_noise
from nappo2.stages.on_bad import clip, drop, raise_
from nappo2.stages.place import placed
from nappo2.stages.polyak import polyak
from nappo2.stages.prioritized import prioritized_replay
from nappo2.stages.recipe import (
    Recipe,
    batches_of,
    collect_of,
    gradients_of,
    learn_of,
    update_of,
)
from nappo2.stages.replay import ReplayState, replay
from nappo2.stages.scanned_interaction import can_be_scanned
from nappo2.stages.update import scheduled, update
from nappo2.stages.windows import windows

__all__ = [
    "SCHEMES",
    "CollectState",
    "Compatibility",
    "MinibatchState",
    "Recipe",
    "ReplayState",
    "Target",
    "all_due",
    "all_minibatches",
    "all_sequences",
    "batches_of",
    "can_be_scanned",
    "clip",
    "collect",
    "collect_of",
    "discounted",
    "drop",
    "episode",
    "final",
    "future",
    "gae",
    "gradients",
    "gradients_of",
    "hindsight",
    "kl_exceeds",
    "learn",
    "learn_of",
    "minibatches",
    "n_step",
    "noise",
    "normal_noise",
    "placed",
    "polyak",
    "prioritized_replay",
    "raise_",
    "replay",
    "scheduled",
    "sequences",
    "standardized",
    "update",
    "update_of",
    "vtrace",
    "windows",
]

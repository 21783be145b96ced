"""Stages: the transforms of which pipelines are made, and ``collect``, their source."""

from nappo2.stages.advantages import discounted, gae, standardized, vtrace
from nappo2.stages.collect import collect
from nappo2.stages.gradients import gradients
from nappo2.stages.guard import guard
from nappo2.stages.hindsight import episode, final, future, hindsight
from nappo2.stages.interaction import CollectState
from nappo2.stages.learn import learn, learn_sequences
from nappo2.stages.learn_batches import learn_batches
from nappo2.stages.minibatches import MinibatchState, minibatches, sequences
from nappo2.stages.n_step import n_step
from nappo2.stages.noise import noise, normal_noise
from nappo2.stages.on_bad import clip, drop, raise_
from nappo2.stages.place import placed
from nappo2.stages.polyak import polyak
from nappo2.stages.prioritized import prioritized_replay
from nappo2.stages.replay import ReplayState, replay
from nappo2.stages.scanned_interaction import can_be_scanned
from nappo2.stages.update import scheduled, update
from nappo2.stages.windows import windows

__all__ = [
    "CollectState",
    "MinibatchState",
    "ReplayState",
    "can_be_scanned",
    "clip",
    "collect",
    "discounted",
    "drop",
    "episode",
    "final",
    "future",
    "gae",
    "gradients",
    "guard",
    "hindsight",
    "learn",
    "learn_batches",
    "learn_sequences",
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
    "vtrace",
    "windows",
]

"""Stages: the transforms of which pipelines are made, and ``collect``, their source."""

from nappo2.stages.advantages import discounted, gae, lambda_returns, standardized, vtrace
from nappo2.stages.collecting.collect import collect
from nappo2.stages.collecting.interaction import CollectState
from nappo2.stages.collecting.non_finite import clamp, fail, guard, mask
from nappo2.stages.collecting.scanned_interaction import can_be_scanned
from nappo2.stages.compatibility import SCHEMES, Compatibility
from nappo2.stages.exploring.bonus import Bonus, Sight, normalized_sight
from nappo2.stages.exploring.counting import visit_counts
from nappo2.stages.exploring.curiosity import curiosity
from nappo2.stages.exploring.distillation import random_distillation
from nappo2.stages.exploring.intrinsic import (
    IntrinsicState,
    intrinsic_advantages,
    intrinsic_rewards,
)
from nappo2.stages.learning.batches import all_due
from nappo2.stages.learning.feeds import (
    MinibatchState,
    all_minibatches,
    all_sequences,
    minibatches,
    sequences,
)
from nappo2.stages.learning.gradients import gradients
from nappo2.stages.learning.learn import kl_exceeds, learn
from nappo2.stages.learning.loops import Delayed, Target
from nappo2.stages.learning.update import polyak, scheduled, update
from nappo2.stages.one_program import in_one_program
from nappo2.stages.recipe import (
    Recipe,
    batches_of,
    collect_of,
    gradients_of,
    learn_of,
    update_of,
)
from nappo2.stages.recording.datasets import dataset, with_returns
from nappo2.stages.recording.minari import from_minari, to_minari
from nappo2.stages.recording.recorded import recorded, replay_with, with_recorded
from nappo2.stages.replaying.hindsight import episode, final, future, hindsight
from nappo2.stages.replaying.n_step import n_step, rolling_n_step
from nappo2.stages.replaying.noise import chosen_critics, kept_units, noise, normal_noise
from nappo2.stages.replaying.prioritized import prioritized_replay
from nappo2.stages.replaying.replay import replay
from nappo2.stages.replaying.ring import ReplayState
from nappo2.stages.replaying.windows import rolling_windows, windows
from nappo2.stages.rollouts import to_device

__all__ = [
    "SCHEMES",
    "Bonus",
    "CollectState",
    "Compatibility",
    "Delayed",
    "IntrinsicState",
    "MinibatchState",
    "Recipe",
    "ReplayState",
    "Sight",
    "Target",
    "all_due",
    "all_minibatches",
    "all_sequences",
    "batches_of",
    "can_be_scanned",
    "chosen_critics",
    "clamp",
    "collect",
    "collect_of",
    "curiosity",
    "dataset",
    "discounted",
    "episode",
    "fail",
    "final",
    "from_minari",
    "future",
    "gae",
    "gradients",
    "gradients_of",
    "guard",
    "hindsight",
    "in_one_program",
    "intrinsic_advantages",
    "intrinsic_rewards",
    "kept_units",
    "kl_exceeds",
    "lambda_returns",
    "learn",
    "learn_of",
    "mask",
    "minibatches",
    "n_step",
    "noise",
    "normal_noise",
    "normalized_sight",
    "polyak",
    "prioritized_replay",
    "random_distillation",
    "recorded",
    "replay",
    "replay_with",
    "rolling_n_step",
    "rolling_windows",
    "scheduled",
    "sequences",
    "standardized",
    "to_device",
    "to_minari",
    "update",
    "update_of",
    "visit_counts",
    "vtrace",
    "windows",
    "with_recorded",
    "with_returns",
]

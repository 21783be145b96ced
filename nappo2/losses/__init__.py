"""Losses: functions ``(params, batch) -> (loss, means)``, deterministic in their batch."""

from nappo2.losses._clone import clone
from nappo2.losses._dqn import double_dqn, double_dqn_error, dqn, dqn_error
from nappo2.losses._iql import iql
from nappo2.losses._sac import discrete_sac, sac
from nappo2.losses._td3 import td3
from nappo2.losses._td3_bc import td3_bc
from nappo2.losses._tqc import tqc
from nappo2.losses.critics import CriticReduction, least, least_chosen, mean_value
from nappo2.losses.dropout import with_dropout
from nappo2.losses.loss import Loss
from nappo2.losses.normalized import with_normalized_observations
from nappo2.losses.policy_gradient import (
    ValueLoss,
    a2c,
    clipped_value_loss,
    plain_value_loss,
    ppo,
)
from nappo2.losses.recurrent_dqn import raw_observation, recurrent_double_dqn

__all__ = [
    "CriticReduction",
    "Loss",
    "ValueLoss",
    "a2c",
    "clipped_value_loss",
    "clone",
    "discrete_sac",
    "double_dqn",
    "double_dqn_error",
    "dqn",
    "dqn_error",
    "iql",
    "least",
    "least_chosen",
    "mean_value",
    "plain_value_loss",
    "ppo",
    "raw_observation",
    "recurrent_double_dqn",
    "sac",
    "td3",
    "td3_bc",
    "tqc",
    "with_dropout",
    "with_normalized_observations",
]

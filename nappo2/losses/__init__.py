"""Losses: functions ``(params, batch) -> (loss, means)``."""

from nappo2.losses.a2c import a2c
from nappo2.losses.dqn import double_dqn, double_dqn_error, dqn, dqn_error
from nappo2.losses.loss import Loss
from nappo2.losses.ppo import ValueLoss, clipped_value_loss, plain_value_loss, ppo
from nappo2.losses.recurrent_dqn import as_it_is, recurrent_double_dqn
from nappo2.losses.sac import discrete_sac, sac
from nappo2.losses.td3 import td3

__all__ = [
    "Loss",
    "ValueLoss",
    "a2c",
    "as_it_is",
    "clipped_value_loss",
    "discrete_sac",
    "double_dqn",
    "double_dqn_error",
    "dqn",
    "dqn_error",
    "plain_value_loss",
    "ppo",
    "recurrent_double_dqn",
    "sac",
    "td3",
]

"""Losses: functions ``(params, batch) -> (loss, means)``."""

from nappo2.losses.a2c import a2c
from nappo2.losses.loss import Loss
from nappo2.losses.ppo import ValueLoss, clipped_value_loss, plain_value_loss, ppo

__all__ = ["Loss", "ValueLoss", "a2c", "clipped_value_loss", "plain_value_loss", "ppo"]

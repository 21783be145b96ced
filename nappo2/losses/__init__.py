"""Losses: functions ``(params, batch) -> (loss, means)``, deterministic in their batch."""

from nappo2.losses._awr import awr
from nappo2.losses._clone import clone
from nappo2.losses._crossq import crossq, statistics_step
from nappo2.losses._distributional import (
    categorical_dqn,
    categorical_dqn_error,
    drawn_tau,
    expected_dqn,
    expected_dqn_error,
    quantile_dqn,
    quantile_dqn_error,
    with_network_noise,
)
from nappo2.losses._dqn import double_dqn, double_dqn_error, dqn, dqn_error
from nappo2.losses._iql import discrete_iql, iql
from nappo2.losses._munchausen import munchausen_dqn
from nappo2.losses._pqn import pqn, recurrent_pqn
from nappo2.losses._sac import discrete_sac, sac, sac_critics
from nappo2.losses._td3 import td3
from nappo2.losses._td3_bc import td3_bc
from nappo2.losses._tqc import tqc
from nappo2.losses.critics import (
    CriticChoice,
    CriticReduction,
    least,
    least_chosen,
    mean_value,
    only_chosen,
)
from nappo2.losses.distributional_q import (
    DistributionalQ,
    Following,
    best_of_online,
    best_of_target,
    means_of,
)
from nappo2.losses.dropout import with_dropout
from nappo2.losses.intrinsic import intrinsic_value
from nappo2.losses.loss import Loss, summed
from nappo2.losses.normalized import after_first_statistics, with_normalized_observations
from nappo2.losses.policy_gradient import (
    ValueLoss,
    a2c,
    clipped_value_loss,
    plain_value_loss,
    ppo,
)
from nappo2.losses.recurrent_dqn import raw_observation, recurrent_double_dqn
from nappo2.losses.sequences import over_sequences

__all__ = [
    "CriticChoice",
    "CriticReduction",
    "DistributionalQ",
    "Following",
    "Loss",
    "ValueLoss",
    "a2c",
    "after_first_statistics",
    "awr",
    "best_of_online",
    "best_of_target",
    "categorical_dqn",
    "categorical_dqn_error",
    "clipped_value_loss",
    "clone",
    "crossq",
    "discrete_iql",
    "discrete_sac",
    "double_dqn",
    "double_dqn_error",
    "dqn",
    "dqn_error",
    "drawn_tau",
    "expected_dqn",
    "expected_dqn_error",
    "intrinsic_value",
    "iql",
    "least",
    "least_chosen",
    "mean_value",
    "means_of",
    "munchausen_dqn",
    "only_chosen",
    "over_sequences",
    "plain_value_loss",
    "ppo",
    "pqn",
    "quantile_dqn",
    "quantile_dqn_error",
    "raw_observation",
    "recurrent_double_dqn",
    "recurrent_pqn",
    "sac",
    "sac_critics",
    "statistics_step",
    "summed",
    "td3",
    "td3_bc",
    "tqc",
    "with_dropout",
    "with_network_noise",
    "with_normalized_observations",
]

"""Recipes: algorithms as records of replaceable parts, each with a frozen configuration and presets."""

from nappo2.recipes._a2c import A2C, VPG, a2c, vpg
from nappo2.recipes._a2c_gsde import GsdeA2C, a2c_gsde
from nappo2.recipes._awr import AWR, awr
from nappo2.recipes._clone import Clone, clone
from nappo2.recipes._counts import Counts, with_counts
from nappo2.recipes._crossq import CrossQ, crossq
from nappo2.recipes._dqn import DQN, double_dqn, dqn
from nappo2.recipes._icm import ICM, with_icm
from nappo2.recipes._impala import Impala, impala
from nappo2.recipes._iql import IQL, iql
from nappo2.recipes._ppo import PPO, ppo
from nappo2.recipes._pqn import PQN, pqn
from nappo2.recipes._r2d2 import R2D2, r2d2
from nappo2.recipes._rainbow import Rainbow, rainbow
from nappo2.recipes._recurrent_pqn import recurrent_pqn
from nappo2.recipes._recurrent_sac import RecurrentSAC, recurrent_sac
from nappo2.recipes._recurrent_td3 import RecurrentTD3, recurrent_td3
from nappo2.recipes._redq import REDQ, redq
from nappo2.recipes._rnd import RND, RndPPO, ppo_rnd, with_rnd
from nappo2.recipes._sac import SAC, sac
from nappo2.recipes._td3 import TD3, td3
from nappo2.recipes._td3_bc import TD3BC, td3_bc
from nappo2.recipes._tqc import TQC, tqc
from nappo2.recipes._tqc_gsde import GsdeTQC, tqc_gsde
from nappo2.recipes.agents import convolutional, default_agent, perceptrons
from nappo2.recipes.exploration import Exploration, explored
from nappo2.recipes.gsde import GsdePPO, GsdeSAC, ppo_gsde, sac_gsde
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import default_distribution
from nappo2.recipes.recurrent import recurrent_impala, recurrent_perceptrons, recurrent_ppo
from nappo2.recipes.returns import (
    Returns,
    categorical_returns,
    expected,
    munchausen,
    quantiles,
    random_quantiles,
)
from nappo2.recipes.table import FOR_RECORDED, PRESETS, RECIPES, preset, preset_for

__all__ = [
    "A2C",
    "AWR",
    "DQN",
    "FOR_RECORDED",
    "ICM",
    "IQL",
    "PPO",
    "PQN",
    "PRESETS",
    "R2D2",
    "RECIPES",
    "REDQ",
    "RND",
    "SAC",
    "TD3",
    "TD3BC",
    "TQC",
    "VPG",
    "Clone",
    "Counts",
    "CrossQ",
    "Exploration",
    "GsdeA2C",
    "GsdePPO",
    "GsdeSAC",
    "GsdeTQC",
    "Impala",
    "Preset",
    "Rainbow",
    "RecurrentSAC",
    "RecurrentTD3",
    "Returns",
    "RndPPO",
    "a2c",
    "a2c_gsde",
    "awr",
    "categorical_returns",
    "clone",
    "convolutional",
    "crossq",
    "default_agent",
    "default_distribution",
    "double_dqn",
    "dqn",
    "expected",
    "explored",
    "impala",
    "iql",
    "munchausen",
    "perceptrons",
    "ppo",
    "ppo_gsde",
    "ppo_rnd",
    "pqn",
    "preset",
    "preset_for",
    "quantiles",
    "r2d2",
    "rainbow",
    "random_quantiles",
    "recurrent_impala",
    "recurrent_perceptrons",
    "recurrent_ppo",
    "recurrent_pqn",
    "recurrent_sac",
    "recurrent_td3",
    "redq",
    "sac",
    "sac_gsde",
    "td3",
    "td3_bc",
    "tqc",
    "tqc_gsde",
    "vpg",
    "with_counts",
    "with_icm",
    "with_rnd",
]

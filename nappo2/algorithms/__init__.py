"""Recipes: algorithms as stages, each with a frozen configuration, and presets of these."""

from nappo2.algorithms.a2c import A2C, VPG, a2c, vpg
from nappo2.algorithms.impala import Impala, impala
from nappo2.algorithms.ppo import PPO, ppo
from nappo2.algorithms.presets import PRESETS, Preset, preset, preset_for
from nappo2.algorithms.recipe import perceptrons, suited

RECIPES = {"ppo": ppo, "impala": impala, "a2c": a2c, "vpg": vpg}

__all__ = [
    "A2C",
    "PPO",
    "PRESETS",
    "RECIPES",
    "VPG",
    "Impala",
    "Preset",
    "a2c",
    "impala",
    "perceptrons",
    "ppo",
    "preset",
    "preset_for",
    "suited",
    "vpg",
]

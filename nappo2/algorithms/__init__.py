"""Recipes: algorithms as stages, each with a frozen configuration, and presets of these."""

from nappo2.algorithms.ppo import PPO, ppo
from nappo2.algorithms.presets import PRESETS, Preset, preset, preset_for
from nappo2.algorithms.recipe import perceptrons, suited

__all__ = ["PPO", "PRESETS", "Preset", "perceptrons", "ppo", "preset", "preset_for", "suited"]

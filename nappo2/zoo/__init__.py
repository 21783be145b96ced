"""Entries of the files ``hyperparams/*.yml`` of rl-baselines3-zoo as presets."""

from nappo2.zoo._from_zoo import ALGORITHMS, FromZoo, from_zoo

__all__ = ["ALGORITHMS", "FromZoo", "from_zoo"]

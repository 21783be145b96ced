"""Policies: functions that act on plain tensors."""

from nappo2.policies.exploration import (
    best,
    deterministic,
    epsilon_greedy,
    uniform_at_first,
    with_noise,
)
from nappo2.policies.policy import Policy, greedy, memoryless, stochastic

__all__ = [
    "Policy",
    "best",
    "deterministic",
    "epsilon_greedy",
    "greedy",
    "memoryless",
    "stochastic",
    "uniform_at_first",
    "with_noise",
]

"""Policies: functions that act on plain tensors."""

from nappo2.policies.exploration import (
    best,
    deterministic,
    epsilon_greedy,
    uniform_at_first,
    with_noise,
)
from nappo2.policies.policy import Policy, greedy, memoryless, stochastic
from nappo2.policies.recurrent import recurrent, recurrent_greedy

__all__ = [
    "Policy",
    "best",
    "deterministic",
    "epsilon_greedy",
    "greedy",
    "memoryless",
    "recurrent",
    "recurrent_greedy",
    "stochastic",
    "uniform_at_first",
    "with_noise",
]

"""Policies: functions that act on plain tensors."""

from nappo2.policies.exploration import (
    best,
    deterministic,
    epsilon_greedy,
    uniform_at_first,
    with_noise,
)
from nappo2.policies.gsde import Exploration, gsde
from nappo2.policies.policy import (
    Decision,
    Parts,
    Policy,
    action_of,
    greedy,
    memoryless,
    parts_of,
    stochastic,
    telling,
)
from nappo2.policies.recurrent import recurrent, recurrent_greedy, remembering

__all__ = [
    "Decision",
    "Exploration",
    "Parts",
    "Policy",
    "action_of",
    "best",
    "deterministic",
    "epsilon_greedy",
    "greedy",
    "gsde",
    "memoryless",
    "parts_of",
    "recurrent",
    "recurrent_greedy",
    "remembering",
    "stochastic",
    "telling",
    "uniform_at_first",
    "with_noise",
]

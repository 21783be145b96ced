"""Policies: functions that act on plain tensors."""

from nappo2.policies._gsde import Exploration, gsde
from nappo2.policies.exploration import (
    deterministic,
    epsilon_greedy,
    greedy_q,
    warmup_uniform,
    with_noise,
)
from nappo2.policies.policy import (
    Apply,
    Decision,
    Policy,
    Sampler,
    action_of,
    greedy,
    memoryless,
    sampler_of,
    stochastic,
    telling,
    with_memory,
)

__all__ = [
    "Apply",
    "Decision",
    "Exploration",
    "Policy",
    "Sampler",
    "action_of",
    "deterministic",
    "epsilon_greedy",
    "greedy",
    "greedy_q",
    "gsde",
    "memoryless",
    "sampler_of",
    "stochastic",
    "telling",
    "warmup_uniform",
    "with_memory",
    "with_noise",
]

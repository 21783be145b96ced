"""Policies: functions that act on plain tensors."""

from nappo2.policies._gsde import Exploration, gsde
from nappo2.policies._recurrent import recurrent, recurrent_greedy, with_memory
from nappo2.policies.exploration import (
    deterministic,
    epsilon_greedy,
    greedy_q,
    warmup_uniform,
    with_noise,
)
from nappo2.policies.policy import (
    Decision,
    Policy,
    Sampler,
    action_of,
    greedy,
    memoryless,
    sampler_of,
    stochastic,
    telling,
)

__all__ = [
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
    "recurrent",
    "recurrent_greedy",
    "sampler_of",
    "stochastic",
    "telling",
    "warmup_uniform",
    "with_memory",
    "with_noise",
]

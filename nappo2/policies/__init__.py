"""Policies: how to act, as functions of params, observations and a memory."""

from nappo2.policies._gsde import GsdeMemory, gsde
from nappo2.policies.exploration import (
    deterministic,
    epsilon_greedy,
    greedy_q,
    masked_epsilon_greedy,
    masked_warmup_uniform,
    warmup_uniform,
    with_network_noise,
    with_noise,
)
from nappo2.policies.policy import (
    Apply,
    Decision,
    FromNoise,
    Policy,
    Sampler,
    action_of,
    from_noise_of,
    greedy,
    memoryless,
    sampler_of,
    stochastic,
    stochastic_with_log_prob,
    with_memory,
)
from nappo2.policies.viewing import with_view

__all__ = [
    "Apply",
    "Decision",
    "FromNoise",
    "GsdeMemory",
    "Policy",
    "Sampler",
    "action_of",
    "deterministic",
    "epsilon_greedy",
    "from_noise_of",
    "greedy",
    "greedy_q",
    "gsde",
    "masked_epsilon_greedy",
    "masked_warmup_uniform",
    "memoryless",
    "sampler_of",
    "stochastic",
    "stochastic_with_log_prob",
    "warmup_uniform",
    "with_memory",
    "with_network_noise",
    "with_noise",
    "with_view",
]

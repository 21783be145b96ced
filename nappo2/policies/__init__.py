"""Policies: functions that act on plain tensors."""

from nappo2.policies.policy import Policy, greedy, memoryless, stochastic

__all__ = ["Policy", "greedy", "memoryless", "stochastic"]

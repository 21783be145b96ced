"""Many runs in one process: members side by side, and their evolution."""

from nappo2.populations._population import Population, member, population
from nappo2.populations.evolution import evolve, perturb, truncation

__all__ = ["Population", "evolve", "member", "perturb", "population", "truncation"]

"""Many runs in one process: members side by side, and their evolution."""

from nappo2.populations.evolution import evolve, perturb, truncation
from nappo2.populations.population import Population, population

__all__ = ["Population", "evolve", "perturb", "population", "truncation"]

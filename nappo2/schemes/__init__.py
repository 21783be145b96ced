"""Training schemes: where the line from rollouts to params is cut."""

from nappo2.schemes.seven import SCHEMES, centralised, scheme
from nappo2.schemes.stages import Stages

__all__ = ["SCHEMES", "Stages", "centralised", "scheme"]

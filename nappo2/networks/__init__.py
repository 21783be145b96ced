"""Networks as pairs of functions ``(init, apply)``, and the agents made of them."""

from nappo2.networks.actor_critic import (
    ActorCritic,
    Apply,
    actor_critic,
    normalized,
    shared_actor_critic,
    with_log_std,
)
from nappo2.networks.mlp import flattening, mlp, orthogonal
from nappo2.networks.module import from_module
from nappo2.networks.network import Network

__all__ = [
    "ActorCritic",
    "Apply",
    "Network",
    "actor_critic",
    "flattening",
    "from_module",
    "mlp",
    "normalized",
    "orthogonal",
    "shared_actor_critic",
    "with_log_std",
]

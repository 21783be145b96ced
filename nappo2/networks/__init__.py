"""Networks as pairs of functions ``(init, apply)``, and the agents made of them."""

from nappo2.envs.goal_observations import with_goal
from nappo2.envs.observations import flattened, unchanged
from nappo2.networks._actor_critic import (
    ActorCritic,
    actor_critic,
    next_values,
    shared_actor_critic,
)
from nappo2.networks._actor_critics import (
    ActorCritics,
    actor_critics,
    actor_critics_with_torso,
    discrete_actor_critics,
    quantile_actor_critics,
    quantile_actor_critics_with_torso,
    single_valued,
)
from nappo2.networks._batch_actor_critics import BatchActorCritics, batch_actor_critics, of_pairs
from nappo2.networks._batch_renorm import (
    STATISTICS,
    BatchNetwork,
    batch_renorm,
    batch_renorm_mlp,
    batch_sequential,
    statistics_of,
)
from nappo2.networks._cnn import MNIH, YOUNG, cnn, convolution, images, layer_norm_cnn
from nappo2.networks._dropout import dropout_mlp, with_kept
from nappo2.networks._dueling import dueling, noisy_dueling
from nappo2.networks._epsilon_greedy import epsilon_greedy_agent
from nappo2.networks._gtrxl import gtrxl
from nappo2.networks._joined import joined
from nappo2.networks._mlp import flattening, layer_norm_mlp, linear, mlp, orthogonal
from nappo2.networks._simba import simba
from nappo2.networks._state_dependent import state_dependent
from nappo2.networks._temperature import with_temperature
from nappo2.networks._uniform import with_uniform_weights
from nappo2.networks.agent import (
    Agent,
    normalized,
    normalized_parts,
    with_log_std,
    with_reward_scaling,
)
from nappo2.networks.cell import Cell, side_by_side, unroll, with_torso
from nappo2.networks.gated import gru, lstm
from nappo2.networks.module import from_module
from nappo2.networks.network import Network, layer_norm, sequential, with_view
from nappo2.networks.noisy import (
    NoisyNetwork,
    implicit_quantiles,
    noisy_linear,
    noisy_mlp,
    noisy_sequential,
)
from nappo2.networks.recurrent import (
    RecurrentActorCritic,
    recurrent_actor_critic,
    separate_recurrent_actor_critic,
)
from nappo2.networks.recurrent_critics import RecurrentActorCritics, recurrent_actor_critics
from nappo2.networks.recurrent_q import RecurrentQ
from nappo2.networks.residual import fixup_cnn, impala_cnn

__all__ = [
    "MNIH",
    "STATISTICS",
    "YOUNG",
    "ActorCritic",
    "ActorCritics",
    "Agent",
    "BatchActorCritics",
    "BatchNetwork",
    "Cell",
    "Network",
    "NoisyNetwork",
    "RecurrentActorCritic",
    "RecurrentActorCritics",
    "RecurrentQ",
    "actor_critic",
    "actor_critics",
    "actor_critics_with_torso",
    "batch_actor_critics",
    "batch_renorm",
    "batch_renorm_mlp",
    "batch_sequential",
    "cnn",
    "convolution",
    "discrete_actor_critics",
    "dropout_mlp",
    "dueling",
    "epsilon_greedy_agent",
    "fixup_cnn",
    "flattened",
    "flattening",
    "from_module",
    "gru",
    "gtrxl",
    "images",
    "impala_cnn",
    "implicit_quantiles",
    "joined",
    "layer_norm",
    "layer_norm_cnn",
    "layer_norm_mlp",
    "linear",
    "lstm",
    "mlp",
    "next_values",
    "noisy_dueling",
    "noisy_linear",
    "noisy_mlp",
    "noisy_sequential",
    "normalized",
    "normalized_parts",
    "of_pairs",
    "orthogonal",
    "quantile_actor_critics",
    "quantile_actor_critics_with_torso",
    "recurrent_actor_critic",
    "recurrent_actor_critics",
    "separate_recurrent_actor_critic",
    "sequential",
    "shared_actor_critic",
    "side_by_side",
    "simba",
    "single_valued",
    "state_dependent",
    "statistics_of",
    "unchanged",
    "unroll",
    "with_goal",
    "with_kept",
    "with_log_std",
    "with_reward_scaling",
    "with_temperature",
    "with_torso",
    "with_uniform_weights",
    "with_view",
]

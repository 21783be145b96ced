"""nappo2: distributed deep reinforcement learning as pipelines of pure transforms.

The public verbs, flat, as one uses them in a notebook.
"""

from nappo2 import algorithms, envs, losses, networks, optim, policies, schemes, stages
from nappo2.algorithms import (
    A2C,
    DQN,
    PPO,
    SAC,
    TD3,
    VPG,
    Impala,
    a2c,
    double_dqn,
    dqn,
    impala,
    ppo,
    preset,
    sac,
    td3,
    vpg,
)
from nappo2.checkpoint import load_params, save_params
from nappo2.evaluate import Evaluation, evaluate
from nappo2.interop import to_torchrl
from nappo2.learner import Learner
from nappo2.maths import distributions
from nappo2.maths.moments import frozen
from nappo2.networks import actor_critic, from_module, mlp, normalized
from nappo2.params import Params, make_params, ravel
from nappo2.pipeline import Pipeline, Stage, Transform, adopt, compose, each, stage, unroll
from nappo2.policies import Policy, greedy, stochastic
from nappo2.reports import Report, join
from nappo2.schemes import Stages, all_reduce, on_ray, scheme, serial, workers
from nappo2.seeds import fold_in, generator, split
from nappo2.show import first, look
from nappo2.stages import (
    collect,
    discounted,
    gae,
    gradients,
    hindsight,
    learn,
    minibatches,
    n_step,
    noise,
    polyak,
    prioritized_replay,
    replay,
    scheduled,
    standardized,
    update,
    vtrace,
)

__all__ = [
    "A2C",
    "DQN",
    "PPO",
    "SAC",
    "TD3",
    "VPG",
    "Evaluation",
    "Impala",
    "Learner",
    "Params",
    "Pipeline",
    "Policy",
    "Report",
    "Stage",
    "Stages",
    "Transform",
    "a2c",
    "actor_critic",
    "adopt",
    "algorithms",
    "all_reduce",
    "collect",
    "compose",
    "discounted",
    "distributions",
    "double_dqn",
    "dqn",
    "each",
    "envs",
    "evaluate",
    "first",
    "fold_in",
    "from_module",
    "frozen",
    "gae",
    "generator",
    "gradients",
    "greedy",
    "hindsight",
    "impala",
    "join",
    "learn",
    "load_params",
    "look",
    "losses",
    "make_params",
    "minibatches",
    "mlp",
    "n_step",
    "networks",
    "noise",
    "normalized",
    "on_ray",
    "optim",
    "policies",
    "polyak",
    "ppo",
    "preset",
    "prioritized_replay",
    "ravel",
    "replay",
    "sac",
    "save_params",
    "scheduled",
    "scheme",
    "schemes",
    "serial",
    "split",
    "stage",
    "stages",
    "standardized",
    "stochastic",
    "td3",
    "to_torchrl",
    "unroll",
    "update",
    "vpg",
    "vtrace",
    "workers",
]

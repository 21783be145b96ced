"""PPO and SAC with state-dependent exploration (gSDE; Raffin et al., https://arxiv.org/abs/2005.05719)."""

from dataclasses import dataclass, replace

import torch

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import normal, state_dependent, tanh_normal
from nappo2.networks import (
    ActorCritics,
    Network,
    actor_critic,
    actor_critics,
    actor_critics_with_torso,
    mlp,
    normalized_parts,
    sequential,
    with_temperature,
)
from nappo2.networks import state_dependent as state_dependent_actor
from nappo2.networks.network import tanh
from nappo2.policies import gsde
from nappo2.recipes._ppo import PPO, ppo
from nappo2.recipes._sac import SAC, sac
from nappo2.recipes.agents import critic_of
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import OFF_POLICY, ON_POLICY, check_env
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.torsos import GAIN, Activation, perceiving, torso_of, vector_view
from nappo2.stages import Compatibility, Recipe

NOISE = {
    "actions": "it explores with continuous noise",
    "observations": "its networks are perceptrons, behind torsos only of parts",
}
SQUASHED = {"actions": "it explores with continuous noise, squashed into bounds"}
PPO_COMPATIBLE = ON_POLICY._replace(
    actions=("continuous", "unbounded"),
    observations=("vectors", "goals", "dictionaries"),
    agent=("ActorCritic",),
    reasons={**ON_POLICY.reasons, **NOISE},
)
SAC_COMPATIBLE = OFF_POLICY._replace(
    actions=("continuous",),
    observations=("vectors", "goals", "dictionaries"),
    reasons={**OFF_POLICY.reasons, **NOISE, **SQUASHED},
)


@checked
@dataclass(frozen=True)
class GsdePPO(PPO):
    """Hyper-parameters of PPO with gSDE; defaults are rl-zoo3's for PyBullet with 16 environments.

    Attributes:
        initial_log_std: first log standard deviations of the exploration matrix.
        resample_every: steps after which the matrix is drawn again.
    """

    num_steps: int = 512
    num_epochs: int = 20
    num_minibatches: int = 64
    learning_rate: float = 3e-5
    lambda_: float = 0.9
    clip_eps: float = 0.4
    value_coef: float = 1.0
    hidden: tuple[int, ...] = (256, 256)
    relu: bool = True
    orthogonal: bool = False
    initial_log_std: float = -2.0
    resample_every: int = 4


@checked
@dataclass(frozen=True)
class GsdeSAC(SAC):
    """Hyper-parameters of SAC with gSDE; defaults are rl-zoo3's for PyBullet.

    Attributes:
        initial_log_std: first log standard deviations of the exploration matrix.
        resample_every: steps after which the matrix is drawn again.
        mean_limit: bound on means before they are squashed, as in Stable-Baselines3.
        learn_features: whether the gradient of the variance reaches the actor's hidden layers, as
            in Stable-Baselines3.
    """

    num_steps: int = 8
    capacity: int = 300_000
    learning_rate: float = 7.3e-4
    gamma: float = 0.98
    target_step_size: float = 0.02
    hidden: tuple[int, ...] = (400, 300)
    orthogonal: bool = False
    initial_log_std: float = -3.0
    resample_every: int = 8
    mean_limit: float = 2.0
    learn_features: bool = True


FALLING_CLIP = GsdePPO(anneal_updates=312_500, annealed=("clip_eps",))
"""Of 2,000,000 steps of 16 environments, as well as of 1,000,000 of 8: 20 x 64 updates per rollout."""

PPO_PRESETS = {
    "pendulum": Preset(
        "*Pendulum-v1",
        4,
        100_000,
        GsdePPO(
            num_steps=1024,
            num_epochs=10,
            learning_rate=1e-3,
            gamma=0.9,
            lambda_=0.95,
            clip_eps=0.2,
            hidden=(64, 64),
            relu=False,
            orthogonal=True,
            normalize=False,
            initial_log_std=0.0,
        ),
        "rl-zoo3",
    ),
    "ant": Preset("AntBulletEnv-v0", 16, 2_000_000, GsdePPO(initial_log_std=-1.0), "rl-zoo3"),
    "reacher": Preset(
        "ReacherBulletEnv-v0",
        8,
        1_000_000,
        replace(FALLING_CLIP, initial_log_std=-2.7),
        "rl-zoo3; not measured here",
    ),
    "hopper": Preset(
        "HopperBulletEnv-v0 Walker2DBulletEnv-v0",
        16,
        2_000_000,
        FALLING_CLIP,
        "rl-zoo3; not measured here",
    ),
    "bullet": Preset(
        "*BulletEnv-v0", 16, 2_000_000, GsdePPO(), "rl-zoo3 for HalfCheetah; not measured here"
    ),
    "default": Preset("*", 16, 2_000_000, GsdePPO(), "rl-zoo3 for PyBullet"),
}


@recipe(PPO_COMPATIBLE, PPO_PRESETS)
def ppo_gsde(env: Env, config: GsdePPO = GsdePPO()) -> Recipe:
    """``ppo`` with gSDE: its actor explores by a random matrix of its last features.

    Raises:
        ValueError: if actions are not continuous, or the minibatches do not divide a rollout.
    """
    c, (num_features, size) = config, _shape(env, "ppo_gsde", PPO_COMPATIBLE, config.hidden)

    activation = torch.relu if c.relu else tanh

    def critic(inputs):
        return mlp(inputs, *c.hidden, 1, activation=activation)

    actor = state_dependent_actor(
        perceiving(env, c.hidden, lambda n: _torso(n, c.hidden, activation, GAIN), activation),
        num_features,
        size,
        initial=c.initial_log_std,
    )
    agent = actor_critic(actor, perceiving(env, c.hidden, critic, activation))
    agent = first_weights(agent, c)
    if c.normalize:
        agent = normalized_parts(agent, env.observation_spec.statistics)
    dist = state_dependent(normal(), num_features)
    policy = gsde(agent.actor, dist, (num_features, size), every=c.resample_every)
    return ppo(env, c, agent=agent, dist=dist, policy=policy).replace(name="ppo_gsde")


SAC_PRESETS = {
    "pendulum": Preset(
        "*Pendulum-v1",
        1,
        20_000,
        GsdeSAC(
            capacity=20_000,
            start_steps=1_000,
            learning_rate=1e-3,
            hidden=(64, 64),
            orthogonal=True,
            learn_features=False,  # as it was measured
        ),
        "measured here on one seed",
    ),
    "hopper": Preset(
        "HopperBulletEnv-v0 Walker2DBulletEnv-v0",
        1,
        1_000_000,
        GsdeSAC(anneal_updates=990_000),  # of 1,000,000 steps but the first 10,000
        "rl-zoo3; not measured here",
    ),
    "bullet": Preset(
        "*BulletEnv-v0",
        1,
        1_000_000,
        GsdeSAC(),
        "rl-zoo3 for HalfCheetah and Ant; not measured here",
    ),
    "default": Preset("*", 1, 1_000_000, GsdeSAC(), "rl-zoo3 for PyBullet"),
}


@recipe(SAC_COMPATIBLE, SAC_PRESETS)
def sac_gsde(env: Env, config: GsdeSAC = GsdeSAC()) -> Recipe:
    """``sac`` with gSDE: its actor explores by a random matrix of its last features.

    The losses draw independent noise for each transition, of the same distribution.

    Raises:
        ValueError: if actions are not continuous.
    """
    c, (num_features, size) = config, _shape(env, "sac_gsde", SAC_COMPATIBLE, config.hidden)
    actor = state_dependent_actor(
        perceiving(env, c.hidden, lambda n: _torso(n, c.hidden)),
        num_features,
        size,
        initial=c.initial_log_std,
        mean_limit=c.mean_limit,
        learn_features=c.learn_features,
    )
    agent = first_weights(_with_critics(env, c, actor), c)
    agent = with_temperature(agent, c.initial_alpha)
    dist = state_dependent(tanh_normal(), num_features)
    policy = gsde(agent.actor, dist, (num_features, size), every=c.resample_every)
    without_features = agent._replace(
        actor=lambda params, x: agent.actor(params, x)[..., : 2 * size]
    )
    return sac(env, c, agent=without_features, policy=policy).replace(name="sac_gsde")


def _with_critics(env: Env, c: GsdeSAC, actor: Network) -> ActorCritics:
    """An agent of an actor of observations, and K critics that see them as rows, or parts by torsos."""
    size = env.action_spec.size
    if env.observation_spec.kind == "dictionaries":
        torso, sizes = torso_of(env, c.hidden)
        return actor_critics_with_torso(actor, torso, critic_of(sizes, size), c.num_critics)
    critic, view = critic_of((env.observation_spec.size, *c.hidden), size), vector_view(env)
    agent = actor_critics(actor, critic, c.num_critics, view)
    return agent._replace(actor=lambda params, x: actor.apply(params["weights"]["actor"], x))


def _shape(
    env: Env, name: str, compatible: Compatibility, hidden: tuple[int, ...]
) -> tuple[int, int]:
    check_env(name, compatible, env)
    if not hidden:
        raise ValueError(
            f"{name} needs a hidden layer, of whose features it makes noise; hidden is ()"
        )
    return hidden[-1], env.action_spec.size


def _torso(
    inputs: int, hidden: tuple[int, ...], activation: Activation = torch.relu, gain: float = 1.0
) -> Network:
    return sequential(mlp(inputs, *hidden, activation=activation, final_gain=gain), activation)

"""PPO and SAC with state-dependent exploration (gSDE; Raffin et al., https://arxiv.org/abs/2005.05719)."""

from dataclasses import dataclass, replace

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import single_valued
from nappo2.recipes._ppo import PPO, ppo
from nappo2.recipes._sac import SAC, sac
from nappo2.recipes.configs import SoftGsde
from nappo2.recipes.gsde_agents import (
    ON_POLICY_GSDE,
    SOFT_GSDE,
    exploring_actor_critic,
    exploring_actor_critics,
)
from nappo2.recipes.normalizing import with_statistics_first
from nappo2.recipes.owners import base_config
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.stages import Recipe


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
class GsdeSAC(SoftGsde, SAC):
    """Hyper-parameters of SAC with gSDE; defaults are rl-zoo3's for PyBullet."""


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
        "rl-zoo3",
    ),
    "hopper": Preset(
        "HopperBulletEnv-v0 Walker2DBulletEnv-v0",
        16,
        2_000_000,
        FALLING_CLIP,
        "rl-zoo3",
    ),
    "bullet": Preset("*BulletEnv-v0", 16, 2_000_000, GsdePPO(), "rl-zoo3 for HalfCheetah"),
    "default": Preset("*", 16, 2_000_000, GsdePPO(), "rl-zoo3 for PyBullet"),
}


@recipe(ON_POLICY_GSDE, PPO_PRESETS)
def ppo_gsde(env: Env, config: GsdePPO = GsdePPO()) -> Recipe:
    """``ppo`` with gSDE: its actor explores by a random matrix of its last features.

    With ``normalize`` the first rollout only counts: by its statistics the second is normalised.

    Raises:
        ValueError: if actions are not continuous, or the minibatches do not divide a rollout.

    Example:
        >>> recipe = ppo_gsde(envs.pendulum(4), GsdePPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    pieces = exploring_actor_critic(env, "ppo_gsde", ON_POLICY_GSDE, config)
    made = ppo(env, base_config(config, PPO), **pieces._asdict()).replace(name="ppo_gsde")
    return with_statistics_first(made) if config.normalize else made


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
        "chosen here",
    ),
    "hopper": Preset(
        "HopperBulletEnv-v0 Walker2DBulletEnv-v0",
        1,
        1_000_000,
        GsdeSAC(anneal_updates=990_000),  # of 1,000,000 steps but the first 10,000
        "rl-zoo3",
    ),
    "bullet": Preset(
        "*BulletEnv-v0",
        1,
        1_000_000,
        GsdeSAC(),
        "rl-zoo3 for HalfCheetah and Ant",
    ),
    "default": Preset("*", 1, 1_000_000, GsdeSAC(), "rl-zoo3 for PyBullet"),
}


@recipe(SOFT_GSDE, SAC_PRESETS)
def sac_gsde(env: Env, config: GsdeSAC = GsdeSAC()) -> Recipe:
    """``sac`` with gSDE: its actor explores by a random matrix of its last features.

    The losses draw independent noise for each transition, of the same distribution.

    Raises:
        ValueError: if actions are not continuous.

    Example:
        >>> config = GsdeSAC(num_steps=4, batch_size=8, start_steps=16, hidden=(8,), update_ratio=0.25)
        >>> recipe = sac_gsde(envs.pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    agent, policy = exploring_actor_critics(
        env, "sac_gsde", config, critic_hidden=config.hidden, num_quantiles=1
    )
    plain = base_config(config, SAC)
    return sac(env, plain, agent=single_valued(agent), policy=policy).replace(name="sac_gsde")

"""Truncated quantile critics (TQC), for continuous actions."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import ActorCritics, mlp
from nappo2.policies import Policy
from nappo2.recipes.annealing import falling_rate
from nappo2.recipes.configs import Soft
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import SQUASHED as COMPATIBLE
from nappo2.recipes.fit import check_agent, check_env
from nappo2.recipes.normalizing import with_normalized_observations
from nappo2.recipes.off_policy import Replay
from nappo2.recipes.presets import MUJOCO, Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.soft_agents import soft_agent, soft_optimizer, soft_recipe
from nappo2.stages import Recipe, replay


@checked
@dataclass(frozen=True)
class TQC(Soft):
    """Hyper-parameters of Kuznetsov et al. (https://arxiv.org/abs/2005.04269), as in sb3-contrib.

    Attributes:
        num_critics: K, whose quantiles are pooled.
        num_quantiles: M of each critic.
        num_dropped: quantiles per critic that the target leaves out, the largest of all.
        hidden: sizes of the actor's hidden layers.
        critic_hidden: sizes of the critics' hidden layers.
    """

    num_quantiles: int = 25
    num_dropped: int = 2
    critic_hidden: tuple[int, ...] = (256, 256)


BULLET = TQC(
    num_steps=8,
    capacity=300_000,
    learning_rate=7.3e-4,
    gamma=0.98,
    target_step_size=0.02,
    hidden=(400, 300),
    critic_hidden=(400, 300),
    orthogonal=False,
)
MUJOCOS = TQC(orthogonal=False)
WITHOUT = "rl-zoo3, without its state-dependent exploration"
PRESETS = {
    "pendulum": Preset(
        "*Pendulum-v1",
        1,
        20_000,
        TQC(
            num_steps=4,
            capacity=20_000,
            batch_size=128,
            start_steps=1_000,
            learning_rate=1e-3,
            hidden=(64, 64),
            critic_hidden=(64, 64),
        ),
        "as SAC's",
    ),
    "hopper_bullet": Preset(
        "HopperBulletEnv-v0",
        1,
        1_000_000,
        replace(BULLET, num_dropped=5, anneal_updates=990_000),  # but for the first 10,000 steps
        WITHOUT,
    ),
    "walker2d_bullet": Preset(
        "Walker2DBulletEnv-v0",
        1,
        1_000_000,
        replace(BULLET, anneal_updates=990_000),
        WITHOUT,
    ),
    "humanoid_bullet": Preset(
        "HumanoidBulletEnv-v0",
        1,
        10_000_000,
        replace(BULLET, num_dropped=5, anneal_updates=9_990_000),
        WITHOUT,
    ),
    "bullet": Preset(
        "*BulletEnv-v0",
        1,
        1_000_000,
        BULLET,
        WITHOUT,
    ),
    "swimmer": Preset("Swimmer-v[2-5]", 1, 1_000_000, replace(MUJOCOS, gamma=0.999), "rl-zoo3"),
    "hopper": Preset("Hopper-v[2-5]", 1, 1_000_000, replace(MUJOCOS, num_dropped=5), "rl-zoo3"),
    "mujoco": Preset(MUJOCO, 1, 1_000_000, MUJOCOS, "rl-zoo3"),
    "paper": Preset(
        "",
        1,
        1_000_000,
        TQC(start_steps=256, num_critics=5, critic_hidden=(512, 512, 512)),
        "Kuznetsov et al. 2020 for Walker2d, Ant and Humanoid; for Hopper num_dropped is 5, for "
        "HalfCheetah 0",
    ),
    "default": Preset("*", 1, 1_000_000, TQC(), "sb3-contrib"),
}


@recipe(COMPATIBLE, PRESETS)
def tqc(
    env: Env,
    config: TQC = TQC(),
    *,
    agent: ActorCritics | None = None,
    policy: Policy | None = None,
    replay: Replay = replay,
) -> Recipe:
    """Truncated quantile critics (Kuznetsov et al., https://arxiv.org/abs/2005.04269).

    Args:
        env: where the collectors act, with continuous actions.
        config: the hyper-parameters.
        agent: with a temperature (see ``networks.with_temperature``) and critics of ``num_quantiles``
            quantiles; None for ReLU perceptrons, behind torsos of images or parts.
        policy: how the collectors act after ``start_steps``; None samples from the actor.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, no quantile is left, the agent does not fit the
            environment, or has no temperature.

    Example:
        >>> config = TQC(num_steps=4, batch_size=8, start_steps=16, hidden=(8,), update_ratio=0.25)
        >>> recipe = tqc(envs.pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("tqc", COMPATIBLE, env)
    c, size = config, env.action_spec.size
    if c.num_dropped >= c.num_quantiles:
        raise ValueError(
            f"num_dropped is below num_quantiles, which is {c.num_quantiles}, not {c.num_dropped}"
        )
    agent = agent or first_weights(quantile_perceptrons(env, c), c)
    check_agent("tqc", COMPATIBLE, agent)
    made = soft_recipe(
        "tqc",
        env,
        c,
        agent,
        critic_shape=(c.num_quantiles,),
        reduce=mean_of_quantiles,
        compatible=COMPATIBLE,
        policy=policy,
        loss=losses.tqc(
            agent, target_entropy=-c.target_entropy_share * size, num_dropped=c.num_dropped
        ),
        optimizer=soft_optimizer(agent, c.learn_alpha),
        replay=replay,
        after=falling_rate(c, env),
    )
    return with_normalized_observations(made) if c.normalize else made


def mean_of_quantiles(quantiles: Tensor) -> Tensor:
    """The mean of the quantiles of K critics, [K, B, M] to [B]."""
    return quantiles.mean((0, -1))


def quantile_perceptrons(env: Env, c: TQC) -> ActorCritics:
    """ReLU perceptrons for an actor and K critics of M quantiles, behind torsos of images or parts.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    return soft_agent(
        env,
        lambda *sizes: mlp(*sizes, c.num_quantiles, activation=torch.relu),
        hidden=c.hidden,
        critic_hidden=c.critic_hidden,
        num_critics=c.num_critics,
        alpha=c.initial_alpha,
    )

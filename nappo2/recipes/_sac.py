"""Soft actor-critic (SAC), for continuous and for discrete actions."""

import math
from dataclasses import dataclass

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import ActorCritics
from nappo2.policies import Policy
from nappo2.recipes.agents import soft_perceptrons, soft_torsos
from nappo2.recipes.annealing import falling_rate
from nappo2.recipes.configs import Soft
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env
from nappo2.recipes.masks import masking_of
from nappo2.recipes.normalizing import with_normalized_observations
from nappo2.recipes.off_policy import Replay
from nappo2.recipes.presets import ATARI, Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.soft_agents import soft_optimizer, soft_recipe
from nappo2.recipes.torsos import has_torso
from nappo2.stages import Recipe, replay

COMPATIBLE = OFF_POLICY._replace(
    actions=("continuous", "discrete"),
    reasons={
        **OFF_POLICY.reasons,
        "actions": "its actor is squashed into bounds, or makes one choice",
    },
)


@checked
@dataclass(frozen=True)
class SAC(Soft):
    """Hyper-parameters of Haarnoja et al. (https://arxiv.org/abs/1812.05905): those of ``Soft``, and one.

    Attributes:
        discrete_entropy_share: target entropy of n discrete actions, as a share of log n. Only
            uniform actions have an entropy of log n, so near 1 the temperature grows for ever.
    """

    discrete_entropy_share: float = 0.4


PRESETS = {
    "pendulum": Preset(
        "*Pendulum-v1",
        1,
        20_000,
        SAC(
            num_steps=4,
            capacity=20_000,
            batch_size=128,
            start_steps=1_000,
            learning_rate=1e-3,
            hidden=(64, 64),
        ),
        "chosen here",
    ),
    "cartpole": Preset(
        "*CartPole-v1",
        1,
        60_000,
        SAC(
            capacity=60_000,
            start_steps=1_000,
            learning_rate=1e-3,
            gamma=0.98,  # at 0.99 the critics' errors are larger than what actions differ by
            hidden=(64, 64),
        ),
        "chosen here",
    ),
    "bullet": Preset(
        "*BulletEnv-v0",
        1,
        100_000,
        SAC(
            num_steps=8,
            capacity=300_000,
            learning_rate=7.3e-4,
            gamma=0.98,
            target_step_size=0.02,
        ),
        "rl-zoo3, without its state-dependent exploration and wider layers; HalfCheetah "
        "chosen here",
    ),
    "atari": Preset(
        ATARI,
        1,
        5_000_000,
        SAC(
            num_steps=4,
            capacity=100_000,
            batch_size=64,
            update_ratio=0.25,
            start_steps=20_000,
            target_entropy_share=0.98,
            hidden=(512,),
        ),
        "Christodoulou 2019 and the scripts of the original Nappo",
    ),
    "default": Preset("*", 1, 1_000_000, SAC(), "Haarnoja et al. 2018"),
}


@recipe(COMPATIBLE, PRESETS)
def sac(
    env: Env,
    config: SAC = SAC(),
    *,
    agent: ActorCritics | None = None,
    policy: Policy | None = None,
    replay: Replay = replay,
) -> Recipe:
    """Soft actor-critic with K critics and a temperature that is learnt.

    For discrete actions in expectation over them (Christodoulou, https://arxiv.org/abs/1910.07207).

    Args:
        env: where the collectors act.
        config: the hyper-parameters.
        agent: with a temperature (see ``networks.with_temperature``); None for ReLU perceptrons,
            or for images convolutions.
        policy: how the collectors act after ``start_steps``; None samples from the actor.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the recipe cannot learn in the environment, the agent does not fit it, or
            has no temperature.

    Example:
        >>> config = SAC(num_steps=4, batch_size=8, start_steps=16, hidden=(8,), update_ratio=0.25)
        >>> recipe = sac(envs.pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("sac", COMPATIBLE, env)
    c, size, masks = config, env.action_spec.size, masking_of(env)
    discrete = env.action_spec.kind == "discrete"
    make_agent = soft_torsos if has_torso(masks.env) else soft_perceptrons
    agent = agent or first_weights(
        make_agent(masks.env, c.hidden, c.initial_alpha, c.num_critics), c
    )
    check_agent("sac", COMPATIBLE, agent)
    agent = masks.agent(agent)
    target_entropy = (
        c.discrete_entropy_share * math.log(size) if discrete else -c.target_entropy_share * size
    )
    loss = losses.discrete_sac if discrete else losses.sac
    made = soft_recipe(
        "sac",
        env,
        c,
        agent,
        critic_shape=(size,) if discrete else (),
        compatible=COMPATIBLE,
        policy=policy,
        loss=loss(agent, target_entropy=target_entropy),
        optimizer=soft_optimizer(agent, c.learn_alpha),
        replay=replay,
        after=falling_rate(c, env),
    )
    return with_normalized_observations(made) if c.normalize else made

"""Soft actor-critic (SAC), for continuous and for discrete actions."""

import math
from dataclasses import dataclass

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import tanh_normal
from nappo2.networks import ActorCritics
from nappo2.pipeline import compose
from nappo2.policies import Policy, greedy, stochastic
from nappo2.recipes.agents import soft_perceptrons, soft_torsos
from nappo2.recipes.annealing import falling_rate
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env, check_fit
from nappo2.recipes.masks import masking_of
from nappo2.recipes.normalizing import with_normalized_observations
from nappo2.recipes.off_policy import Replay, critics_of, first_params, off_policy
from nappo2.recipes.presets import ATARI, Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.soft_agents import soft_optimizer
from nappo2.recipes.torsos import has_torso
from nappo2.recipes.values import critic_value, expected_value
from nappo2.stages import Recipe, noise, normal_noise, replay

COMPATIBLE = OFF_POLICY._replace(
    actions=("continuous", "discrete"),
    reasons={
        **OFF_POLICY.reasons,
        "actions": "its actor is squashed into bounds, or makes one choice",
    },
)


@checked
@dataclass(frozen=True)
class SAC:
    """Hyper-parameters of Haarnoja et al. (https://arxiv.org/abs/1812.05905).

    Attributes:
        num_steps: of each environment per rollout.
        capacity: transitions in the replay.
        batch_size: transitions in a batch.
        update_ratio: gradients per transition.
        start_steps: transitions collected with uniform actions, before the first gradient.
        learning_rate: of Adam, for actor, critics and temperature.
        gamma: discount per step.
        target_step_size: Polyak step of the targets towards the critics, per update.
        initial_alpha: first temperature.
        learn_alpha: whether the temperature is learnt, rather than staying the first one.
        target_entropy_share: target entropy of A-dimensional actions, as a share of -A.
        discrete_entropy_share: target entropy of n discrete actions, as a share of log n. Only
            uniform actions have an entropy of log n, so near 1 the temperature grows for ever.
        num_critics: K, of whose values the minimum is used.
        hidden: sizes of the hidden layers.
        orthogonal: whether weights are orthogonal at first, rather than uniform as torch's are.
        normalize: whether observations are normalised.
        anneal_updates: updates in which learning_rate falls to 0; 0 for a constant.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    num_steps: int = 1
    capacity: int = 1_000_000
    batch_size: int = 256
    update_ratio: float = 1.0
    start_steps: int = 10_000
    learning_rate: float = 3e-4
    gamma: float = 0.99
    target_step_size: float = 0.005
    initial_alpha: float = 1.0
    learn_alpha: bool = True
    target_entropy_share: float = 1.0
    discrete_entropy_share: float = 0.4
    num_critics: int = 2
    hidden: tuple[int, ...] = (256, 256)
    orthogonal: bool = True
    normalize: bool = False
    anneal_updates: int = 0
    jit: bool = False


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
    """
    check_env("sac", COMPATIBLE, env)
    c, actions, size = config, env.action_spec, env.action_spec.size
    discrete, masks = actions.kind == "discrete", masking_of(env)
    dist = actions.distribution if discrete else tanh_normal()
    make_agent = soft_torsos if has_torso(masks.env) else soft_perceptrons
    agent = agent or first_weights(
        make_agent(masks.env, c.hidden, c.initial_alpha, c.num_critics), c
    )
    check_agent("sac", COMPATIBLE, agent)
    check_temperature("sac", agent)
    agent = masks.agent(agent)
    init = first_params(agent.init, c, "critics")
    heads = {
        "actor": (agent.actor, (dist.num_outputs(size),)),
        "critic": critics_of(agent, None if discrete else size, (size,) if discrete else ()),
    }
    check_fit("sac", env, init(0), heads)
    target_entropy = (
        c.discrete_entropy_share * math.log(size) if discrete else -c.target_entropy_share * size
    )
    loss = losses.discrete_sac if discrete else losses.sac
    most_probable = greedy(agent.actor, dist)
    made = off_policy(
        env,
        c,
        name="sac",
        compatible=COMPATIBLE,
        init=init,
        policy=masks.warmup_uniform(policy or stochastic(agent.actor, dist)),
        greedy=most_probable,
        value=expected_value(agent) if discrete else critic_value(agent, most_probable),
        loss=loss(agent, target_entropy=target_entropy),
        optimizer=soft_optimizer(agent, c.learn_alpha),
        noise=compose() if discrete else noise(normal_noise("noise", "next_noise", size=size)),
        replay=replay,
        after=falling_rate(c, env),
    )
    return with_normalized_observations(made) if c.normalize else made


def check_temperature(recipe: str, agent: ActorCritics) -> None:
    """Refuses an agent without a temperature, for the recipe of this name.

    Raises:
        ValueError: if the agent's weights have no ``log_alpha``.
    """
    weights = agent.init(0)
    if "log_alpha" not in weights.keys():
        raise ValueError(
            f"{recipe} learns a temperature, log_alpha, and the agent has only "
            f"{', '.join(weights.keys())}; "
            "networks.with_temperature(agent) adds one"
        )

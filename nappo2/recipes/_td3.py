"""Twin delayed deep deterministic policy gradients (TD3)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.losses import Loss
from nappo2.networks import ActorCritics
from nappo2.policies import deterministic, warmup_uniform, with_noise
from nappo2.recipes.agents import deterministic_perceptrons
from nappo2.recipes.annealing import falling_rate
from nappo2.recipes.configs import Critics
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env, check_fit
from nappo2.recipes.normalizing import with_normalized_observations
from nappo2.recipes.off_policy import Replay, critics_of, delayed_adam, first_params, off_policy
from nappo2.recipes.presets import MUJOCO, Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.values import critic_value
from nappo2.stages import Recipe, noise, normal_noise, replay

SQUASHED = {"actions": "its actor's gradient passes through the action, squashed into bounds"}
COMPATIBLE = OFF_POLICY._replace(
    actions=("continuous",), reasons={**OFF_POLICY.reasons, **SQUASHED}
)


@checked
@dataclass(frozen=True)
class TD3(Critics):
    """Hyper-parameters of Fujimoto et al. (https://arxiv.org/abs/1802.09477), beside those of ``Critics``.

    Attributes:
        target_delay: updates of the critics per step of the targets; in the paper and in
            Stable-Baselines3 it is the policy_delay, 2.
        exploration_std: standard deviation of the noise on collected actions.
        noise_std: standard deviation of the noise on the target's actions.
        noise_limit: bound on the noise on the target's actions.
        policy_delay: updates of the critics per update of the actor.
    """

    target_delay: int = 1
    exploration_std: float = 0.1
    noise_std: float = 0.2
    noise_limit: float = 0.5
    policy_delay: int = 2


PRESETS = {
    "pendulum": Preset(
        "*Pendulum-v1",
        1,
        20_000,
        TD3(
            num_steps=4,
            capacity=20_000,
            batch_size=128,
            start_steps=1_000,
            learning_rate=1e-3,
            hidden=(64, 64),
        ),
        "chosen here",
    ),
    "bullet": Preset(
        "*BulletEnv-v0",
        1,
        1_000_000,
        TD3(
            capacity=200_000,
            learning_rate=7e-4,
            gamma=0.98,
            target_delay=2,
            hidden=(400, 300),
            orthogonal=False,
        ),
        "rl-zoo3",
    ),
    "swimmer": Preset(
        "Swimmer-v[2-5]",
        1,
        1_000_000,
        TD3(learning_rate=1e-3, gamma=0.9999, target_delay=2, hidden=(400, 300), orthogonal=False),
        "rl-zoo3",
    ),
    "mujoco": Preset(
        MUJOCO,
        1,
        1_000_000,
        TD3(learning_rate=1e-3, target_delay=2, hidden=(400, 300), orthogonal=False),
        "rl-zoo3",
    ),
    "paper": Preset(
        "",
        1,
        1_000_000,
        TD3(start_steps=25_000, target_delay=2),
        "Fujimoto et al. 2018 with the sizes and rates of their later code: targets move "
        "with the actor",
    ),
    "default": Preset("*", 1, 1_000_000, TD3(), "Fujimoto et al. 2018"),
}


@recipe(COMPATIBLE, PRESETS)
def td3(
    env: Env, config: TD3 = TD3(), *, agent: ActorCritics | None = None, replay: Replay = replay
) -> Recipe:
    """TD3 (Fujimoto et al., https://arxiv.org/abs/1802.09477).

    The actor is updated every ``policy_delay`` updates, the targets every ``target_delay`` updates.

    Args:
        env: where the collectors act, with continuous actions.
        config: the hyper-parameters.
        agent: an actor of actions in [-1, 1] and K critics; None for ReLU perceptrons.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, the agent does not fit the environment, or
            there is no agent for images.

    Example:
        >>> config = TD3(num_steps=4, batch_size=8, start_steps=16, hidden=(8,), update_ratio=0.25)
        >>> recipe = td3(envs.pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    c = config
    loss = partial(losses.td3, noise_std=c.noise_std, noise_limit=c.noise_limit)
    return deterministic_recipe("td3", env, c, agent, replay, loss)


def deterministic_recipe(
    name: str,
    env: Env,
    config: Any,
    agent: ActorCritics | None,
    replay: Replay,
    make_loss: Callable[[ActorCritics], Loss],
) -> Recipe:
    """A recipe of TD3's actor, critics and optimiser, with another loss.

    Args:
        name: of the recipe.
        env: where the collectors act, with continuous actions.
        config: with the fields of ``TD3``.
        agent: an actor of actions in [-1, 1] and K critics; None for ReLU perceptrons.
        replay: ``replay``, or prioritised.
        make_loss: ``agent -> loss``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, or the agent does not fit the environment.
    """
    check_env(name, COMPATIBLE, env)
    c, size = config, env.action_spec.size
    agent = agent or first_weights(deterministic_perceptrons(env, c.hidden, c.num_critics), c)
    check_agent(name, COMPATIBLE, agent)
    init = first_params(agent.init, c, "actor", "critics")
    heads = {"actor": (agent.actor, (size,)), "critic": critics_of(agent, size, ())}
    greedy = deterministic(agent.actor)
    check_fit(name, env, init(0), heads)
    made = off_policy(
        env,
        c,
        name=name,
        compatible=COMPATIBLE,
        init=init,
        policy=warmup_uniform(with_noise(agent.actor, c.exploration_std), env.action_spec.uniform),
        greedy=greedy,
        value=critic_value(agent, greedy),
        loss=make_loss(agent),
        optimizer=delayed_adam(agent, c.policy_delay),
        noise=noise(normal_noise("next_noise", size=size)),
        replay=replay,
        after=falling_rate(c, env),
        target_delay=c.target_delay,
    )
    return with_normalized_observations(made) if c.normalize else made

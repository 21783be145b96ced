"""CrossQ, for continuous actions."""

from dataclasses import dataclass
from functools import partial

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import (
    STATISTICS,
    BatchActorCritics,
    batch_actor_critics,
    batch_renorm_mlp,
    batch_sequential,
    of_pairs,
)
from nappo2.policies import Policy
from nappo2.recipes.configs import OffPolicy
from nappo2.recipes.fit import SQUASHED, check_agent, check_env
from nappo2.recipes.off_policy import Replay
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.soft_agents import soft_recipe
from nappo2.recipes.torsos import has_torso, torso_of, vector_view
from nappo2.stages import Recipe, replay

COMPATIBLE = SQUASHED._replace(agent=("BatchActorCritics",))


@checked
@dataclass(frozen=True)
class CrossQ(OffPolicy):
    """Hyper-parameters of Bhatt et al. (https://arxiv.org/abs/1902.05605), beside those of ``OffPolicy``.

    Attributes:
        learning_rate: of Adam, for actor, critics and temperature.
        beta1: decay of the mean gradient, of Adam for actor and critics.
        policy_delay: updates of the critics per update of actor and temperature.
        initial_alpha: first temperature.
        target_entropy_share: target entropy of A-dimensional actions, as a share of -A.
        num_critics: K, of whose values the minimum is used.
        hidden: sizes of the actor's hidden layers.
        critic_hidden: sizes of a critic's hidden layers.
        momentum: share by which running statistics move towards those of a batch.
        warm_up: batches that are normalised without renormalisation.
    """

    start_steps: int = 5_000
    learning_rate: float = 1e-3
    beta1: float = 0.5
    policy_delay: int = 3
    initial_alpha: float = 1.0
    target_entropy_share: float = 1.0
    num_critics: int = 2
    critic_hidden: tuple[int, ...] = (2048, 2048)
    momentum: float = 0.01
    warm_up: int = 100_000


PRESETS = {
    "pendulum": Preset(
        "*Pendulum-v1",
        1,
        20_000,
        CrossQ(
            num_steps=4,
            capacity=20_000,
            batch_size=128,
            start_steps=1_000,
            hidden=(64, 64),
            critic_hidden=(256, 256),
        ),
        "SAC's, with critics four times as wide",
    ),
    "default": Preset("*", 1, 1_000_000, CrossQ(), "Bhatt et al. 2024"),
}


@recipe(COMPATIBLE, PRESETS)
def crossq(
    env: Env,
    config: CrossQ = CrossQ(),
    *,
    agent: BatchActorCritics | None = None,
    policy: Policy | None = None,
    replay: Replay = replay,
) -> Recipe:
    """CrossQ (Bhatt et al., 2024, https://arxiv.org/abs/1902.05605).

    ``sac`` without target networks: critics with batch renormalisation see a transition's two states
    and actions in one batch.

    Args:
        env: where the collectors act, with continuous actions.
        config: the hyper-parameters.
        agent: of ``networks.batch_actor_critics``; None for ``batch_renorm_mlp``.
        policy: how the collectors act after ``start_steps``; None samples from the actor.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, or the agent does not fit the environment.

    Example:
        >>> config = CrossQ(num_steps=4, batch_size=8, start_steps=16, hidden=(8,), update_ratio=0.25)
        >>> recipe = crossq(envs.pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("crossq", COMPATIBLE, env)
    if config.batch_size < 2:
        raise ValueError(
            f"batch_size is at least 2, as critics normalise by a batch, not {config.batch_size}"
        )
    c, size = config, env.action_spec.size
    agent = agent or batch_perceptrons(env, c)
    check_agent("crossq", COMPATIBLE, agent)
    return soft_recipe(
        "crossq",
        env,
        c,
        agent.agent,
        targets=(),
        compatible=COMPATIBLE,
        policy=policy,
        loss=losses.crossq(agent, target_entropy=-c.target_entropy_share * size),
        optimizer=optimizer_of(agent, c),
        replay=replay,
        target=None,
    )


def batch_perceptrons(env: Env, config: CrossQ) -> BatchActorCritics:
    """ReLU perceptrons with batch renormalisation, behind torsos of images and parts, for an environment."""
    c, inputs, size = config, env.observation_spec.size, env.action_spec.size
    make = partial(batch_renorm_mlp, momentum=c.momentum, warm_up=c.warm_up)
    if has_torso(env):
        (torso, hidden), (see, critic_hidden) = (
            torso_of(env, sizes) for sizes in (c.hidden, c.critic_hidden)
        )
    else:
        torso = see = vector_view(env)
        hidden, critic_hidden = (inputs, *c.hidden), (inputs, *c.critic_hidden)
    first, *rest = critic_hidden
    actor = batch_sequential(torso, make(*hidden, 2 * size, final_gain=0.01))
    critic = of_pairs(see, make(first + size, *rest, 1))
    return batch_actor_critics(actor, critic, c.num_critics, c.initial_alpha)


def optimizer_of(agent: BatchActorCritics, config: CrossQ) -> optim.GradientTransformation:
    """Adam of weights, and plain steps of running statistics; those of the actor are delayed."""

    def label(path):
        return f"{path[0]} {STATISTICS}" if STATISTICS in path else path[0]

    def delayed(transformation):
        return optim.every(config.policy_delay, transformation)

    adam, step = optim.adam(b1=config.beta1), optim.gradient_descent()
    each = {
        "critics": adam,
        f"critics {STATISTICS}": step,
        "actor": delayed(adam),
        f"actor {STATISTICS}": delayed(step),
        "log_alpha": delayed(optim.adam()),
    }
    return optim.partition(agent.init(0), each, label)

"""Deep Q-learning (DQN) and double DQN."""

from dataclasses import dataclass

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import Network, NoisyNetwork
from nappo2.recipes.configs import OffPolicy
from nappo2.recipes.off_policy import Replay
from nappo2.recipes.presets import ATARI, Preset
from nappo2.recipes.q_learning import COMPATIBLE, q_learning, q_maker
from nappo2.recipes.recipe import recipe
from nappo2.recipes.returns import Returns, expected
from nappo2.stages import Recipe, replay


@checked
@dataclass(frozen=True)
class DQN(OffPolicy):
    """Hyper-parameters of Q-learning for small problems, beside those of ``OffPolicy``.

    Attributes:
        target_step_size: step of the target towards the online network; 1 for a copy.
        target_delay: updates per such step.
        epsilon: final probability of a uniform action.
        exploration_updates: updates in which that probability falls from 1 to ``epsilon``.
        max_grad_norm: bound on the global norm of gradients.
        adam_eps: epsilon of Adam.
        orthogonal: whether weights are orthogonal at first, rather than uniform as torch's are.
        anneal_updates: updates in which learning_rate falls to 0; 0 for a constant.
    """

    num_steps: int = 8
    capacity: int = 100_000
    batch_size: int = 128
    update_ratio: float = 0.5
    start_steps: int = 1_000
    target_step_size: float = 0.01
    target_delay: int = 1
    epsilon: float = 0.05
    exploration_updates: int = 3_000
    max_grad_norm: float = 10.0
    adam_eps: float = 1e-8
    hidden: tuple[int, ...] = (128, 128)
    orthogonal: bool = True
    anneal_updates: int = 0


def updates_until(share: float, total_steps: int, start_steps: int, update_ratio: float) -> int:
    """Updates until a share of a run is collected, for schedules of presets that count env steps.

    Args:
        share: of the run's env steps.
        total_steps: of the run.
        start_steps: env steps before the first update.
        update_ratio: updates per env step.

    Returns:
        The number of updates.
    """
    return round((share * total_steps - start_steps) * update_ratio)


ZOO_CARTPOLE = DQN(
    num_steps=256,
    batch_size=64,
    learning_rate=2.3e-3,
    target_step_size=1.0,
    target_delay=128,  # SB3 copies in every tenth step of a rollout, between whose ends nothing is learnt
    epsilon=0.04,
    exploration_updates=updates_until(0.16, 50_000, 1_000, 0.5),
    hidden=(256, 256),
    orthogonal=False,
)
ZOO_ATARI = DQN(
    num_steps=4,
    batch_size=32,
    update_ratio=0.25,
    start_steps=100_000,
    learning_rate=1e-4,
    target_step_size=1.0,
    target_delay=250,  # in 1,000 env steps
    epsilon=0.01,
    exploration_updates=updates_until(0.1, 10_000_000, 100_000, 0.25),
    hidden=(512,),
    orthogonal=False,
)
DQN_PRESETS = {
    "cartpole": Preset("*CartPole-v1", 1, 50_000, ZOO_CARTPOLE, "rl-zoo3"),
    "atari": Preset(ATARI, 1, 10_000_000, ZOO_ATARI, "rl-zoo3"),
    "default": Preset("*", 4, 50_000, DQN(), "chosen here"),
}
DOUBLE_DQN_PRESETS = {
    "cartpole": Preset("*CartPole-v1", 4, 60_000, DQN(gamma=0.98), "chosen here"),
    "cartpole_zoo": Preset("", 1, 50_000, ZOO_CARTPOLE, "rl-zoo3's numbers for DQN"),
    "atari": Preset(ATARI, 1, 10_000_000, ZOO_ATARI, "rl-zoo3's numbers for DQN"),
    "cliff_walking": Preset(
        "CliffWalking*",
        8,
        60_000,
        DQN(
            capacity=20_000,
            batch_size=64,
            update_ratio=0.125,
            learning_rate=1e-3,
            exploration_updates=4_000,
            hidden=(64,),
        ),
        "chosen here",
        env_arguments={"env_kwargs": {"max_episode_steps": 200}},  # it has no limit of its own
    ),
    "default": Preset("*", 4, 50_000, DQN(), "chosen here"),
}


@recipe(COMPATIBLE, DQN_PRESETS)
def dqn(
    env: Env,
    config: DQN = DQN(),
    *,
    q: Network | NoisyNetwork | None = None,
    returns: Returns = expected(),
    replay: Replay = replay,
) -> Recipe:
    """Deep Q-learning (Mnih et al., 2015, https://www.nature.com/articles/nature14236).

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters.
        q: of observations to the values [..., n] of all actions, or to K numbers of each, [..., n * K];
            of goal environments it takes observation and goal side by side. None for a ReLU
            perceptron, or for images convolutions.
        returns: what the network's outputs say of returns: their mean, or with K numbers
            ``quantiles(K)``, ``categorical_returns(K, ...)`` and others of ``recipes.returns``.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, or ``q`` does not fit the environment.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, batch_size=8, start_steps=16, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    return q_learning(
        "dqn",
        env,
        config,
        following=losses.best_of_target,
        q=q,
        returns=returns,
        replay=lambda error: replay,
        make_q=q_maker(config),
    )


@recipe(COMPATIBLE, DOUBLE_DQN_PRESETS)
def double_dqn(
    env: Env,
    config: DQN = DQN(),
    *,
    q: Network | NoisyNetwork | None = None,
    returns: Returns = expected(),
    replay: Replay = replay,
) -> Recipe:
    """Double Q-learning (van Hasselt et al., https://arxiv.org/abs/1509.06461).

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters.
        q: as for ``dqn``.
        returns: as for ``dqn``.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, or ``q`` does not fit the environment.

    Example:
        >>> recipe = double_dqn(envs.cartpole(4), DQN(num_steps=4, batch_size=8, start_steps=16, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    return q_learning(
        "double_dqn",
        env,
        config,
        following=losses.best_of_online,
        q=q,
        returns=returns,
        replay=lambda error: replay,
        make_q=q_maker(config),
    )

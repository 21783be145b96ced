"""Rainbow: double Q-learning with six additions, each of which is a piece that can be taken out."""

from dataclasses import dataclass
from functools import partial

import torch

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import Network, NoisyNetwork, mlp, noisy_dueling, noisy_mlp, sequential
from nappo2.recipes._dqn import DQN
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.off_policy import Replay
from nappo2.recipes.presets import ATARI, Preset
from nappo2.recipes.q_learning import COMPATIBLE, q_learning
from nappo2.recipes.recipe import recipe
from nappo2.recipes.returns import Error, Returns, categorical_returns
from nappo2.recipes.torsos import has_torso, torso_of, with_vector_view
from nappo2.stages import Recipe, prioritized_replay, rolling_n_step


@checked
@dataclass(frozen=True)
class Rainbow(DQN):
    """Hyper-parameters of Hessel et al. (https://arxiv.org/abs/1710.02298) for small problems.

    Attributes:
        num_atoms: of the distribution of returns.
        lowest: return of the first atom.
        highest: return of the last atom.
        n_step: steps of a transition.
        sigma: first deviations of noisy layers, in units of one over the root of their inputs.
        alpha: exponent of priorities.
        beta: first exponent of importance weights, which rises to 1.
        beta_updates: updates in which it rises.
    """

    num_steps: int = 4
    update_ratio: float = 0.25
    batch_size: int = 64
    learning_rate: float = 5e-4
    epsilon: float = 0.0
    exploration_updates: int = 1
    num_atoms: int = 51
    lowest: float = -10.0
    highest: float = 10.0
    n_step: int = 3
    sigma: float = 0.5
    alpha: float = 0.5
    beta: float = 0.4
    beta_updates: int = 15_000


PRESETS = {
    "cartpole": Preset(
        "*CartPole-v1",
        4,
        60_000,
        Rainbow(gamma=0.98, lowest=0.0, highest=50.0),
        "double_dqn's, with returns from 0 to 1 / (1 - gamma)",
    ),
    "atari": Preset(
        ATARI,
        1,
        10_000_000,
        Rainbow(
            capacity=1_000_000,
            batch_size=32,
            start_steps=20_000,
            learning_rate=6.25e-5,
            adam_eps=1.5e-4,
            target_step_size=1.0,
            target_delay=2_000,  # 32,000 frames
            hidden=(512, 512),
            beta_updates=2_500_000,
        ),
        "table 1 of Hessel et al. 2018",
    ),
    "default": Preset("*", 4, 100_000, Rainbow(), "chosen here"),
}


@recipe(COMPATIBLE, PRESETS)
def rainbow(
    env: Env,
    config: Rainbow = Rainbow(),
    *,
    q: Network | NoisyNetwork | None = None,
    returns: Returns | None = None,
    replay: Replay | None = None,
) -> Recipe:
    """Rainbow (Hessel et al., https://arxiv.org/abs/1710.02298).

    Double Q-learning with a distribution of returns, a dueling network with noisy layers, prioritised
    replay and transitions of n steps. Without one of them: ``returns=expected()``, a ``q`` of one's own,
    ``replay=replay``, ``Rainbow(n_step=1)``, ``Rainbow(sigma=0.0, epsilon=0.05)``.

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters.
        q: as for ``dqn``; None for a dueling network with noisy layers.
        returns: as for ``dqn``; None for a categorical distribution.
        replay: None for prioritised replay by the errors of the loss.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, or ``q`` does not fit the environment.

    Example:
        >>> config = Rainbow(num_steps=4, batch_size=8, start_steps=16, hidden=(8,))
        >>> recipe = rainbow(envs.cartpole(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    c = config

    def prioritized(error: Error) -> Replay:
        beta = optim.linear(c.beta, 1.0, c.beta_updates)
        return partial(prioritized_replay, priority=error, alpha=c.alpha, beta=beta)

    return q_learning(
        "rainbow",
        env,
        c,
        following=losses.best_of_online,
        q=q,
        returns=returns or categorical_returns(c.num_atoms, c.lowest, c.highest),
        replay=prioritized if replay is None else lambda error: replay,
        make_q=lambda *sizes: first_weights(noisy_dueling_q(*sizes, sigma=c.sigma), c),
        rollouts=rolling_n_step(c.n_step),
    )


@checked
def noisy_dueling_q(
    env: Env, hidden: tuple[int, ...], num_outputs: int, sigma: float = 0.5
) -> NoisyNetwork:
    """A dueling network whose heads are noisy, of an environment's observations.

    Args:
        env: whose observations and actions it fits, without masks.
        hidden: sizes of the hidden layers, of which the first is the torso's.
        num_outputs: of the network, n * K.
        sigma: of the noise.

    Returns:
        The network.

    Raises:
        ValueError: if there is no hidden layer.
    """
    if not hidden:
        raise ValueError("a dueling network has a hidden layer, such as (128,); hidden is ()")
    if has_torso(env):
        torso, sizes = torso_of(env, hidden)
    else:
        layer = sequential(mlp(env.observation_spec.size, hidden[0], final_gain=2**0.5), torch.relu)
        torso, sizes = with_vector_view(layer, env), hidden
    n = env.action_spec.size
    heads = (noisy_mlp(*sizes, size, sigma=sigma) for size in (num_outputs // n, num_outputs))
    return noisy_dueling(torso, *heads, n)

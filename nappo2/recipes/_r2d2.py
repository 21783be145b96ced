"""R2D2: recurrent double Q-learning from a replay of sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from tensordict import TensorDict

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.masks import beside_mask, unmasked
from nappo2.maths.moments import no_moments, normalize_parts
from nappo2.maths.rescaling import Rescaling, unscaled
from nappo2.networks import Cell, Network, RecurrentQ, lstm, mlp, sequential, with_torso
from nappo2.params import replaced
from nappo2.policies import greedy_q, with_memory
from nappo2.recipes.configs import OffPolicy, Sequences
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env, check_fit
from nappo2.recipes.masks import masking_of
from nappo2.recipes.off_policy import Replay, first_params, off_policy
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.torsos import perceiving
from nappo2.stages import Recipe, replay, rolling_windows

COMPATIBLE = OFF_POLICY._replace(
    actions=("discrete",),
    agent=("RecurrentQ",),
    reasons={
        "actions": "it has a value for each of n actions",
        "storage": "it learns from sequences with what they led to",
    },
)


@checked
@dataclass(frozen=True)
class R2D2(Sequences, OffPolicy):
    """Hyper-parameters of recurrent Q-learning, beside those of ``OffPolicy`` and ``Sequences``.

    Attributes:
        num_steps: of each environment per rollout; sequences go over their borders.
        capacity: sequences in the replay.
        batch_size: sequences in a batch.
        lambda_: of the targets; 0 for one step.
        target_step_size: Polyak step of the target towards the online network, per update.
        epsilon: final probability of a uniform action.
        exploration_updates: updates in which that probability falls from 1 to ``epsilon``.
        max_grad_norm: bound on the global norm of gradients.
        hidden: sizes of the layers, of which the last is the cell.
        normalize: whether observations are normalised.
    """

    num_steps: int = 40
    capacity: int = 5_000
    batch_size: int = 32
    update_ratio: float = 0.125
    start_steps: int = 2_000
    learning_rate: float = 1e-3
    gamma: float = 0.98
    lambda_: float = 0.7
    target_step_size: float = 0.01
    epsilon: float = 0.02
    exploration_updates: int = 2_000
    max_grad_norm: float = 10.0
    hidden: tuple[int, ...] = (64, 64)
    normalize: bool = True


PRESETS = {
    "default": Preset(
        "*",
        8,
        100_000,
        R2D2(),
        "chosen here, on CartPole without velocities",
    )
}


@recipe(COMPATIBLE, PRESETS)
def r2d2(
    env: Env,
    config: R2D2 = R2D2(),
    *,
    cell: Callable[[int, int], Cell] = lstm,
    q: RecurrentQ | None = None,
    replay: Replay = replay,
    rescaling: Rescaling = unscaled(),
) -> Recipe:
    """Recurrent double DQN (after Kapturowski et al., 2019, https://openreview.net/forum?id=r1lyTjAqYX).

    Stored memory, burn-in and overlapping sequences are as in the paper, and with
    ``rescaling=hyperbolic()`` values too; replay is uniform.

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters.
        cell: ``lstm``, ``gru``, or another ``(inputs, size) -> Cell``.
        q: None for ReLU layers, a cell, and a linear layer.
        replay: ``replay``, or prioritised.
        rescaling: of the returns that ``q`` learns: ``unscaled()``, or ``hyperbolic()`` for large ones.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, or ``q`` does not fit the environment.

    Example:
        >>> config = R2D2(num_steps=8, batch_size=4, start_steps=16, capacity=100)
        >>> recipe = r2d2(envs.masked_cartpole(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("r2d2", COMPATIBLE, env)
    c, masks, actions = config, masking_of(env), env.action_spec
    q = q or recurrent_q(masks.env, c.hidden, cell, partial(mlp, activation=torch.relu))
    check_agent("r2d2", COMPATIBLE, q)

    view = _normalized if c.normalize else losses.raw_observation
    statistics = masks.env.observation_spec.statistics if c.normalize else {}
    first = first_params(lambda seed: TensorDict(q=q.init(seed)), c, "q")

    def step(params, memory, observation):
        return q.step(params["weights"]["q"], memory, view(params, observation))

    online = masks.values(lambda params, memory: q.values(params["weights"]["q"], memory))

    def init(seed):
        return replaced(first(seed), normalizer=no_moments(**statistics))

    def first_values(params, x):
        return online(params, beside_mask(step(params, torch.zeros(2, size), x), x))

    def value(params, observation, memory):
        memory = step(params, memory, observation)
        return rescaling.invert(online(params, beside_mask(memory, observation)).amax(-1))

    size = q.cell.memory_size
    check_fit("r2d2", env, init(0), {"network q": (first_values, (actions.size,))})
    epsilon = optim.linear(1.0, c.epsilon, max(1, c.exploration_updates))
    return off_policy(
        env,
        c,
        name="r2d2",
        compatible=COMPATIBLE,
        init=init,
        policy=masks.warmup_uniform(with_memory(masks.epsilon_greedy(online, epsilon), step, size)),
        greedy=with_memory(greedy_q(online), step, size),
        value=value,
        loss=losses.recurrent_double_dqn(
            q, burn_in=c.burn_in, lambda_=c.lambda_, view=view, rescaling=rescaling
        ),
        optimizer=optim.chain(optim.clip_by_global_norm(c.max_grad_norm), optim.adam()),
        replay=replay,
        rollouts=rolling_windows(c.length, c.period, c.burn_in),
    )


def _normalized(params, observation):
    return normalize_parts(params["normalizer"], unmasked(observation))


def recurrent_q(
    env: Env,
    hidden: tuple[int, ...],
    cell: Callable[[int, int], Cell],
    make_layers: Callable[..., Network],
) -> RecurrentQ:
    """ReLU layers of an environment's observations, a cell, and a linear layer.

    Args:
        env: whose observations and actions it fits, without masks.
        hidden: sizes of the layers, of which the last is the cell.
        cell: makes the cell.
        make_layers: ``(inputs, *sizes) -> network`` of the layers before the cell.

    Returns:
        The network.

    Raises:
        ValueError: if there are fewer than two sizes.
    """
    if len(hidden) < 2:
        raise ValueError(
            f"hidden needs at least two sizes, of a layer and of the cell, not {hidden}"
        )

    def layers(inputs):
        return sequential(make_layers(inputs, *hidden[:-1]), torch.relu)

    torso = perceiving(env, hidden, layers)
    return RecurrentQ(with_torso(torso, cell(*hidden[-2:])), mlp(hidden[-1], env.action_spec.size))

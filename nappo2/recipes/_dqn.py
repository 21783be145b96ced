"""Deep Q-learning (DQN) and double DQN."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from tensordict import TensorDict

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import Network, mlp
from nappo2.policies import greedy_q
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env, check_fit
from nappo2.recipes.masks import masking_of
from nappo2.recipes.off_policy import Replay, first_params, off_policy
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.torsos import has_torso, torso_network, with_vector_view
from nappo2.recipes.values import greatest_value
from nappo2.stages import Recipe, replay

COMPATIBLE = OFF_POLICY._replace(
    actions=("discrete",),
    agent=("Network",),
    reasons={**OFF_POLICY.reasons, "actions": "it has a value for each of n actions"},
)


@checked
@dataclass(frozen=True)
class DQN:
    """Hyper-parameters of Q-learning for small problems.

    Attributes:
        num_steps: of each environment per rollout.
        capacity: transitions in the replay.
        batch_size: transitions in a batch.
        update_ratio: gradients per transition.
        start_steps: transitions collected with uniform actions, before the first gradient.
        learning_rate: of Adam.
        gamma: discount per step.
        target_step_size: Polyak step of the target towards the online network, per update.
        epsilon: final probability of a uniform action.
        exploration_updates: updates in which that probability falls from 1 to ``epsilon``.
        max_grad_norm: bound on the global norm of gradients.
        hidden: sizes of the hidden layers.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    num_steps: int = 8
    capacity: int = 100_000
    batch_size: int = 128
    update_ratio: float = 0.5
    start_steps: int = 1_000
    learning_rate: float = 3e-4
    gamma: float = 0.99
    target_step_size: float = 0.01
    epsilon: float = 0.05
    exploration_updates: int = 3_000
    max_grad_norm: float = 10.0
    hidden: tuple[int, ...] = (128, 128)
    jit: bool = False


DQN_PRESETS = {"default": Preset("*", 4, 50_000, DQN(), "not measured here")}
DOUBLE_DQN_PRESETS = {
    "cartpole": Preset("*CartPole-v1", 4, 60_000, DQN(gamma=0.98), "measured here"),
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
        "measured here",
        env_arguments={"env_kwargs": {"max_episode_steps": 200}},  # it has no limit of its own
    ),
    "default": Preset("*", 4, 50_000, DQN(), "not measured here"),
}


@recipe(COMPATIBLE, DQN_PRESETS)
def dqn(
    env: Env, config: DQN = DQN(), *, q: Network | None = None, replay: Replay = replay
) -> Recipe:
    """Deep Q-learning (Mnih et al., 2015, https://www.nature.com/articles/nature14236).

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters.
        q: of observations to the values [..., n] of all actions; of goal environments it takes
            observation and goal side by side. None for a ReLU perceptron, or for images
            convolutions.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, or ``q`` does not fit the environment.
    """
    return _q_learning("dqn", losses.dqn, env, config, q, replay)


@recipe(COMPATIBLE, DOUBLE_DQN_PRESETS)
def double_dqn(
    env: Env, config: DQN = DQN(), *, q: Network | None = None, replay: Replay = replay
) -> Recipe:
    """Double Q-learning (van Hasselt et al., https://arxiv.org/abs/1509.06461).

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters.
        q: as for ``dqn``.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, or ``q`` does not fit the environment.
    """
    return _q_learning("double_dqn", losses.double_dqn, env, config, q, replay)


def _q_learning(
    name: str, loss: Callable, env: Env, c: DQN, q: Network | None, replay: Replay
) -> Recipe:
    check_env(name, COMPATIBLE, env)
    masks, actions = masking_of(env), env.action_spec
    if q is None:
        q = _default_q(masks.env, c.hidden)
    elif masks.env.observation_spec.kind == "goals":
        q = with_vector_view(q, masks.env)
    check_agent(name, COMPATIBLE, q)

    values = masks.values(lambda weights, x: q.apply(weights["q"], x))

    def online(params, x):
        return values(params["weights"], x)

    init = first_params(lambda seed: TensorDict(q=q.init(seed)), c, "q")
    check_fit(name, env, init(0), {"network q": (online, (actions.size,))})
    epsilon = optim.linear(1.0, c.epsilon, max(1, c.exploration_updates))
    return off_policy(
        env,
        c,
        name=name,
        compatible=COMPATIBLE,
        init=init,
        policy=masks.warmup_uniform(masks.epsilon_greedy(online, epsilon)),
        greedy=greedy_q(online),
        value=greatest_value(online),
        loss=loss(values),
        optimizer=optim.chain(optim.clip_by_global_norm(c.max_grad_norm), optim.adam()),
        replay=replay,
    )


def _default_q(env: Env, hidden: tuple[int, ...]) -> Network:
    observations, num_actions = env.observation_spec, env.action_spec.size
    if has_torso(env):
        return torso_network(env, hidden, num_actions)
    return with_vector_view(
        mlp(observations.size, *hidden, num_actions, activation=torch.relu), env
    )

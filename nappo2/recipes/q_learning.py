"""Q-learning from a replay in general: a network, what its outputs say of returns, and how it explores."""

from collections.abc import Callable
from typing import Any

import torch
from tensordict import TensorDict

from nappo2 import losses, optim
from nappo2.envs import Env
from nappo2.losses import DistributionalQ, Following
from nappo2.maths.drawn import noise_of
from nappo2.maths.masks import unmasked
from nappo2.networks import Network, NoisyNetwork, mlp, unchanged
from nappo2.pipeline import Transform, compose
from nappo2.policies import Apply, Policy, greedy_q, with_network_noise
from nappo2.recipes.annealing import falling_rate
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env, check_fit
from nappo2.recipes.masks import Masking, masking_of
from nappo2.recipes.off_policy import Replay, first_params, off_policy
from nappo2.recipes.returns import Error, Returns
from nappo2.recipes.torsos import has_torso, torso_network, vector_view, with_vector_view
from nappo2.recipes.values import greatest_value
from nappo2.stages import Recipe, noise

COMPATIBLE = OFF_POLICY._replace(
    actions=("discrete",),
    agent=("Network", "NoisyNetwork"),
    reasons={**OFF_POLICY.reasons, "actions": "it has a value for each of n actions"},
)


def q_learning(
    name: str,
    env: Env,
    config: Any,
    *,
    following: Following,
    q: Network | NoisyNetwork | None,
    returns: Returns,
    replay: Callable[[Error], Replay],
    make_q: Callable[[Env, tuple[int, ...], int], Network | NoisyNetwork],
    **pieces: Any,
) -> Recipe:
    """A recipe of Q-learning with a target network.

    Args:
        name: of the recipe.
        env: where the collectors act, with discrete actions.
        config: as ``off_policy`` reads it, and ``epsilon``, ``exploration_updates``, ``max_grad_norm``,
            ``adam_eps``, ``hidden``, ``anneal_updates`` and ``target_delay``.
        following: how the next action is chosen and valued.
        q: of observations to [..., n * K]; None for what ``make_q`` makes.
        returns: what its K outputs for each action say of returns.
        replay: ``error -> replay``, of which errors may be the priorities.
        make_q: ``(env without masks, hidden, num_outputs) -> q``.
        **pieces: other fields of the ``Recipe``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, or ``q`` does not fit the environment or ``returns``.
    """
    check_env(name, COMPATIBLE, env)
    c, masks, num_outputs = config, masking_of(env), env.action_spec.size * returns.num_outputs
    view = unchanged if q is None else _view(masks.env)
    q = make_q(masks.env, c.hidden, num_outputs) if q is None else q
    check_agent(name, COMPATIBLE, q)
    check_returns(q, returns)
    see = _seeing(q, view)
    described = _described(see, masks, returns, env.action_spec.size)

    def online(params, x):
        return described.values(described.outputs(params["weights"], x), x)

    init = first_params(lambda seed: TensorDict(q=q.init(seed)), c, "q")
    heads = {"network q": (lambda params, x: see(params["weights"], unmasked(x)), (num_outputs,))}
    check_fit(name, env, init(0), heads)
    loss = returns.loss(described, following)
    return off_policy(
        env,
        c,
        name=name,
        compatible=COMPATIBLE,
        init=init,
        policy=masks.warmup_uniform(_exploring(q, online, masks, c)),
        greedy=greedy_q(online),
        value=greatest_value(online),
        loss=losses.with_network_noise(loss) if isinstance(q, NoisyNetwork) else loss,
        optimizer=optim.chain(
            optim.clip_by_global_norm(c.max_grad_norm), optim.adam(eps=c.adam_eps)
        ),
        noise=_noise(q),
        replay=replay(returns.error(described, following)),
        after=falling_rate(c, env),
        target_delay=c.target_delay,
        **pieces,
    )


def check_returns(q: Network | NoisyNetwork, returns: Returns) -> None:
    """Refuses quantiles of drawn fractions of a network that draws none, and the other way round.

    Raises:
        ValueError: says which network or which returns would be right.
    """
    draws = isinstance(q, NoisyNetwork) and bool(q.still.any())
    num = q.noise_size if isinstance(q, NoisyNetwork) and draws else returns.num_outputs
    if draws and not returns.of_drawn:
        raise ValueError(
            f"the network's outputs are quantiles of {num} fractions that it draws, which are learnt "
            f"with returns=recipes.random_quantiles({num})"
        )
    if returns.of_drawn and not (draws and num == returns.num_outputs):
        raise ValueError(
            f"random_quantiles({returns.num_outputs}) are of a network that draws as many fractions: "
            f"q=networks.implicit_quantiles(torso, features, n, num_quantiles={returns.num_outputs})"
        )


def default_q(env: Env, hidden: tuple[int, ...], num_outputs: int) -> Network:
    """A ReLU perceptron of an environment's observations, or for images convolutions.

    Args:
        env: whose observations it takes, without masks.
        hidden: sizes of the hidden layers.
        num_outputs: of the network.

    Returns:
        The network.
    """
    if has_torso(env):
        return torso_network(env, hidden, num_outputs)
    sizes = (env.observation_spec.size, *hidden, num_outputs)
    return with_vector_view(mlp(*sizes, activation=torch.relu), env)


def q_maker(config: Any) -> Callable[[Env, tuple[int, ...], int], Network]:
    """``default_q`` with the first weights that a configuration wants, by its ``orthogonal``."""

    def make_q(env, hidden, num_outputs):
        return first_weights(default_q(env, hidden, num_outputs), config)

    return make_q


def _described(see: Apply, masks: Masking, returns: Returns, num_actions: int) -> DistributionalQ:
    """The Q-function of observations with masks, if there are any, and with noise, if there is some."""

    def outputs(weights, x):
        return see(weights, unmasked(x)).unflatten(-1, (num_actions, returns.num_outputs))

    return DistributionalQ(outputs, masks.values(lambda outputs, x: returns.values(outputs)))


def _seeing(q: Network | NoisyNetwork, view: Callable) -> Apply:
    """``(weights, observation) -> outputs`` [..., n * K]; without noise beside it, with still noise."""
    if isinstance(q, Network):
        return lambda weights, x: q.apply(weights["q"], view(x))

    def see(weights, x):
        drawn = noise_of(x)
        x, drawn = (x, q.still) if drawn is None else (x["observation"], drawn)
        return q.apply(weights["q"], view(x), drawn)

    return see


def _view(env: Env) -> Callable:
    """The input of a given network: in goal environments observation and goal side by side."""
    return vector_view(env) if env.observation_spec.kind == "goals" else unchanged


def _exploring(q: Network | NoisyNetwork, online: Apply, masks: Masking, c: Any) -> Policy:
    epsilon = optim.linear(1.0, c.epsilon, max(1, c.exploration_updates))
    policy = masks.epsilon_greedy(online, epsilon)
    return with_network_noise(policy, q.draw) if isinstance(q, NoisyNetwork) else policy


def _noise(q: Network | NoisyNetwork) -> Transform:
    """The stage that draws what a network needs for a batch."""
    if isinstance(q, Network):
        return compose()

    def draw_noise(batch, rng):
        return {name: q.draw((len(batch),), rng) for name in ("noise", "next_noise")}

    return noise(draw_noise)

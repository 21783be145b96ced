"""Implicit Q-learning (IQL), for recorded data of continuous and of discrete actions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import Distribution, clipped, normal
from nappo2.maths.masks import unmasked
from nappo2.networks import ActorCritics, Network, discrete_actor_critics, mlp
from nappo2.policies import greedy, stochastic
from nappo2.recipes.agents import deterministic_perceptrons
from nappo2.recipes.configs import OffPolicy
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env, check_fit
from nappo2.recipes.masks import masking_of
from nappo2.recipes.normalizing import with_normalized_observations
from nappo2.recipes.off_policy import Replay, critics_of, first_params, off_policy
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.torsos import has_torso, torso_network, with_vector_view
from nappo2.seeds import fold_in
from nappo2.stages import Recipe, replay

LOG_STDS = (-5.0, 2.0)  # within which log standard deviations are, as in the paper's code
COMPATIBLE = OFF_POLICY._replace(
    actions=("continuous", "discrete"),
    reasons={**OFF_POLICY.reasons, "actions": "its actor is within bounds, or makes one choice"},
)


@checked
@dataclass(frozen=True)
class IQL(OffPolicy):
    """Hyper-parameters of Kostrikov et al. (https://arxiv.org/abs/2110.06169), for locomotion.

    Attributes:
        start_steps: transitions collected with uniform actions, before the first gradient.
        learning_rate: of Adam, for actor, critics and value.
        target_step_size: Polyak step of the targets towards the critics, per update.
        expectile: of the values of recorded actions that a state's value is.
        temperature: by which advantages weight the log-likelihood of actions.
        num_critics: K, of whose target values the minimum is used.
        normalize: whether observations are normalised, of recorded data by the moments of all of them.
    """

    start_steps: int = 0
    target_step_size: float = 0.005
    expectile: float = 0.7
    temperature: float = 3.0
    num_critics: int = 2
    normalize: bool = False


PAPER = "Kostrikov et al. 2021, without the falling learning rate of its actor"
PRESETS = {
    "maze": Preset(
        "AntMaze* PointMaze*",
        1,
        1_000_000,
        IQL(expectile=0.9, temperature=10.0),
        f"{PAPER}; of AntMaze it takes 1 from all rewards, as the dataset has to",
    ),
    "default": Preset("*", 1, 1_000_000, IQL(), PAPER),
}


@recipe(COMPATIBLE, PRESETS)
def iql(
    env: Env,
    config: IQL = IQL(),
    *,
    agent: ActorCritics | None = None,
    dist: Distribution | None = None,
    replay: Replay = replay,
) -> Recipe:
    """Implicit Q-learning (Kostrikov et al., https://arxiv.org/abs/2110.06169), for recorded data.

    ``iql(env).replace(source=recorded(dataset))`` learns from a dataset alone. Without it, the recipe
    collects, as one goes on with what was learnt.

    Args:
        env: of the dataset.
        config: the hyper-parameters.
        agent: an actor and K critics; None for ReLU networks, whose means are within [-1, 1].
        dist: of the actor's outputs; None for a normal, or a categorical distribution.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the recipe cannot learn in the environment, or the agent does not fit it.

    Example:
        >>> env = envs.pendulum(4)
        >>> expert = ppo(env, PPO(num_steps=8))
        >>> data = record(collect_of(expert), expert.init(0), 64)
        >>> recipe = iql(env, IQL(batch_size=8, hidden=(8,))).replace(source=recorded(data))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_updates=5, progress=False)
        >>> learner.run().done()
        True
    """
    check_env("iql", COMPATIBLE, env)
    c, actions, size, masks = config, env.action_spec, env.action_spec.size, masking_of(env)
    discrete = actions.kind == "discrete"
    dist = dist or (actions.distribution if discrete else normal())
    agent = agent or (_discrete_agent if discrete else _continuous_agent)(masks.env, c)
    check_agent("iql", COMPATIBLE, agent)
    agent, network = masks.agent(agent), _network(masks.env, c, 1)

    def weights(seed):
        return agent.init(seed).update({"value": network.init(fold_in(seed, "value"))})

    init = first_params(weights, c, "critics")
    heads = {
        "actor": (agent.actor, (dist.num_outputs(size),)),
        "critic": critics_of(agent, None if discrete else size, (size,) if discrete else ()),
    }
    check_fit("iql", env, init(0), heads)
    value, loss = value_of(network), losses.discrete_iql if discrete else losses.iql
    made = off_policy(
        env,
        c,
        name="iql",
        compatible=COMPATIBLE,
        init=init,
        policy=masks.warmup_uniform(stochastic(agent.actor, dist if discrete else clipped(dist))),
        greedy=greedy(agent.actor, dist),
        value=lambda params, observation, memory: value(params["weights"]["value"], observation),
        loss=loss(agent, value, dist, expectile=c.expectile, temperature=c.temperature),
        optimizer=optim.adam(),
        replay=replay,
    )
    return with_normalized_observations(made) if c.normalize else made


def value_of(network: Network) -> Callable[[Mapping, Any], Tensor]:
    """``(weights, observation) -> values`` [N] of a network that gives [N, 1], without masks."""
    return lambda weights, x: network.apply(weights, unmasked(x)).squeeze(-1)


def _network(env: Env, c: IQL, outputs: int, gain: float = 1.0) -> Network:
    """ReLU layers of an environment's observations, behind torsos of images or parts."""
    if has_torso(env):
        return torso_network(env, c.hidden, outputs, gain)
    sizes = (env.observation_spec.size, *c.hidden, outputs)
    return with_vector_view(mlp(*sizes, activation=torch.relu, final_gain=gain), env)


def _discrete_agent(env: Env, c: IQL) -> ActorCritics:
    size = env.action_spec.size
    return discrete_actor_critics(
        _network(env, c, size, 0.01), _network(env, c, size), c.num_critics
    )


def _continuous_agent(env: Env, c: IQL) -> ActorCritics:
    """The means of TD3's actor, with standard deviations that are learnt, the same everywhere."""
    agent, size = deterministic_perceptrons(env, c.hidden, c.num_critics), env.action_spec.size

    def actor(params, x):
        mean = agent.actor(params, x)
        log_std = params["weights"]["log_std"].clamp(*LOG_STDS).expand(*mean.shape[:-1], -1)
        return torch.cat([mean, log_std], -1)

    return agent._replace(
        init=lambda seed: agent.init(seed).update({"log_std": torch.zeros(size)}), actor=actor
    )

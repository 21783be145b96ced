"""What the recipes share: first params, agents of the right sizes, and checks of what fits."""

from collections.abc import Callable
from typing import Any

from nappo2.checks import checked
from nappo2.envs import ActionSpec, Env
from nappo2.maths.distributions import Distribution
from nappo2.networks import (
    ActorCritic,
    Agent,
    actor_critic,
    mlp,
    normalized,
    with_log_std,
)
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.policies import Policy
from nappo2.recipes.fit import check_agent, check_fit, compatible_of
from nappo2.recipes.views import of_rows
from nappo2.recipes.way import way_of
from nappo2.stages import Recipe, to_device
from nappo2.stages.recipe import fitting


def on_policy(
    env: Env,
    agent: Agent,
    dist: Distribution,
    *,
    name: str,
    num_epochs: int = 1,
    num_minibatches: int = 1,
    policy: Policy | None = None,
    prepare: Transform,
    **pieces: Any,
) -> Recipe:
    """An on-policy recipe, in which the agent settles how it acts and of what minibatches are.

    Args:
        prepare: advantages of rollouts.
        policy: None for the one that the agent and the distribution make.
        **pieces: of the ``Recipe``, as they are.

    Raises:
        ValueError: if the minibatches do not divide a rollout, or something does not fit.
    """
    check_agent(name, agent)
    way = way_of(agent)
    way.check_division(env.num_envs, pieces["num_steps"], num_minibatches)
    params = make_params(agent.init(0), normalizer=agent.normalizer())
    outputs = dist.num_outputs(env.action_spec.size)
    heads = {
        "actor": (lambda params, x: agent.begin(params, x)[0], (outputs,)),
        "critic": (lambda params, x: agent.begin(params, x)[1], ()),
    }
    check_fit(name, env, params, heads)
    made = Recipe(
        name=name,
        env=env,
        policy=policy or way.policy(env, agent, dist),
        greedy=way.greedy(agent, dist),
        batches=way.batches(num_epochs, num_minibatches),
        all_batches=way.all_batches(num_epochs, num_minibatches),
        prepare=compose(to_device(), prepare),
        compatible=compatible_of(name),
        **pieces,
    )
    return fitting(made)


def first_params(agent: Any, config: Any, *names: str) -> Callable[[int], Params]:
    """``seed -> params``: the agent's weights, and of the config what may change during a run."""

    def init(seed):
        hyper = {name: getattr(config, name) for name in names}
        return make_params(agent.init(seed), normalizer=agent.normalizer(), **hyper)

    return init


@checked
def suited(env: Env) -> Distribution:
    """The distribution for an environment's actions, such as a categorical or a diagonal normal."""
    return env.action_spec.distribution


@checked
def perceptrons(
    env: Env, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> ActorCritic:
    """Separate tanh perceptrons for actor and critic, of an environment's sizes.

    For continuous actions with standard deviations that no observation changes.

    Args:
        env: whose spaces they fit.
        hidden: sizes of the layers between.
        normalize: whether they see normalised observations, and rewards are scaled.
    """
    observations, actions = env.observation_spec, env.action_spec
    networks = (
        mlp(observations.size, *hidden, actions.size, final_gain=0.01),
        mlp(observations.size, *hidden, 1),
    )
    agent = with_spread(actor_critic(*(of_rows(network, env) for network in networks)), actions)
    return normalized(agent, observations.shape) if normalize else agent


def with_spread(agent: Agent, actions: ActionSpec) -> Agent:
    """An agent, with the log standard deviations that the distribution of actions needs, if any."""
    return with_log_std(agent, actions.log_stds) if actions.log_stds else agent

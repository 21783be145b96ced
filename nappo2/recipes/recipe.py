"""On-policy recipes in general, and the decorator of all functions that make recipes."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Protocol

from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs import Env, make
from nappo2.maths.distributions import Distribution
from nappo2.networks import Agent
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.policies import Policy, sampler_of, stochastic_with_log_prob
from nappo2.recipes.fit import check_fit
from nappo2.recipes.owners import check_config, owned_by
from nappo2.recipes.presets import Preset, preset_matching
from nappo2.recipes.values import agent_value, one_step
from nappo2.saving.calls import remembering
from nappo2.stages import Compatibility, Recipe, to_device
from nappo2.stages.learning.feeds import feed_of
from nappo2.stages.recipe import fitting


class RecipeMaker(Protocol):
    """A function ``(env, config) -> Recipe`` that ``recipe`` decorates.

    Attributes:
        compatible: actions, observations, agents, storage and schemes that it supports.
        presets: by name, with a ``default``.
    """

    compatible: Compatibility
    presets: Mapping[str, Preset]

    def __call__(self, *args: Any, **kwargs: Any) -> Recipe:
        """Makes the recipe, after a check of the arguments."""


def recipe(
    compatible: Compatibility, presets: Mapping[str, Preset]
) -> Callable[[Callable[..., Recipe]], RecipeMaker]:
    """Decorates a function that makes a recipe: checks arguments, and makes environments of an id.

    An id stands for as many environments as the preset for it has; the configuration stays the default.
    A configuration of another recipe is refused, where it adds to the one that this recipe takes.
    """

    def environments(env):
        return make(env, preset_matching(presets, env).num_envs) if isinstance(env, str) else env

    def decorate(make_recipe):
        remembered, name = remembering(checked(make_recipe)), make_recipe.__name__
        kind = make_recipe.__annotations__["config"]
        owned_by(name, kind)

        @wraps(make_recipe)
        def decorated(*args, **kwargs):
            check_config(name, kind, kwargs.get("config", args[1] if len(args) > 1 else None))
            if "env" in kwargs:
                return remembered(*args, **kwargs | {"env": environments(kwargs["env"])})
            return remembered(*map(environments, args[:1]), *args[1:], **kwargs)

        decorated.is_maker, decorated.compatible, decorated.presets = True, compatible, presets
        return decorated

    return decorate


@checked
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
    """An on-policy recipe; the agent says how to act, and whether minibatches are of sequences.

    It also sets ``all_batches``, so that one process learns by the fused ``learn``, and puts
    ``to_device`` before ``prepare``.

    Args:
        env: where the collectors act.
        agent: an actor and a critic.
        dist: of the actor's outputs.
        name: of the recipe.
        num_epochs: passes over each rollout.
        num_minibatches: per pass.
        policy: how the collectors act; None for ``agent.policy(dist)``.
        prepare: adds advantages and value targets to rollouts.
        **pieces: other fields of the ``Recipe``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the minibatches do not divide a rollout, or the agent does not fit the
            environment.
    """
    feed, greedy = feed_of(agent), agent.greedy(dist)
    feed.sizes(TensorDict(batch_size=(pieces["num_steps"], env.num_envs)), num_minibatches)
    check_outputs(name, env, agent, dist, pieces["init"](0))
    made = Recipe(
        name=name,
        env=env,
        policy=policy or acting_policy(env, agent, dist),
        greedy=greedy,
        value=agent_value(agent, greedy),
        batches=feed.batches(num_epochs, num_minibatches),
        all_batches=feed.all_batches(num_epochs, num_minibatches),
        prepare=compose(to_device(), prepare),
        **pieces,
    )
    return fitting(made)


def check_outputs(name: str, env: Env, agent: Agent, dist: Distribution, params: Params) -> None:
    """Refuses an agent whose outputs or values do not have an environment's sizes.

    Args:
        name: of the recipe.
        env: where the agent is to act.
        agent: to be checked.
        dist: of the actor's outputs.
        params: of the agent.

    Raises:
        ValueError: if outputs for two observations have other shapes, or the agent raises.
    """
    policy, num_outputs = agent.policy(dist), dist.num_outputs(env.action_spec.size)

    def first(params: Params, observation: Any) -> list[Tensor]:
        """Outputs and values of a rollout of one step of two environments."""
        batch = one_step(policy, observation, policy.init(2, 0), is_init=True)
        return [x.squeeze(0) for x in agent.outputs_and_values(params, batch)]

    heads = {
        "actor": (lambda params, x: first(params, x)[0], (num_outputs,)),
        "critic": (lambda params, x: first(params, x)[1], ()),
    }
    check_fit(name, env, params, heads)


def acting_policy(env: Env, agent: Agent, dist: Distribution) -> Policy:
    """The agent's policy; of images, one that scores its actions when it acts.

    Convolutions are the most expensive part, so they are not computed again to score a rollout.

    Args:
        env: where the policy acts.
        agent: whose policy it is.
        dist: of the actor's outputs.

    Returns:
        The policy.
    """
    policy = agent.policy(dist)
    sampler = sampler_of(policy)
    if sampler is None or not env.observation_spec.has_images:
        return policy
    return stochastic_with_log_prob(sampler.actor, sampler.dist)


def first_params(agent: Any, config: Any, *names: str) -> Callable[[int], Params]:
    """First params of an on-policy recipe.

    Args:
        agent: whose weights and statistics they have.
        config: the hyper-parameters.
        *names: fields of the config that may change during a run: ``params["hyper"]``.

    Returns:
        ``seed -> params``.
    """

    def init(seed):
        hyper = {name: getattr(config, name) for name in names}
        return make_params(agent.init(seed), normalizer=agent.normalizer(), **hyper)

    return init


@checked
def default_distribution(env: Env) -> Distribution:
    """The distribution for an environment's actions, such as categorical or diagonal normal.

    Example:
        >>> from nappo2.recipes import default_distribution
        >>> dist = default_distribution(envs.cartpole(2))
        >>> dist.sample(torch.tensor([[-50.0, 50.0]]), generator(0))
        tensor([1])
    """
    return env.action_spec.distribution

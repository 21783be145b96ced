"""What the recipes share: how they are made, first params, and checks of what fits."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs import Env, make
from nappo2.maths.distributions import Distribution
from nappo2.networks import Agent
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.policies import Policy, sampler_of, stochastic_with_log_prob
from nappo2.recipes.fit import check_fit, compatible_of
from nappo2.stages import Recipe, to_device
from nappo2.stages.learning.batches import feed_of
from nappo2.stages.recipe import fitting


def recipe(make_recipe: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe, whose arguments are checked; an id stands for as many environments as its preset has."""
    put_together = checked(make_recipe)

    @wraps(make_recipe)
    def made(*args, **kwargs):
        environments = partial(_environments, make_recipe.__name__)
        if "env" in kwargs:
            return put_together(*args, **kwargs | {"env": environments(kwargs["env"])})
        return put_together(*map(environments, args[:1]), *args[1:], **kwargs)

    made.is_maker = True
    return made


def _environments(name: str, env: Env | str) -> Env:
    if not isinstance(env, str):
        return env
    from nappo2.recipes.presets import preset_for

    return make(env, preset_for(name, env).num_envs)


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
    """An on-policy recipe; the agent answers how it acts and of what minibatches are.

    Args:
        env: where the collectors act.
        agent: which is to learn.
        dist: of its outputs.
        name: of the recipe.
        num_epochs: passes over each rollout.
        num_minibatches: per pass.
        policy: None for the one that the agent and the distribution make.
        prepare: advantages of rollouts.
        **pieces: of the ``Recipe``, as they are.

    Raises:
        ValueError: if the minibatches do not divide a rollout, or something does not fit.
    """
    feed = feed_of(agent)
    feed.sizes(TensorDict(batch_size=(pieces["num_steps"], env.num_envs)), num_minibatches)
    check_outputs(name, env, agent, dist)
    made = Recipe(
        name=name,
        env=env,
        policy=policy or acting_policy(env, agent, dist),
        greedy=agent.greedy(dist),
        batches=feed.batches(num_epochs, num_minibatches),
        all_batches=feed.all_batches(num_epochs, num_minibatches),
        prepare=compose(to_device(), prepare),
        compatible=compatible_of(name),
        **pieces,
    )
    return fitting(made)


def check_outputs(name: str, env: Env, agent: Agent, dist: Distribution) -> None:
    """Refuses an agent whose outputs or values are not of an environment's sizes.

    Raises:
        ValueError: says what it gives for two observations, and what would be right.
    """
    policy, num_outputs = agent.policy(dist), dist.num_outputs(env.action_spec.size)
    row = {"is_init": torch.ones(2, dtype=torch.bool)}
    row |= zip(("memory",), policy.recorded(policy.init(2, 0)), strict=False)

    def first(params: Params, observation: Tensor) -> list[Tensor]:
        """Of a rollout of one step of two environments."""
        batch = {key: x.unsqueeze(0) for key, x in {**row, "observation": observation}.items()}
        return [x.squeeze(0) for x in agent.outputs_and_values(params, batch)]

    heads = {
        "actor": (lambda params, x: first(params, x)[0], (num_outputs,)),
        "critic": (lambda params, x: first(params, x)[1], ()),
    }
    check_fit(name, env, make_params(agent.init(0), normalizer=agent.normalizer()), heads)


def acting_policy(env: Env, agent: Agent, dist: Distribution) -> Policy:
    """The agent's policy; of images, one that scores its actions at once.

    Convolutions cost more than all that is around them, so they are not computed again.
    """
    policy = agent.policy(dist)
    sampler = sampler_of(policy)
    if sampler is None or env.observation_spec.kind != "images":
        return policy
    return stochastic_with_log_prob(sampler.actor, sampler.dist)


def first_params(agent: Any, config: Any, *names: str) -> Callable[[int], Params]:
    """``seed -> params``: the agent's weights, and of the config what may change during a run."""

    def init(seed):
        hyper = {name: getattr(config, name) for name in names}
        return make_params(agent.init(seed), normalizer=agent.normalizer(), **hyper)

    return init


@checked
def default_distribution(env: Env) -> Distribution:
    """The distribution for an environment's actions, such as a categorical or a diagonal normal."""
    return env.action_spec.distribution

"""Advantage-weighted regression (AWR), for recorded data and every space of actions."""

from dataclasses import dataclass

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import Distribution
from nappo2.networks import Agent
from nappo2.recipes._clone import COMPATIBLE, Clone, clone
from nappo2.recipes.agents import default_agent
from nappo2.recipes.fit import check_agent
from nappo2.recipes.masks import masking_of
from nappo2.recipes.owners import base_config
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import default_distribution, recipe
from nappo2.recipes.values import agent_value
from nappo2.stages import Recipe


@checked
@dataclass(frozen=True)
class AWR(Clone):
    """Hyper-parameters of Peng et al. (https://arxiv.org/abs/1910.00177): those of cloning, and three.

    Attributes:
        batch_size: transitions in a batch.
        temperature: by which advantages are divided; the lower, the more do only the best actions count.
        limit: the largest weight of an action.
        value_coef: weight of the value's loss.
    """

    batch_size: int = 256
    temperature: float = 1.0
    limit: float = 20.0
    value_coef: float = 1.0


PRESETS = {
    "default": Preset(
        "*",
        1,
        100_000,
        AWR(),
        "Peng et al. 2019 in weights and limit, with Adam and networks of cloning",
    )
}


@recipe(COMPATIBLE, PRESETS)
def awr(
    env: Env,
    config: AWR = AWR(),
    *,
    agent: Agent | None = None,
    dist: Distribution | None = None,
) -> Recipe:
    """Advantage-weighted regression (Peng et al., https://arxiv.org/abs/1910.00177), for recorded data.

    It is meant for ``awr(env).replace(source=recorded(with_returns(dataset, gamma)))``: the returns have the
    discount, and advantages are these minus the values that are learnt.

    Args:
        env: of the dataset.
        config: the hyper-parameters.
        agent: without a memory; None for ``default_agent``: perceptrons, or for images convolutions.
        dist: None for ``default_distribution``.

    Returns:
        The recipe, with whose weights ``ppo`` of the same agent may begin (see the cookbook).

    Raises:
        ValueError: if the agent does not fit the environment.

    Example:
        >>> env = envs.cartpole(4)
        >>> expert = ppo(env, PPO(num_steps=8))
        >>> data = record(collect_of(expert), expert.init(0), 64)
        >>> data = with_returns(data, gamma=0.99)
        >>> recipe = awr(env, AWR(batch_size=8, hidden=(8,))).replace(source=recorded(data))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_updates=5, progress=False)
        >>> learner.run().done()
        True
    """
    c, dist = config, dist or default_distribution(env)
    agent = agent or default_agent(env, c.hidden, c.normalize)
    check_agent("awr", COMPATIBLE, agent)
    base, agent = (
        clone(env, base_config(c, Clone), agent=agent, dist=dist),
        masking_of(env).agent(agent),
    )
    regression = losses.awr(
        agent,
        dist,
        temperature=c.temperature,
        limit=c.limit,
        value_coef=c.value_coef,
        entropy_coef=c.entropy_coef,
    )
    value = agent_value(agent, base.greedy)
    return base.replace(name="awr", loss=regression, value=value)

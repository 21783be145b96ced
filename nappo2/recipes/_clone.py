"""Behaviour cloning: an agent that does what was recorded, for every space of actions."""

from dataclasses import dataclass

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import Distribution
from nappo2.networks import Agent
from nappo2.params import make_params
from nappo2.pipeline import compose
from nappo2.recipes.agents import default_agent
from nappo2.recipes.fit import OFF_POLICY, check_agent, check_env
from nappo2.recipes.masks import masking_of
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import check_outputs, default_distribution, recipe
from nappo2.stages import Recipe, all_due, replay, to_device
from nappo2.stages.recipe import fitting

COMPATIBLE = OFF_POLICY._replace(agent=("ActorCritic",))


@checked
@dataclass(frozen=True)
class Clone:
    """Hyper-parameters of behaviour cloning.

    Attributes:
        batch_size: transitions in a batch.
        learning_rate: of Adam.
        entropy_coef: weight of the entropy.
        max_grad_norm: to which gradients are clipped.
        hidden: sizes of the hidden layers.
        normalize: whether observations are normalised, by the moments of all that was recorded.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    batch_size: int = 64
    learning_rate: float = 1e-3
    entropy_coef: float = 0.0
    max_grad_norm: float = 10.0
    hidden: tuple[int, ...] = (64, 64)
    normalize: bool = False
    jit: bool = False


PRESETS = {"default": Preset("*", 1, 100_000, Clone(), "chosen here")}


@recipe(COMPATIBLE, PRESETS)
def clone(
    env: Env,
    config: Clone = Clone(),
    *,
    agent: Agent | None = None,
    dist: Distribution | None = None,
) -> Recipe:
    """Behaviour cloning: the log-likelihood of recorded actions (Pomerleau, https://papers.nips.cc/paper/95).

    It is meant for ``clone(env).replace(source=recorded(dataset))``. Without a source it would collect,
    and learn to do what it does.

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
        >>> recipe = clone(env, Clone(batch_size=8, hidden=(8,))).replace(source=recorded(data))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_updates=5, progress=False)
        >>> learner.run().done()
        True
    """
    check_env("clone", COMPATIBLE, env)
    c, dist = config, dist or default_distribution(env)
    agent = agent or default_agent(env, c.hidden, c.normalize)
    check_agent("clone", COMPATIBLE, agent)
    agent = masking_of(env).agent(agent)

    def init(seed):
        normalizer = agent.normalizer().exclude("return")  # no reward is read
        return make_params(agent.init(seed), normalizer=normalizer, learning_rate=c.learning_rate)

    check_outputs("clone", env, agent, dist, init(0))
    batches = compose(replay(100_000, c.batch_size), to_device())
    made = Recipe(
        name="clone",
        compatible=COMPATIBLE,
        init=init,
        env=env,
        policy=agent.policy(dist),
        greedy=agent.greedy(dist),
        num_steps=16,
        loss=losses.clone(agent, dist, entropy_coef=c.entropy_coef),
        optimizer=optim.chain(optim.clip_by_global_norm(c.max_grad_norm), optim.adam()),
        batches=lambda num: batches,
        all_batches=compose(batches, all_due()),
        jit=c.jit,
    )
    return fitting(made)

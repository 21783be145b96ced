"""IMPALA: actor-critic with importance-weighted corrections of older rollouts."""

from dataclasses import dataclass

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import Distribution
from nappo2.networks import Agent
from nappo2.recipes.agents import default_agent
from nappo2.recipes.fit import ON_POLICY, check_env
from nappo2.recipes.masks import masking_of
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import default_distribution, first_params, on_policy, recipe
from nappo2.stages import Recipe, vtrace


@checked
@dataclass(frozen=True)
class Impala:
    """Hyper-parameters of Espeholt et al. (https://arxiv.org/abs/1802.01561) for small problems.

    Attributes:
        num_steps: of each environment per rollout, which is one batch.
        learning_rate: of Adam.
        gamma: discount per step.
        clip_rho: bound on the importance ratios of TD errors.
        clip_c: bound on the importance ratios of traces.
        value_coef: weight of the value's loss.
        entropy_coef: weight of the entropy bonus.
        max_grad_norm: bound on the global norm of gradients.
        adam_eps: epsilon of Adam.
        hidden: sizes of the hidden layers of actor and critic.
        normalize: whether observations are normalised and rewards scaled.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    num_steps: int = 20
    learning_rate: float = 4e-3
    gamma: float = 0.99
    clip_rho: float = 1.0
    clip_c: float = 1.0
    value_coef: float = 0.5
    entropy_coef: float = 0.0
    max_grad_norm: float = 0.5
    adam_eps: float = 1e-5
    hidden: tuple[int, ...] = (64, 64)
    normalize: bool = False
    jit: bool = False


PRESETS = {
    "cartpole": Preset("*CartPole-v1", 8, 200_000, Impala(), "chosen here"),
    "default": Preset("*", 8, 1_000_000, Impala(normalize=True), "chosen here"),
}


@recipe(ON_POLICY, PRESETS)
def impala(
    env: Env,
    config: Impala = Impala(),
    *,
    agent: Agent | None = None,
    dist: Distribution | None = None,
) -> Recipe:
    """Actor-critic with V-trace (Espeholt et al., https://arxiv.org/abs/1802.01561).

    Args:
        env: where the collectors act.
        config: the hyper-parameters.
        agent: None for ``default_agent``.
        dist: None for ``default_distribution``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the recipe cannot learn in the environment, or the agent does not fit it.

    Example:
        >>> recipe = impala(envs.cartpole(4), Impala(num_steps=8, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("impala", ON_POLICY, env)
    c, dist = config, dist or default_distribution(env)
    agent = masking_of(env).agent(agent or default_agent(env, c.hidden, c.normalize))
    return on_policy(
        env,
        agent,
        dist,
        name="impala",
        compatible=ON_POLICY,
        init=first_params(agent, c, "learning_rate", "gamma", "entropy_coef"),
        num_steps=c.num_steps,
        prepare=vtrace(agent, dist, c.clip_rho, c.clip_c),
        loss=losses.a2c(agent, dist, value_coef=c.value_coef),
        optimizer=optim.chain(
            optim.clip_by_global_norm(c.max_grad_norm), optim.adam(eps=c.adam_eps)
        ),
        jit=c.jit,
    )

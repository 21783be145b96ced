"""A2C and VPG: policy gradients with a learnt baseline, one update per rollout."""

from dataclasses import dataclass

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import Distribution
from nappo2.networks import Agent
from nappo2.policies import Policy
from nappo2.recipes.agents import default_agent
from nappo2.recipes.annealing import annealing
from nappo2.recipes.first_weights import agent_of
from nappo2.recipes.fit import ON_POLICY, check_env
from nappo2.recipes.masks import masking_of
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import default_distribution, first_params, on_policy, recipe
from nappo2.stages import SCHEMES, Recipe, discounted, gae

HYPER = ("learning_rate", "gamma", "entropy_coef")
NO_RATIOS = {"scheme": "it has no importance ratios, which rollouts of older params need"}
COMPATIBLE = ON_POLICY._replace(
    scheme=tuple(word for word in SCHEMES if not word.startswith("da")),  # whose collectors wait
    reasons={**ON_POLICY.reasons, **NO_RATIOS},
)


@checked
@dataclass(frozen=True)
class A2C:
    """Hyper-parameters of Mnih et al. (https://arxiv.org/abs/1602.01783) for small problems.

    Attributes:
        num_steps: of each environment per rollout, which is one batch.
        learning_rate: of RMSProp.
        gamma: discount per step.
        lambda_: of the advantage estimates; 1 for returns less values.
        value_coef: weight of the value's loss.
        entropy_coef: weight of the entropy bonus.
        max_grad_norm: bound on the global norm of gradients.
        rmsprop_eps: epsilon of RMSProp.
        hidden: sizes of the hidden layers of actor and critic.
        relu: whether perceptrons have ReLU rather than tanh.
        orthogonal: whether weights are orthogonal at first, rather than uniform as torch's are.
        initial_log_std: first log standard deviations of continuous actions.
        normalize: whether observations are normalised and rewards scaled.
        anneal_updates: updates in which learning_rate falls to 0; 0 for a constant.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    num_steps: int = 8
    learning_rate: float = 7e-4
    gamma: float = 0.99
    lambda_: float = 1.0
    value_coef: float = 0.5
    entropy_coef: float = 0.0
    max_grad_norm: float = 0.5
    rmsprop_eps: float = 1e-5
    hidden: tuple[int, ...] = (64, 64)
    relu: bool = False
    orthogonal: bool = True
    initial_log_std: float = 0.0
    normalize: bool = False
    anneal_updates: int = 0
    jit: bool = False


A2C_PRESETS = {
    "cartpole": Preset(
        "*CartPole-v1",
        8,
        200_000,
        A2C(value_coef=1.0),
        "rl-zoo3, with rollouts of 8 steps",
    ),
    "default": Preset("*", 8, 1_000_000, A2C(normalize=True), "chosen here"),
}


@recipe(COMPATIBLE, A2C_PRESETS)
def a2c(
    env: Env,
    config: A2C = A2C(),
    *,
    agent: Agent | None = None,
    dist: Distribution | None = None,
    policy: Policy | None = None,
) -> Recipe:
    """Advantage actor-critic (Mnih et al., https://arxiv.org/abs/1602.01783); with the scheme 2daca, A3C.

    Args:
        env: where the collectors act.
        config: the hyper-parameters.
        agent: None for ``default_agent``.
        dist: None for ``default_distribution``.
        policy: how the collectors act; None for a policy that samples from ``dist``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the recipe cannot learn in the environment, or the agent does not fit it.

    Example:
        >>> recipe = a2c(envs.cartpole(4), A2C(num_steps=8, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("a2c", COMPATIBLE, env)
    c, dist = config, dist or default_distribution(env)
    agent = masking_of(env).agent(agent or agent_of(env, c))
    return on_policy(
        env,
        agent,
        dist,
        name="a2c",
        compatible=COMPATIBLE,
        init=first_params(agent, c, *HYPER),
        num_steps=c.num_steps,
        prepare=gae(agent, c.lambda_),
        loss=losses.a2c(agent, dist, value_coef=c.value_coef),
        optimizer=optim.chain(
            optim.clip_by_global_norm(c.max_grad_norm), optim.rmsprop(eps=c.rmsprop_eps)
        ),
        after=annealing(c, ("learning_rate",), 1),
        policy=policy,
        jit=c.jit,
    )


@checked
@dataclass(frozen=True)
class VPG:
    """Hyper-parameters of the vanilla policy gradient; defaults are those of the original Nappo.

    Attributes:
        num_steps: of each environment per rollout, which is one batch.
        learning_rate: of Adam.
        gamma: discount per step.
        value_coef: weight of the value's loss, half a squared error.
        entropy_coef: weight of the entropy bonus.
        max_grad_norm: bound on the global norm of gradients.
        hidden: sizes of the hidden layers of actor and critic.
        normalize: whether observations are normalised and rewards scaled.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    num_steps: int = 64
    learning_rate: float = 3e-3
    gamma: float = 0.99
    value_coef: float = 2.0
    entropy_coef: float = 0.0
    max_grad_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)
    normalize: bool = False
    jit: bool = False


VPG_PRESETS = {
    "cartpole": Preset("*CartPole-v1", 8, 200_000, VPG(), "chosen here"),
    "default": Preset("*", 8, 1_000_000, VPG(normalize=True), "chosen here"),
}


@recipe(COMPATIBLE, VPG_PRESETS)
def vpg(
    env: Env,
    config: VPG = VPG(),
    *,
    agent: Agent | None = None,
    dist: Distribution | None = None,
) -> Recipe:
    """Vanilla policy gradient: REINFORCE with a learnt baseline (Williams, 1992).

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
        >>> recipe = vpg(envs.cartpole(4), VPG(num_steps=8, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("vpg", COMPATIBLE, env)
    c, dist = config, dist or default_distribution(env)
    agent = masking_of(env).agent(agent or default_agent(env, c.hidden, c.normalize))
    return on_policy(
        env,
        agent,
        dist,
        name="vpg",
        compatible=COMPATIBLE,
        init=first_params(agent, c, *HYPER),
        num_steps=c.num_steps,
        prepare=discounted(agent),
        loss=losses.a2c(agent, dist, value_coef=c.value_coef),
        optimizer=optim.chain(optim.clip_by_global_norm(c.max_grad_norm), optim.adam()),
        jit=c.jit,
    )

"""Proximal policy optimisation (PPO)."""

from dataclasses import dataclass, replace
from typing import Literal

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import Distribution
from nappo2.maths.surrogates import standardize
from nappo2.networks import Agent
from nappo2.pipeline import compose
from nappo2.policies import Policy
from nappo2.recipes.annealing import annealing
from nappo2.recipes.first_weights import agent_of
from nappo2.recipes.fit import ON_POLICY, check_env
from nappo2.recipes.masks import masking_of
from nappo2.recipes.presets import ATARI, Preset
from nappo2.recipes.recipe import default_distribution, first_params, on_policy, recipe
from nappo2.stages import Recipe, gae, kl_exceeds, standardized

WHOLE_ROLLOUTS = "it stops early by target_kl, which one process decides of a whole rollout"


@checked
@dataclass(frozen=True)
class PPO:
    """Hyper-parameters of PPO; defaults are those for MuJoCo and PyBullet with 8 environments.

    Attributes:
        num_steps: of each environment per rollout.
        num_epochs: passes over each rollout.
        num_minibatches: per pass, a divisor of the rollout's size.
        learning_rate: of Adam.
        gamma: discount per step.
        lambda_: of the advantage estimates.
        clip_eps: bound on the change of probability ratios.
        value_coef: weight of the value's loss.
        entropy_coef: weight of the entropy bonus.
        max_grad_norm: bound on the global norm of gradients.
        adam_eps: epsilon of Adam.
        hidden: sizes of the hidden layers of actor and critic.
        relu: whether perceptrons have ReLU rather than tanh.
        orthogonal: whether weights are orthogonal at first, rather than uniform as torch's are.
        initial_log_std: first log standard deviations of continuous actions.
        normalize: whether observations are normalised and rewards scaled.
        clip_value: whether the value loss clips the change of values to clip_eps.
        standardize_rollout: whether advantages are standardised over the rollout, as in the
            original Nappo, rather than over each minibatch.
        anneal_updates: updates in which what is ``annealed`` falls to 0; 0 for constants.
        annealed: learning_rate, clip_eps, or both.
        target_kl: KL of old and new policy, in nats; above 1.5 of it the rest of a rollout's
            minibatches is skipped. None to use all.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    num_steps: int = 256
    num_epochs: int = 10
    num_minibatches: int = 32
    learning_rate: float = 3e-4
    gamma: float = 0.99
    lambda_: float = 0.95
    clip_eps: float = 0.2
    value_coef: float = 0.5
    entropy_coef: float = 0.0
    max_grad_norm: float = 0.5
    adam_eps: float = 1e-5
    hidden: tuple[int, ...] = (64, 64)
    relu: bool = False
    orthogonal: bool = True
    initial_log_std: float = 0.0
    normalize: bool = True
    clip_value: bool = False
    standardize_rollout: bool = False
    anneal_updates: int = 0
    annealed: tuple[Literal["learning_rate", "clip_eps"], ...] = ("learning_rate", "clip_eps")
    target_kl: float | None = None
    jit: bool = False


CARTPOLE = PPO(
    num_steps=32,
    num_epochs=20,
    num_minibatches=1,
    learning_rate=1e-3,
    gamma=0.98,
    lambda_=0.8,
    value_coef=1.0,
    normalize=False,
)
TOY_TEXT = PPO(
    num_steps=128,
    num_epochs=4,
    num_minibatches=4,
    learning_rate=2.5e-3,
    entropy_coef=0.01,
    hidden=(64,),
    normalize=False,
)
"""For environments whose observations are choices."""

PRESETS = {
    "cartpole": Preset(
        "*CartPole-v1", 8, 100_000, CARTPOLE, "rl-zoo3, without its falling rate and clip range"
    ),
    "cartpole_zoo": Preset(
        "",
        8,
        100_000,
        replace(CARTPOLE, anneal_updates=7_812),  # of 100,000 steps, 20 per rollout
        "rl-zoo3",
    ),
    "catch": Preset(
        "torch/Catch-v0",
        32,
        40_000,
        PPO(
            num_steps=32,
            num_epochs=4,
            num_minibatches=4,
            learning_rate=1e-3,
            entropy_coef=0.01,
            normalize=False,
        ),
        "chosen here",
    ),
    "frozen_lake": Preset(
        "FrozenLake*",
        8,
        300_000,
        replace(
            TOY_TEXT,
            num_steps=256,
            learning_rate=1e-3,
            entropy_coef=0.02,
            anneal_updates=4 * 4 * 146,  # of 300,000 steps
        ),
        "chosen here on the map of 4 x 4",
    ),
    "taxi": Preset(
        "Taxi-v*",
        8,
        400_000,
        replace(TOY_TEXT, anneal_updates=4 * 4 * 390),  # of 400,000 steps
        "chosen here",
    ),
    "blackjack": Preset(
        "Blackjack-v*",
        8,
        200_000,
        replace(TOY_TEXT, gamma=1.0, lambda_=1.0, anneal_updates=4 * 4 * 195),  # of 200,000 steps
        "chosen here",
    ),
    "atari": Preset(
        ATARI,
        8,
        10_000_000,
        PPO(
            num_steps=128,
            num_epochs=4,
            num_minibatches=4,
            learning_rate=2.5e-4,
            clip_eps=0.1,
            entropy_coef=0.01,
            hidden=(512,),
            normalize=False,
            anneal_updates=4 * 4 * 9_765,  # of 10,000,000 steps
        ),
        "Schulman et al. 2017, with an epoch more, as in the baselines",
    ),
    "nappo": Preset(
        "",
        1,
        1_000_000,
        PPO(
            num_steps=1000,
            num_epochs=4,
            num_minibatches=4,
            learning_rate=1e-4,
            entropy_coef=0.01,
            adam_eps=1e-8,
            hidden=(256, 256),
            normalize=False,
            clip_value=True,
            standardize_rollout=True,
        ),
        "the README of the original Nappo",
    ),
    "long": Preset(
        "",
        1,
        300_000,
        PPO(num_steps=2048),
        "Schulman et al. 2017: one environment, 2,048 steps; normalised",
    ),
    "asynchronous": Preset(
        "",
        4,
        300_000,
        PPO(num_steps=128, num_minibatches=8),
        "shorter rollouts lag less: 4 x 128 steps per collector, minibatches of 64",
    ),
    "default": Preset(
        "*", 8, 300_000, PPO(), "the classic MuJoCo configuration in 8 x 256 steps, normalised"
    ),
}


@recipe(ON_POLICY, PRESETS)
def ppo(
    env: Env,
    config: PPO = PPO(),
    *,
    agent: Agent | None = None,
    dist: Distribution | None = None,
    policy: Policy | None = None,
) -> Recipe:
    """Proximal policy optimisation (Schulman et al., https://arxiv.org/abs/1707.06347).

    Ratios are relative to the recorded log-probabilities, so rollouts may be of older params.

    Args:
        env: where the collectors act.
        config: the hyper-parameters.
        agent: None for ``default_agent``: perceptrons, or for images convolutions.
        dist: None for ``default_distribution``.
        policy: how the collectors act, with the log-probabilities of ``dist``; None for a policy
            that samples from ``dist``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the minibatches do not divide a rollout, or the agent does not fit the
            environment.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("ppo", ON_POLICY, env)
    c, dist = config, dist or default_distribution(env)
    agent = masking_of(env).agent(agent or agent_of(env, c))
    hyper = ["learning_rate", "gamma", "clip_eps", "entropy_coef"]
    made = on_policy(
        env,
        agent,
        dist,
        name="ppo",
        compatible=ON_POLICY,
        init=first_params(agent, c, *hyper, *["target_kl"] * (c.target_kl is not None)),
        num_steps=c.num_steps,
        prepare=compose(gae(agent, c.lambda_), *[standardized()] * c.standardize_rollout),
        loss=losses.ppo(
            agent,
            dist,
            value_coef=c.value_coef,
            value_loss=losses.clipped_value_loss if c.clip_value else losses.plain_value_loss,
            scale=_unchanged if c.standardize_rollout else standardize,
        ),
        optimizer=optim.chain(
            optim.clip_by_global_norm(c.max_grad_norm), optim.adam(eps=c.adam_eps)
        ),
        num_epochs=c.num_epochs,
        num_minibatches=c.num_minibatches,
        after=annealing(c, c.annealed, c.num_epochs * c.num_minibatches),
        policy=policy,
        jit=c.jit,
    )
    return made if c.target_kl is None else with_early_stopping(made)


def with_early_stopping(recipe: Recipe) -> Recipe:
    """Skips the rest of a rollout's minibatches once the KL is above 1.5 ``hyper["target_kl"]``."""
    reasons = {**recipe.compatible.reasons, "scheme": WHOLE_ROLLOUTS}
    compatible = recipe.compatible._replace(scheme=("3cs", "ds2cs", "da2cs"), reasons=reasons)
    return recipe.replace(stop_early=kl_exceeds, compatible=compatible)


def _unchanged(advantage):
    return advantage

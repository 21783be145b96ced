"""PQN: Q-learning on rollouts, without replay and target network."""

from dataclasses import dataclass

from tensordict import TensorDict

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.losses import Loss
from nappo2.maths.distributions import categorical
from nappo2.maths.moments import no_moments, normalize_parts
from nappo2.networks import (
    Agent,
    Network,
    epsilon_greedy_agent,
    layer_norm_cnn,
    layer_norm_mlp,
    sequential,
)
from nappo2.params import make_params
from nappo2.policies import greedy_q
from nappo2.recipes.fit import ON_POLICY, check_agent, check_env
from nappo2.recipes.masks import masking_of
from nappo2.recipes.presets import ATARI, Preset
from nappo2.recipes.recipe import on_policy, recipe
from nappo2.recipes.torsos import image_torso, perceiving, with_vector_view
from nappo2.stages import Compatibility, Recipe, lambda_returns, scheduled

COMPATIBLE = ON_POLICY._replace(
    actions=("discrete",),
    agent=("Network",),
    storage=("minibatches",),
    reasons={
        "actions": "it has a value for each of n actions",
        "storage": "its targets are of whole rollouts and the newest params",
    },
)


@checked
@dataclass(frozen=True)
class PQN:
    """Hyper-parameters of Gallici et al. (https://arxiv.org/abs/2407.04811) for small problems.

    Attributes:
        num_steps: of each environment per rollout.
        num_epochs: passes over each rollout.
        num_minibatches: per pass.
        learning_rate: of RAdam.
        anneal_updates: updates in which the learning rate falls to 0; 0 for a constant one.
        gamma: discount per step.
        lambda_: of the returns; 0 for one step, 1 for whole episodes.
        epsilon: final probability of a uniform action.
        exploration_updates: updates in which that probability falls from 1 to ``epsilon``.
        max_grad_norm: bound on the global norm of gradients.
        hidden: sizes of the hidden layers.
        normalize: whether observations are normalised and rewards scaled.
        jit: whether learning is compiled, and collecting in environments in torch.
    """

    num_steps: int = 32
    num_epochs: int = 2
    num_minibatches: int = 4
    learning_rate: float = 5e-4
    anneal_updates: int = 0
    gamma: float = 0.99
    lambda_: float = 0.65
    epsilon: float = 0.05
    exploration_updates: int = 500
    max_grad_norm: float = 10.0
    hidden: tuple[int, ...] = (128, 128)
    normalize: bool = False
    jit: bool = False


PRESETS = {
    "cartpole": Preset(
        "*CartPole-v1",
        32,
        300_000,
        PQN(
            num_steps=64,
            num_epochs=4,
            num_minibatches=16,
            learning_rate=2.5e-4,
            anneal_updates=9_344,  # of 300,000 steps, 64 per rollout
            lambda_=0.95,
            epsilon=0.1,
            exploration_updates=1_000,
            normalize=True,
        ),
        "purejaxql's, with another rate and shorter exploration, on 20 seeds from 5000",
    ),
    "catch": Preset(
        "*Catch-v0",
        16,
        40_000,
        PQN(
            num_steps=16,
            num_epochs=4,
            anneal_updates=2_500,  # of 40,000 steps, 16 per rollout
            lambda_=0.9,
            epsilon=0.01,
            exploration_updates=100,
        ),
        "chosen here, on six seeds from 100",
    ),
    "atari": Preset(
        ATARI,
        128,
        10_000_000,
        PQN(
            num_minibatches=32,
            learning_rate=2.5e-4,
            epsilon=0.001,
            exploration_updates=15_625,  # a tenth of the run
            hidden=(512,),
        ),
        "purejaxql's pqn_atari.yaml",
    ),
    "default": Preset("*", 16, 1_000_000, PQN(), "chosen here"),
}


@recipe(COMPATIBLE, PRESETS)
def pqn(env: Env, config: PQN = PQN(), *, q: Network | None = None) -> Recipe:
    """Parallelised Q-learning (PQN; Gallici et al., https://arxiv.org/abs/2407.04811).

    Lambda-returns are computed once per rollout; layer normalisation stands in for a target network.

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters.
        q: of observations to the values [..., n] of all actions; None for a perceptron with layer
            normalisation, or for images convolutions with it.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, the minibatches do not divide a rollout, or ``q``
            does not fit the environment.

    Example:
        >>> recipe = pqn(envs.cartpole(4), PQN(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("pqn", COMPATIBLE, env)
    c, masks = config, masking_of(env)
    q = _default_q(masks.env, c.hidden) if q is None else _seeing_goals(q, masks.env)
    check_agent("pqn", COMPATIBLE, q)
    values = masks.values(lambda params, x: q.apply(params["weights"]["q"], _view(params, x)))
    agent = epsilon_greedy_agent(
        lambda seed: TensorDict(q=q.init(seed)), values, lambda: no_moments(**statistics_of(env, c))
    )
    return on_rollouts("pqn", env, c, agent, losses.pqn(values), COMPATIBLE).replace(
        greedy=greedy_q(values)
    )


def statistics_of(env: Env, config: PQN) -> dict[str, tuple[int, ...]]:
    """Shapes of the statistics that a configuration keeps of observations and returns, by name."""
    observations = masking_of(env).env.observation_spec.statistics
    return observations | {"return": ()} if config.normalize else {}


def on_rollouts(
    name: str, env: Env, config: PQN, agent: Agent, loss: Loss, compatible: Compatibility
) -> Recipe:
    """Q-learning on rollouts.

    Args:
        name: of the recipe.
        env: where the collectors act.
        config: the hyper-parameters.
        agent: epsilon-greedy, with a memory or without.
        loss: of values with fixed targets.
        compatible: what goes with it.

    Returns:
        The recipe, whose evaluations are epsilon-greedy.

    Raises:
        ValueError: if the minibatches do not divide a rollout, or the agent does not fit the
            environment.
    """
    c = config

    def init(seed):
        hyper = {"learning_rate": c.learning_rate, "gamma": c.gamma, "epsilon": 1.0}
        return make_params(agent.init(seed), normalizer=agent.normalizer(), **hyper)

    schedules = {"epsilon": optim.linear(1.0, c.epsilon, max(1, c.exploration_updates))}
    if c.anneal_updates:
        schedules["learning_rate"] = optim.linear(c.learning_rate, 0.0, c.anneal_updates)
    return on_policy(
        env,
        agent,
        categorical(),
        name=name,
        compatible=compatible,
        init=init,
        num_steps=c.num_steps,
        prepare=lambda_returns(agent, c.lambda_),
        loss=loss,
        optimizer=optim.chain(optim.clip_by_global_norm(c.max_grad_norm), optim.radam()),
        num_epochs=c.num_epochs,
        num_minibatches=c.num_minibatches,
        after=scheduled(every=c.num_epochs * c.num_minibatches, **schedules),
        jit=c.jit,
    )


def _view(params, observation):
    return normalize_parts(params["normalizer"], observation)


def _seeing_goals(q: Network, env: Env) -> Network:
    return with_vector_view(q, env) if env.observation_spec.kind == "goals" else q


def _default_q(env: Env, hidden: tuple[int, ...]) -> Network:
    spec, size = env.observation_spec, env.action_spec.size
    if spec.kind == "images":
        torso = image_torso(spec.shape, hidden, layer_norm_cnn)
        return sequential(torso, layer_norm_mlp(*hidden, size))
    return perceiving(env, hidden, lambda inputs: layer_norm_mlp(inputs, *hidden, size))

"""PQN with a memory, for environments that are seen in part."""

from tensordict import TensorDict

from nappo2 import losses
from nappo2.envs import Env
from nappo2.maths.masks import unmasked
from nappo2.maths.moments import no_moments, normalize_parts
from nappo2.networks import (
    RecurrentActorCritic,
    RecurrentQ,
    epsilon_greedy_agent,
    gru,
    layer_norm_mlp,
)
from nappo2.policies import Apply, greedy_q, with_memory
from nappo2.recipes._pqn import COMPATIBLE as ON_ROLLOUTS
from nappo2.recipes._pqn import PQN, on_rollouts, statistics_of
from nappo2.recipes._r2d2 import recurrent_q
from nappo2.recipes.fit import check_agent, check_env
from nappo2.recipes.masks import masking_of
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.recurrent import MakeCell
from nappo2.stages import Recipe

COMPATIBLE = ON_ROLLOUTS._replace(agent=("RecurrentQ",), storage=("sequences",))
PRESETS = {
    "cartpole": Preset(
        "*CartPole-v1",
        16,
        400_000,
        PQN(
            num_steps=64,
            num_epochs=4,
            learning_rate=1e-3,
            anneal_updates=6_250,  # of 400,000 steps, 16 per rollout
            gamma=0.98,
            lambda_=0.95,
            exploration_updates=1_000,
            hidden=(64, 64),
            normalize=True,
        ),
        "chosen here, on CartPole without velocities and seeds 100 to 102",
    ),
    "default": Preset(
        "*",
        16,
        300_000,
        PQN(num_steps=64, num_epochs=4, num_minibatches=4, lambda_=0.9, hidden=(64, 64)),
        "chosen here",
    ),
}


@recipe(COMPATIBLE, PRESETS)
def recurrent_pqn(
    env: Env, config: PQN = PQN(), *, cell: MakeCell = gru, q: RecurrentQ | None = None
) -> Recipe:
    """``pqn`` with a memory (Gallici et al., https://arxiv.org/abs/2407.04811), of whole sequences.

    Sequences begin with the memory that was recorded, as those of ``recurrent_ppo``; there is no replay, no
    burn-in and no target network.

    Args:
        env: where the collectors act, with discrete actions.
        config: the hyper-parameters; ``num_minibatches`` divides the number of environments.
        cell: ``gru``, ``lstm``, or another ``(inputs, size) -> Cell``.
        q: None for ReLU layers with layer normalisation, a cell, and a linear layer.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not discrete, the minibatches do not divide the environments,
            ``hidden`` has fewer than two sizes, or ``q`` does not fit the environment.

    Example:
        >>> config = PQN(num_steps=8, num_minibatches=2, hidden=(8, 8))
        >>> recipe = recurrent_pqn(envs.masked_cartpole(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("recurrent_pqn", COMPATIBLE, env)
    c, masks = config, masking_of(env)
    q = q or recurrent_q(masks.env, c.hidden, cell, layer_norm_mlp)
    check_agent("recurrent_pqn", COMPATIBLE, q)

    def head(params, memory):
        return q.head.apply(params["weights"]["q"], q.cell.read(memory))

    values = masks.values(head)
    agent = remembering(q, values, env, c)
    loss = losses.recurrent_pqn(agent, values)
    made = on_rollouts("recurrent_pqn", env, c, agent, loss, COMPATIBLE)
    return made.replace(greedy=with_memory(greedy_q(values), agent.step, agent.memory_size))


def remembering(q: RecurrentQ, values: Apply, env: Env, config: PQN) -> RecurrentActorCritic:
    """The epsilon-greedy agent of a network with a memory.

    Args:
        q: the network; the weights of its cell are ``core``, those of its head ``q``.
        values: ``(params, memory) -> values`` [..., n], with masks beside memories where there are some.
        env: where it acts.
        config: says whether observations are normalised.

    Returns:
        The agent.
    """

    def perceive(params, x):
        seen = normalize_parts(params["normalizer"], unmasked(x))
        return q.cell.project(params["weights"]["core"], seen)

    def advance(params, memory, projected):
        return q.cell.advance(params["weights"]["core"], memory, projected)

    return RecurrentActorCritic(
        core=q.cell.init,
        perceive=perceive,
        advance=advance,
        heads=epsilon_greedy_agent(lambda seed: TensorDict(q=q.head.init(seed)), values),
        memory_size=q.cell.memory_size,
        normalizer=lambda: no_moments(**statistics_of(env, config)),
    )

"""TD3 with behaviour cloning (TD3+BC): TD3 on recorded data."""

from dataclasses import dataclass
from functools import partial

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import ActorCritics
from nappo2.recipes._td3 import COMPATIBLE, TD3, deterministic_recipe
from nappo2.recipes.off_policy import Replay
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.stages import Recipe, replay


@checked
@dataclass(frozen=True)
class TD3BC(TD3):
    """Hyper-parameters of Fujimoto and Gu (https://arxiv.org/abs/2106.06860): those of TD3, but for three.

    Attributes:
        alpha: weight of the value, relative to that of cloning.
        target_delay: updates of the critics per step of the targets, which move with the actor.
        normalize: whether observations are normalised, of recorded data by the moments of all of them.
    """

    alpha: float = 2.5
    target_delay: int = 2
    normalize: bool = True


PRESETS = {
    "default": Preset("*", 1, 1_000_000, TD3BC(), "Fujimoto and Gu 2021"),
}


@recipe(COMPATIBLE, PRESETS)
def td3_bc(
    env: Env, config: TD3BC = TD3BC(), *, agent: ActorCritics | None = None, replay: Replay = replay
) -> Recipe:
    """TD3+BC (Fujimoto and Gu, https://arxiv.org/abs/2106.06860), for recorded data.

    ``td3_bc(env).replace(source=recorded(dataset))`` learns from a dataset alone. Without it, the recipe
    collects as ``td3`` does, and its actor stays near what it did.

    Args:
        env: of the dataset, with continuous actions.
        config: the hyper-parameters.
        agent: an actor of actions in [-1, 1] and K critics; None for ReLU perceptrons.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, the agent does not fit the environment, or
            there is no agent for images.

    Example:
        >>> env = envs.pendulum(4)
        >>> expert = ppo(env, PPO(num_steps=8))
        >>> data = record(collect_of(expert), expert.init(0), 64)
        >>> recipe = td3_bc(env, TD3BC(batch_size=8, hidden=(8,))).replace(source=recorded(data))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_updates=5, progress=False)
        >>> learner.run().done()
        True
    """
    c = config
    loss = partial(losses.td3_bc, alpha=c.alpha, noise_std=c.noise_std, noise_limit=c.noise_limit)
    return deterministic_recipe("td3_bc", env, c, agent, replay, loss)

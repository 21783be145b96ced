"""Random network distillation (RND) for any on-policy recipe, and PPO with it."""

from dataclasses import dataclass

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.envs.masks import without_mask
from nappo2.recipes._ppo import PPO, ppo
from nappo2.recipes.exploration import Exploration, explored, row_network
from nappo2.recipes.fit import ON_POLICY
from nappo2.recipes.owners import base_config, check_config
from nappo2.recipes.presets import ATARI, Preset
from nappo2.recipes.recipe import recipe
from nappo2.stages import Recipe, normalized_sight, random_distillation


@checked
@dataclass(frozen=True)
class RND(Exploration):
    """Hyper-parameters of RND, but for networks those of Burda et al. (https://arxiv.org/abs/1810.12894).

    Attributes:
        novelty_share: share of the transitions from which the predictor learns.
        novelty_hidden: sizes of the hidden layers of the random network and of the critic of
            bonuses; the predictor has two layers more, of the last of these sizes.
        novelty_features: size of the random network's output.
    """

    novelty_share: float = 0.25
    novelty_features: int = 64


@checked
def with_rnd(recipe: Recipe, config: RND = RND()) -> Recipe:
    """The recipe with the bonus of random network distillation (Burda et al., 2018).

    Args:
        recipe: on-policy, such as ``ppo(env)``.
        config: the hyper-parameters.

    Returns:
        The recipe.

    Raises:
        ValueError: for a recipe that ``explored`` refuses, and for the configuration of ``ppo_rnd``.

    Example:
        >>> from nappo2 import envs, ppo
        >>> from nappo2.recipes import RND, with_rnd
        >>> recipe = with_rnd(ppo(envs.catch(8)), RND(intrinsic_coef=0.5))
        >>> sorted(recipe.init(0)["weights", "exploration"].keys())
        ['bonus', 'critic']
    """
    check_config("with_rnd", RND, config)
    c, env = config, recipe.env
    spec, deeper = (
        without_mask(env).observation_spec,
        (*c.novelty_hidden, *c.novelty_hidden[-1:] * 2),
    )
    bonus = random_distillation(
        predictor=row_network(env, deeper, c.novelty_features),
        random=row_network(env, c.novelty_hidden, c.novelty_features),
        sight=normalized_sight(spec.row, spec.size),
    )
    return explored(recipe, bonus, row_network(env, c.novelty_hidden, 1), c)


@checked
@dataclass(frozen=True)
class RndPPO(RND, PPO):
    """Hyper-parameters of PPO with RND: those of both.

    Defaults are those of Burda et al. (https://arxiv.org/abs/1810.12894), table 5, but for networks.
    """

    num_steps: int = 128
    num_epochs: int = 4
    num_minibatches: int = 4
    learning_rate: float = 1e-4
    gamma: float = 0.999
    clip_eps: float = 0.1
    entropy_coef: float = 0.001
    normalize: bool = False


PRESETS = {
    "minigrid": Preset(
        "MiniGrid-*",
        16,
        1_000_000,
        RndPPO(
            learning_rate=1e-3,
            gamma=0.99,
            clip_eps=0.2,
            entropy_coef=0.01,
            hidden=(64,),
            novelty_hidden=(64,),
            novelty_rate=1e-3,  # at 1e-4 bonuses hardly fall, and a door stays shut for 300,000 steps
            novelty_share=1.0,
        ),
        "chosen here, on seed 1000 of DoorKey-6x6 and MultiRoom-N4-S5",
    ),
    "atari": Preset(
        ATARI,
        8,
        10_000_000,
        RndPPO(hidden=(512,), novelty_hidden=(512,), novelty_features=512),
        "Burda et al. 2018 in 8 environments instead of 128",
    ),
    "default": Preset("*", 16, 1_000_000, RndPPO(), "Burda et al. 2018"),
}


@recipe(ON_POLICY, PRESETS)
def ppo_rnd(env: Env, config: RndPPO = RndPPO()) -> Recipe:
    """``ppo`` with random network distillation, as ``with_rnd`` adds it.

    Raises:
        ValueError: if the minibatches do not divide a rollout.

    Example:
        >>> recipe = ppo_rnd(envs.catch(4), RndPPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    made = ppo(env, base_config(config, PPO))
    return with_rnd(made, base_config(config, RND)).replace(name="ppo_rnd")

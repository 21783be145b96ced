"""TQC with state-dependent exploration (gSDE; Raffin et al., https://arxiv.org/abs/2005.05719)."""

from dataclasses import dataclass, replace

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.recipes._tqc import TQC, tqc
from nappo2.recipes.configs import SoftGsde
from nappo2.recipes.gsde_agents import SOFT_GSDE, exploring_actor_critics
from nappo2.recipes.owners import base_config
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.stages import Recipe


@checked
@dataclass(frozen=True)
class GsdeTQC(SoftGsde, TQC):
    """Hyper-parameters of TQC with gSDE; defaults are rl-zoo3's for PyBullet."""

    critic_hidden: tuple[int, ...] = (400, 300)


FALLING = GsdeTQC(anneal_updates=990_000)  # of 1,000,000 steps but the first 10,000
SOURCE = "rl-zoo3"
PRESETS = {
    "hopper": Preset("HopperBulletEnv-v0", 1, 1_000_000, replace(FALLING, num_dropped=5), SOURCE),
    "walker2d": Preset("Walker2DBulletEnv-v0", 1, 1_000_000, FALLING, SOURCE),
    "humanoid": Preset(
        "HumanoidBulletEnv-v0",
        1,
        10_000_000,
        GsdeTQC(num_dropped=5, anneal_updates=9_990_000),
        SOURCE,
    ),
    "bullet": Preset(
        "*BulletEnv-v0", 1, 1_000_000, GsdeTQC(), f"{SOURCE}; for HalfCheetah and Ant"
    ),
    "default": Preset("*", 1, 1_000_000, GsdeTQC(), "rl-zoo3 for PyBullet"),
}


@recipe(SOFT_GSDE, PRESETS)
def tqc_gsde(env: Env, config: GsdeTQC = GsdeTQC()) -> Recipe:
    """``tqc`` with gSDE: its actor explores by a random matrix of its last features.

    The losses draw independent noise for each transition, of the same distribution.

    Raises:
        ValueError: if actions are not continuous, or no quantile is left.

    Example:
        >>> config = GsdeTQC(num_steps=4, batch_size=8, start_steps=16, hidden=(8,), update_ratio=0.25)
        >>> recipe = tqc_gsde(envs.pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    c = config
    agent, policy = exploring_actor_critics(
        env, "tqc_gsde", c, critic_hidden=c.critic_hidden, num_quantiles=c.num_quantiles
    )
    made = tqc(env, base_config(c, TQC), agent=agent, policy=policy)
    return made.replace(name="tqc_gsde", compatible=SOFT_GSDE)

"""A2C with state-dependent exploration (gSDE; Raffin et al., https://arxiv.org/abs/2005.05719)."""

from dataclasses import dataclass, replace

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.recipes._a2c import A2C, NO_RATIOS, a2c
from nappo2.recipes._a2c import COMPATIBLE as OF_A2C
from nappo2.recipes.gsde_agents import ON_POLICY_GSDE, exploring_actor_critic
from nappo2.recipes.owners import base_config
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.stages import Recipe

COMPATIBLE = ON_POLICY_GSDE._replace(
    scheme=OF_A2C.scheme, reasons={**ON_POLICY_GSDE.reasons, **NO_RATIOS}
)


@checked
@dataclass(frozen=True)
class GsdeA2C(A2C):
    """Hyper-parameters of A2C with gSDE; defaults are rl-zoo3's for PyBullet, with a constant rate.

    Attributes:
        initial_log_std: first log standard deviations of the exploration matrix.
        resample_every: steps after which the matrix is drawn again.
    """

    learning_rate: float = 9.6e-4
    lambda_: float = 0.9
    value_coef: float = 0.8
    orthogonal: bool = False
    initial_log_std: float = -2.0
    normalize: bool = True
    resample_every: int = 8


FALLING = GsdeA2C(anneal_updates=62_500)  # of 2,000,000 steps of 4 environments
PRESETS = {
    "reacher": Preset(
        "ReacherBulletEnv-v0",
        4,
        2_000_000,
        replace(FALLING, learning_rate=8e-4),
        "rl-zoo3",
    ),
    "bullet": Preset("*BulletEnv-v0", 4, 2_000_000, FALLING, "rl-zoo3"),
    "default": Preset("*", 4, 2_000_000, GsdeA2C(), "rl-zoo3 for PyBullet"),
}


@recipe(COMPATIBLE, PRESETS)
def a2c_gsde(env: Env, config: GsdeA2C = GsdeA2C()) -> Recipe:
    """``a2c`` with gSDE: its actor explores by a random matrix of its last features.

    Raises:
        ValueError: if actions are not continuous.

    Example:
        >>> recipe = a2c_gsde(envs.pendulum(4), GsdeA2C(num_steps=8, hidden=(8,)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    pieces = exploring_actor_critic(env, "a2c_gsde", COMPATIBLE, config)
    made = a2c(env, base_config(config, A2C), **pieces._asdict())
    return made.replace(name="a2c_gsde", compatible=COMPATIBLE)

"""All recipes by name, with what they support and their presets."""

from collections.abc import Mapping

from nappo2.checks import checked, suggestion
from nappo2.recipes._a2c import a2c, vpg
from nappo2.recipes._a2c_gsde import a2c_gsde
from nappo2.recipes._awr import awr
from nappo2.recipes._clone import clone
from nappo2.recipes._crossq import crossq
from nappo2.recipes._dqn import double_dqn, dqn
from nappo2.recipes._impala import impala
from nappo2.recipes._iql import iql
from nappo2.recipes._ppo import ppo
from nappo2.recipes._pqn import pqn
from nappo2.recipes._r2d2 import r2d2
from nappo2.recipes._rainbow import rainbow
from nappo2.recipes._recurrent_pqn import recurrent_pqn
from nappo2.recipes._recurrent_sac import recurrent_sac
from nappo2.recipes._recurrent_td3 import recurrent_td3
from nappo2.recipes._redq import redq
from nappo2.recipes._rnd import ppo_rnd
from nappo2.recipes._sac import sac
from nappo2.recipes._td3 import td3
from nappo2.recipes._td3_bc import td3_bc
from nappo2.recipes._tqc import tqc
from nappo2.recipes._tqc_gsde import tqc_gsde
from nappo2.recipes.gsde import ppo_gsde, sac_gsde
from nappo2.recipes.presets import Preset, preset_matching
from nappo2.recipes.recipe import RecipeMaker
from nappo2.recipes.recurrent import recurrent_impala, recurrent_ppo

RECIPES: dict[str, RecipeMaker] = {
    "ppo": ppo,
    "impala": impala,
    "a2c": a2c,
    "vpg": vpg,
    "pqn": pqn,
    "sac": sac,
    "td3": td3,
    "tqc": tqc,
    "redq": redq,
    "crossq": crossq,
    "dqn": dqn,
    "double_dqn": double_dqn,
    "rainbow": rainbow,
    "ppo_gsde": ppo_gsde,
    "ppo_rnd": ppo_rnd,
    "sac_gsde": sac_gsde,
    "a2c_gsde": a2c_gsde,
    "tqc_gsde": tqc_gsde,
    "recurrent_ppo": recurrent_ppo,
    "recurrent_impala": recurrent_impala,
    "recurrent_pqn": recurrent_pqn,
    "r2d2": r2d2,
    "recurrent_sac": recurrent_sac,
    "recurrent_td3": recurrent_td3,
}
"""The recipes by name: ``(env, config) -> Recipe``."""

FOR_RECORDED: dict[str, RecipeMaker] = {"clone": clone, "awr": awr, "iql": iql, "td3_bc": td3_bc}
"""Recipes that are meant for recorded data, by name; a run of them is made in Python."""

TABLE = {name: maker.compatible for name, maker in RECIPES.items()}
"""What each recipe supports, by its name."""

PRESETS = {name: maker.presets for name, maker in RECIPES.items()}
"""Presets by recipe and name."""


@checked
def preset(algorithm: str, name: str) -> Preset:
    """The named preset of a recipe.

    Raises:
        ValueError: if there is no such recipe or preset, or the recipe is for recorded data.

    Example:
        >>> found = preset("ppo", "cartpole")
        >>> found.num_envs, found.config.num_epochs
        (8, 20)
    """
    presets = _presets_of(algorithm)
    if name not in presets:
        raise ValueError(
            f"{algorithm} has no preset {name!r}; there is {suggestion(name, presets)}"
        )
    return presets[name]


@checked
def preset_for(algorithm: str, env_id: str) -> Preset:
    """The first preset of a recipe for environments of this id, or else its default.

    Raises:
        ValueError: if there is no such recipe, or it is for recorded data.

    Example:
        >>> from nappo2.recipes import preset_for
        >>> preset_for("sac", "Pendulum-v1").total_steps
        20000
    """
    return preset_matching(_presets_of(algorithm), env_id)


def _presets_of(algorithm: str) -> Mapping[str, Preset]:
    if algorithm in FOR_RECORDED:
        raise ValueError(
            f"{algorithm} learns from recorded data, and a run of it is made in Python: "
            f"{algorithm}(env).replace(source=recorded(dataset)); its presets are {algorithm}.presets"
        )
    if algorithm not in PRESETS:
        raise ValueError(
            f"no recipe is called {algorithm!r}; there is {suggestion(algorithm, PRESETS)}"
        )
    return PRESETS[algorithm]

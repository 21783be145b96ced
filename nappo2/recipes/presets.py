"""Presets: configurations with the environments and budgets they are for, and what measured them."""

import json
from collections.abc import Mapping
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

ATARI = "ALE/* *NoFrameskip-v[04]"
"""Patterns of the ids of Atari games."""

MUJOCO = " ".join(
    f"{name}-v[2-5]" for name in ("HalfCheetah", "Ant", "Hopper", "Walker2d", "Humanoid", "Swimmer")
)
"""Patterns of the ids of MuJoCo's robots that run or swim."""

OF_ENV = ("env_kwargs", "frame_skip", "frame_stack", "time_feature")
"""The arguments of ``envs.make`` that a preset can have."""


class Preset(NamedTuple):
    """A configuration and what it was made for.

    Attributes:
        env: patterns of environment ids, with spaces between.
        num_envs: per collector.
        total_steps: env steps of a run.
        config: of the recipe.
        source: where the numbers come from.
        scheme: the training scheme.
        cuts: arguments of the scheme, such as ``learners``.
        env_arguments: of ``envs.make``; those in ``OF_ENV``.
    """

    env: str
    num_envs: int
    total_steps: int
    config: Any
    source: str
    scheme: str = "3cs"
    cuts: Mapping[str, Any] = {}
    env_arguments: Mapping[str, Any] = {}


def preset_matching(presets: Mapping[str, Preset], env_id: str) -> Preset:
    """The first preset for environments of an id, or else the default."""
    matching = (
        preset
        for preset in presets.values()
        if any(fnmatch(env_id, pattern) for pattern in preset.env.split())
    )
    return next(matching, presets["default"])


def evidence_of(algorithm: str, name: str) -> str:
    """The entries of the page "Measured curves" that measured a preset, or ``unmeasured``."""
    return ", ".join(_evidence().get(algorithm, {}).get(name, ["unmeasured"]))


@cache
def _evidence() -> Mapping[str, Mapping[str, list[str]]]:
    """Names of entries by recipe and preset: a file that ``nox -s zoo -- --draw`` writes."""
    return json.loads(files("nappo2.recipes").joinpath("evidence.json").read_text())

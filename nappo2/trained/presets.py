"""Presets on disk: what a search has found, as plain data that executes nothing when it is read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nappo2.recipes import RECIPES, Preset
from nappo2.saving.calls import plain
from nappo2.saving.log_dir import write_whole
from nappo2.schemes.words import check_taken
from nappo2.trained.configs import settings


def write_preset(
    path: str | Path, algorithm: str, preset: Preset, pieces: Sequence[str] = ()
) -> Path:
    """Writes a preset as JSON.

    Args:
        path: of the file.
        algorithm: the name of the recipe.
        preset: to be written.
        pieces: of the recipe that only its author has.

    Returns:
        The path.
    """
    data = {"algorithm": algorithm, **preset._asdict(), "config": asdict(preset.config)}
    write_whole(Path(path), json.dumps(plain(data | {"pieces": list(pieces)}), indent=2) + "\n")
    return Path(path)


def read_preset(path: str | Path, algorithm: str) -> Preset:
    """Reads a preset for a recipe.

    Raises:
        ValueError: if there is none, it is damaged, of another recipe, or needs pieces that no file has.
    """
    try:
        data = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"the preset {path} cannot be read: {error}") from error
    needed = [name for name in Preset._fields if name != "env_arguments"]  # which is younger
    if not isinstance(data, Mapping) or not set(needed) <= set(data):
        raise ValueError(f"{path} is no preset: it lacks some of {', '.join(needed)}")
    if data.get("algorithm") != algorithm or algorithm not in RECIPES:
        raise ValueError(f"{path} is a preset of {data.get('algorithm')}, not of {algorithm}")
    if data.get("pieces"):
        raise ValueError(
            f"{path} was found with {', '.join(data['pieces'])} of its own, which no file has: train "
            "with the function that made it"
        )
    return _preset(data, type(RECIPES[algorithm].presets["default"].config), path)


def _preset(data: Mapping[str, Any], config_class: type, path: str | Path) -> Preset:
    data = {"env_arguments": {}, **data}
    for name in ("config", "cuts", "env_arguments"):
        if not isinstance(data[name], Mapping):
            raise ValueError(f"{name} in {path} holds values by name, not {data[name]!r}")
    check_taken(data["scheme"], data["cuts"])
    config = config_class(**settings(config_class, data["config"], path))
    names = ("env", "num_envs", "total_steps", "source", "scheme")
    values = settings(Preset, {name: data[name] for name in names}, path)
    others = {name: dict(data[name]) for name in ("cuts", "env_arguments")}
    return Preset(**values, config=config, **others)

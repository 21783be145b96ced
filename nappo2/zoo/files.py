"""Files of rl-zoo3: entries by the id of an environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nappo2.checks import installs
from nappo2.checks.words import nearest
from nappo2.envs import TORCH
from nappo2.envs._atari import is_atari

ATARI = "atari"  # the entry of all its games


def read_entries(path: str | Path) -> dict[str, Mapping[str, Any]]:
    """Reads the entries of a YAML file.

    Args:
        path: of the file.

    Returns:
        Hyper-parameters by name, by the id of the environment.

    Raises:
        ValueError: if PyYAML is missing, or there is no such file, or it has no entries.
    """
    try:
        import yaml
    except ImportError as error:
        raise ValueError(f"{path} is read by PyYAML: {installs('zoo')}") from error
    try:
        entries = yaml.safe_load(Path(path).read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(entries, dict) or not all(_is_entry(x) for x in entries.values()):
        raise ValueError(
            f"{path} has no entries as rl-zoo3's files do: hyper-parameters by name, by the id of an "
            "environment"
        )
    return {str(name): entry for name, entry in entries.items()}


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(key, str) for key in entry)


def name_of(entries: Mapping[str, Any], env_id: str, path: str | Path) -> str:
    """The name of the entry for an environment: its id, or ``atari``.

    An environment in torch has the entry of the one that it equals.

    Args:
        entries: by name.
        env_id: of the environment.
        path: of the file, for messages.

    Returns:
        The name.

    Raises:
        ValueError: if there is none.
    """
    own = env_id.removeprefix("torch/") if env_id in TORCH else env_id
    for name in (own, *[ATARI] * is_atari(env_id)):
        if name in entries:
            return name
    meant = nearest(own, entries) or next(iter(entries), None)
    raise ValueError(
        f"{path} has no entry for {env_id}; entry={meant!r}, or another of its {len(entries)}, "
        "takes one all the same"
    )

"""Makes the agent of a run on disk again, for ``nappo2 play`` and ``nappo2 eval``."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nappo2.envs import Env, make
from nappo2.show import SavedRun, load_run
from nappo2.stages import Recipe


def load_agent_run(path: Path) -> SavedRun:
    """Loads a run of which an agent can be made, with its settings and params.

    Raises:
        ValueError: if there is no run, or one of these is missing.
    """
    try:
        run = load_run(path)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    if not run.description:
        raise ValueError(
            f"{path} has no run.json, which nappo2 train writes, so that its agent cannot be made "
            "again here; where its recipe is, evaluate(env, recipe.greedy, "
            f"load_run({str(path)!r}).params) and video(...) take it"
        )
    if run.params is None:
        raise ValueError(f"{path} has no params.npz, so that its agent cannot be made again")
    return run


def env_id(description: Mapping[str, Any], option: str | None, path: Path) -> str:
    """The id of the environment: that of the option ``--env``, or else that of the run.

    Args:
        description: the settings in run.json.
        option: the value of ``--env``; None without it.
        path: of the run, for messages.

    Returns:
        The id.

    Raises:
        ValueError: if only run.json names a module to import.
    """
    if option is not None:
        return option
    if "env_module" in description:
        env = f"{description['env_module']}:{description['env']}"
        raise ValueError(
            f"{path}/run.json names the environment {env!r}, and no file makes nappo2 import a "
            f"module; if it is yours, say so: --env {env}"
        )
    return description.get("env", "")


def make_agent(run: SavedRun, env_id: str, num_envs: int, **kwargs: Any) -> tuple[Env, Recipe]:
    """Makes environments and the recipe of a run for them.

    Args:
        run: with its settings.
        env_id: the id of the environments.
        num_envs: number of environments.
        **kwargs: for ``make``.

    Returns:
        The environments and the recipe.

    Raises:
        ValueError: if run.json names no recipe, or has other settings than it takes.
    """
    from nappo2.recipes import RECIPES, preset

    algorithm = run.description.get("algorithm")
    if algorithm not in RECIPES:
        raise ValueError(f"{run.log_dir}/run.json names no recipe of nappo2: {algorithm!r}")
    cls = type(preset(algorithm, "default").config)
    config = cls(**settings(cls, run.description.get("config", {})))
    env = make(env_id, num_envs, **kwargs)
    return env, RECIPES[algorithm](env, config)


def settings(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run.json for the fields of a dataclass, converted to their types.

    Raises:
        ValueError: if a name is no field, or a value has another type.
    """
    hints = get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ValueError(f"run.json is of another recipe or version: it has {', '.join(unknown)}")
    return {name: _typed(name, value, hints[name]) for name, value in values.items()}


def _typed(name: str, value: Any, hint: Any) -> Any:
    """The value in its type: a list becomes a tuple, and a text a path."""
    for option in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if _fits(value, option):
            value = tuple(value) if isinstance(value, list) else value
            return Path(value) if option is Path else value
    kind = str(hint).removeprefix("typing.") if get_origin(hint) else hint.__name__
    raise ValueError(f"{name} in run.json is {kind}, not {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_fits(x, get_args(hint)[0]) for x in value)
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    kinds = {float: (int, float), Path: str}
    return isinstance(value, kinds.get(hint, hint))

"""What the commands share that go on from a run on disk."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nappo2.envs import Env, make
from nappo2.show import SavedRun, load_run
from nappo2.stages import Recipe


def saved(path: Path) -> SavedRun:
    """A run that says how it was made, and has params.

    Raises:
        ValueError: if there is none there, or something of it is missing.
    """
    try:
        run = load_run(path)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    if not run.described:
        raise ValueError(
            f"{path} has no run.json, which nappo2 train writes, so that its agent cannot be made "
            "again here; where its recipe is, evaluate(env, recipe.greedy, "
            f"load_run({str(path)!r}).params) and video(...) take it"
        )
    if run.params is None:
        raise ValueError(f"{path} has no params.npz, so that its agent cannot be made again")
    return run


def env_id(described: Mapping[str, Any], given: str | None, path: Path) -> str:
    """The id of the environment: the one that was ``given``, or else the one of the run.

    Raises:
        ValueError: if the run names a module to be imported, and nobody else does.
    """
    if given is not None:
        return given
    if "env_module" in described:
        env = f"{described['env_module']}:{described['env']}"
        raise ValueError(
            f"{path}/run.json names the environment {env!r}, and no file makes nappo2 import a "
            f"module; if it is yours, say so: --env {env}"
        )
    return described.get("env", "")


def rebuilt(run: SavedRun, env: str, num_envs: int, **kwargs: Any) -> tuple[Env, Recipe]:
    """The environment ``env`` and the recipe of a run.

    Raises:
        ValueError: if its run.json does not say how they were made.
    """
    from nappo2.recipes import RECIPES, preset

    algorithm = run.described.get("algorithm")
    if algorithm not in RECIPES:
        raise ValueError(f"{run.log_dir}/run.json names no recipe of nappo2: {algorithm!r}")
    kind = type(preset(algorithm, "default").config)
    config = kind(**settings(kind, run.described.get("config", {})))
    made = make(env, num_envs, **kwargs)
    return made, RECIPES[algorithm](made, config)


def settings(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a run.json has for the fields of a dataclass, in their types.

    Raises:
        ValueError: for a name that is no field, and for a value of another type; names it.
    """
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ValueError(f"run.json is of another recipe or version: it has {', '.join(unknown)}")
    return {name: _typed(name, value, hints[name]) for name, value in values.items()}


def _typed(name: str, value: Any, hint: Any) -> Any:
    """The value as the type says: of a list a tuple, of a text a path."""
    for one in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if _fits(value, one):
            value = tuple(value) if isinstance(value, list) else value
            return Path(value) if one is Path else value
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

"""The run card, run.json: what a run is made of, where and how, as plain data.

Whoever reads a card imports and calls nothing that it names.
"""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from nappo2.envs import Env
from nappo2.envs.space_data import space_data
from nappo2.pipeline import Pipeline
from nappo2.populations import Population
from nappo2.saving.calls import Call, plain
from nappo2.stages.recipe import Recipe

PACKAGES = ("nappo2", "torch", "tensordict", "numpy", "gymnasium", "ray")
NO_CALL = Call("", {}, None)


def run_card(pipeline: Pipeline, **settings: Any) -> dict[str, Any]:
    """A run as data for JSON.

    Args:
        pipeline: whose recipe, scheme and environment are described.
        **settings: further entries, such as ``seed``.

    Returns:
        Entries by name. ``algorithm``, ``config``, ``env``, ``num_envs`` and ``scheme`` with its
        arguments are there if the pipeline is of a recipe; ``environment``, ``recipe`` and the spaces
        are what a trained agent is made of.
    """
    call = pipeline.made or NO_CALL
    arguments = dict(call.arguments)
    recipe = arguments.pop("recipe", None)
    entries: dict[str, Any] = {}
    if isinstance(recipe, Population):
        members = {"num_members": recipe.num_members, "hyper": plain(recipe.hyper)}
        entries["population"], recipe = members, recipe.recipe
    if isinstance(recipe, Recipe):
        entries = _recipe_entries(recipe) | entries
    env = recipe.env if isinstance(recipe, Recipe) else env_of_pipeline(pipeline)
    entries |= {} if env is None else env_entries(env)
    if "name" in arguments:
        entries["scheme"] = arguments.pop("name")
        entries |= {name: plain(value) for name, value in arguments.items()}
    return entries | plain(settings) | {"pipeline": repr(pipeline)} | circumstances()


def _recipe_entries(recipe: Recipe) -> dict[str, Any]:
    data = plain(recipe) if recipe.made else {}
    arguments = data.pop("arguments", {})
    config = arguments.pop("config", {})
    arguments.pop("env", None)
    return {"algorithm": recipe.name, "config": config, "recipe": data | {"arguments": arguments}}


def recipe_of(pipeline: Pipeline) -> Recipe | None:
    """The recipe of which ``scheme`` made a pipeline, or that of a population's members; None without one."""
    recipe = None if pipeline.made is None else pipeline.made.arguments.get("recipe")
    recipe = recipe.recipe if isinstance(recipe, Population) else recipe
    return recipe if isinstance(recipe, Recipe) else None


def env_of_pipeline(pipeline: Pipeline) -> Env | None:
    """The environment in which a pipeline collects; None if it does not, or does not say it."""
    return next((stage.env for stage in pipeline.stages if stage.env is not None), None)


def env_entries(env: Env) -> dict[str, Any]:
    """An environment as entries of a card: its id, the call that made it, and its spaces."""
    entries: dict[str, Any] = {"env": env_id(env), "num_envs": env.num_envs}
    entries["environment"] = plain(env) if env.made else {"function": env.name}
    for name in ("observation_space", "action_space"):
        try:
            entries[name] = space_data(getattr(env, name))
        except NotImplementedError:
            continue
    return entries


def env_id(env: Any) -> str:
    """The id that made an environment, or else its name."""
    arguments = env.made.arguments if env.made else {}
    for name in ("env_id", "env"):
        if isinstance(arguments.get(name), str):
            return arguments[name]
    inner = arguments.get("env")
    return env_id(inner) if isinstance(inner, Env) else env.name


def circumstances() -> dict[str, Any]:
    """Versions of packages, commit, machine, command and time of a run that begins now."""
    return {
        "versions": {"python": platform.python_version()} | _versions(),
        "commit": _commit(),
        "machine": _machine(),
        "command": _command(),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _commit() -> str | None:
    """The commit of the working directory, with ``-dirty`` if files differ; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None


def _machine() -> dict[str, Any]:
    machine = {"system": platform.platform(), "cores": os.cpu_count()}
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        machine["memory_gb"] = round(memory / 1e9, 1)
    if torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name()
    return machine


def _command() -> str:
    """The command line; of a notebook no more than that."""
    if "ipykernel" in sys.modules:
        return "a notebook"
    spec = getattr(sys.modules["__main__"], "__spec__", None)  # of python -m
    program = ["python", "-m", spec.parent] if spec and spec.parent else [_program()]
    return shlex.join([*program, *sys.argv[1:]])


def _program() -> str:
    return os.path.basename(sys.argv[0] or "python")

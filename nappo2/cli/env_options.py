"""The options that say how an environment is made, as several commands take them."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from nappo2.recipes.presets import OF_ENV

DEFAULTS = {"env_kwargs": "{}", "frame_skip": 1, "frame_stack": 1, "time_feature": False}


class EnvOptions(Protocol):
    """Options of a command, some of which are those that presets have, by the same names."""

    env_kwargs: str
    frame_skip: int
    frame_stack: int
    time_feature: bool


def env_arguments(options: EnvOptions) -> dict[str, Any]:
    """The arguments of ``envs.make`` among the options, without those that are its defaults.

    Raises:
        ValueError: if the arguments of the environment are no JSON object.
    """
    try:
        env_kwargs = json.loads(options.env_kwargs)
    except json.JSONDecodeError as error:
        env_kwargs = error
    if not isinstance(env_kwargs, dict):
        raise ValueError(
            '--env-kwargs is an object in JSON, such as \'{"map_name": "8x8"}\', not '
            f"{options.env_kwargs!r}"
        )
    given = {name: getattr(options, name) for name in OF_ENV}
    given = {name: x for name, x in given.items() if x != DEFAULTS[name]}
    return given | ({"env_kwargs": env_kwargs} if env_kwargs else {})


def env_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options that give some arguments of ``envs.make``: the inverse of ``env_arguments``."""
    options = DEFAULTS | {name: x for name, x in arguments.items() if name in OF_ENV}
    if "env_kwargs" in arguments:
        options["env_kwargs"] = json.dumps(arguments["env_kwargs"])
    return options

"""Recipes: what they are made of, and that they can be put together again of other pieces."""

from collections.abc import Callable
from functools import partial, wraps

from nappo2.checks import checked
from nappo2.envs import Env, make
from nappo2.stages import Recipe


def recipe(make_recipe: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe, whose arguments are checked; an id stands for as many environments as its preset has."""
    put_together = checked(make_recipe)

    @wraps(make_recipe)
    def made(*args, **kwargs):
        environments = partial(_environments, make_recipe.__name__)
        if "env" in kwargs:
            return put_together(*args, **kwargs | {"env": environments(kwargs["env"])})
        return put_together(*map(environments, args[:1]), *args[1:], **kwargs)

    made.is_maker = True
    return made


def _environments(name: str, env: Env | str) -> Env:
    if not isinstance(env, str):
        return env
    from nappo2.recipes.presets import preset_for

    return make(env, preset_for(name, env).num_envs)

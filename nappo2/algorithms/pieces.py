"""Recipes: what they are made of, and that they can be put together again of other pieces."""

import inspect
from collections.abc import Callable
from functools import partial, wraps

from nappo2.checks import checked
from nappo2.envs import Env, make
from nappo2.schemes import Stages


def recipe(make_stages: Callable[..., Stages]) -> Callable[..., Stages]:
    """A recipe, whose arguments are checked; an id stands for as many environments as its preset has."""
    put_together = checked(make_stages)

    @wraps(make_stages)
    def made(*args, **kwargs):
        environments = partial(_environments, make_stages.__name__)
        if "env" in kwargs:
            return put_together(*args, **kwargs | {"env": environments(kwargs["env"])})
        return put_together(*map(environments, args[:1]), *args[1:], **kwargs)

    made.is_maker = True
    return made


def _environments(name: str, env: Env | str) -> Env:
    if not isinstance(env, str):
        return env
    from nappo2.algorithms.presets import preset_for

    return make(env, preset_for(name, env).num_envs)


def remade(make: Callable[..., Stages]) -> Callable[..., Stages]:
    """Lets the stages that ``make`` puts together be put together of other pieces, its keywords."""
    signature = inspect.signature(make)

    @wraps(make)
    def made(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return make(*args, **kwargs)._replace(pieces=bound.kwargs, remake=partial(made, *args))

    return made

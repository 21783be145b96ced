"""Recipes that can be put together again of other pieces."""

import inspect
from collections.abc import Callable
from functools import partial, wraps

from nappo2.schemes import Stages


def remade(make: Callable[..., Stages]) -> Callable[..., Stages]:
    """Lets the stages that ``make`` puts together be put together of other pieces, its keywords."""
    signature = inspect.signature(make)

    @wraps(make)
    def made(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return make(*args, **kwargs)._replace(pieces=bound.kwargs, remake=partial(made, *args))

    return made

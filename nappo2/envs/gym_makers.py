"""Makes Gymnasium environments from an id or a function, with errors that name the argument."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial, reduce
from typing import Any

import gymnasium

from nappo2.machine.closing import close_each

Wrapper = Callable[[gymnasium.Env], gymnasium.Env]


class Simulators:
    """The simulators that were made, so that none is used twice; pickled without them."""

    def __init__(self):
        self.by_id: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    def __reduce__(self):
        return Simulators, ()

    def add(self, name: str, env: gymnasium.Env) -> None:
        """Adds a simulator.

        Raises:
            ValueError: if it was added before.
        """
        inner = getattr(env, "unwrapped", env)
        if self.by_id.get(id(inner)) is inner:
            raise ValueError(
                f"{name} gave the same environment twice, which two would step in turns; give a "
                "function that makes a new one each time, such as its class"
            )
        with suppress(TypeError):  # of a class without weak references
            self.by_id[id(inner)] = inner


def maker_of(
    env: str | Callable, kwargs: Mapping[str, Any]
) -> tuple[Callable[[], gymnasium.Env], str]:
    """A function that makes one environment, and its name in messages."""
    if callable(env):
        return partial(env, **kwargs), getattr(env, "__name__", repr(env))
    kwargs = {"disable_env_checker": True, **kwargs}
    return partial(gymnasium.make, env, **kwargs), env.rpartition(":")[2]


def make_wrapped(name: str, make: Callable, wrappers: Sequence[Wrapper]) -> gymnasium.Env:
    """Makes an environment, and closes it again if one of the wrappers fails.

    Args:
        name: of the environment in messages.
        make: makes the environment without its wrappers.
        wrappers: from the inside to the outside.

    Returns:
        The environment in its wrappers.

    Raises:
        ValueError: if ``make`` returns no environment.
    """
    env = make()
    try:
        if not hasattr(env, "observation_space") or not hasattr(env, "action_space"):
            raise ValueError(f"{name} made {env!r}, which is no Gymnasium environment")
        return reduce(lambda env, wrapper: wrapper(env), wrappers, env)
    except BaseException:
        close_each([env] if callable(getattr(env, "close", None)) else [])
        raise


def make_first(
    make: Callable[[], gymnasium.Env], name: str, kwargs: Mapping[str, Any]
) -> gymnasium.Env:
    """Makes the first environment of a vector, and says which argument was wrong if it fails.

    Args:
        make: makes an environment.
        name: of the environment in messages.
        kwargs: with which ``make`` calls what the user gave.

    Returns:
        The environment.

    Raises:
        ValueError: if Gymnasium cannot make it, or it does not take one of the arguments.
    """
    try:
        return make()
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"no environment can be made of {name!r}: {error}") from error
    except TypeError as error:
        takes_none = "() takes no arguments" in str(error)  # as of a class without an __init__
        refused = [
            key
            for key in kwargs
            if takes_none or f"unexpected keyword argument '{key}'" in str(error)
        ]
        if not refused:
            raise
        raise ValueError(f"{name} takes no argument {refused[0]!r}: {error}") from error

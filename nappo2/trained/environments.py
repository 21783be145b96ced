"""The environment of a run, made again as its card says: an id, and functions of nappo2 alone."""

from collections.abc import Callable, Mapping
from typing import Any

from nappo2 import envs
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.envs.space_data import space_of
from nappo2.saving.calls import Unknown, made_again, path_of

MAKERS: tuple[Callable[..., Env], ...] = (
    *(
        envs.make,
        envs.from_gym,
        envs.goal_env,
        envs.atari,
        envs.envpool,
        envs.minigrid,
        envs.pybullet,
    ),
    *(envs.cartpole, envs.masked_cartpole, envs.pendulum, envs.masked_pendulum),
    *(envs.mountain_car, envs.acrobot),
    *(envs.catch, envs.bit_flipping, envs.observing),
)
FUNCTIONS = {path_of(make): make for make in MAKERS}
"""Functions that a card may name."""

MONITORED = path_of(envs.monitored)


@checked
def env_again(card: Mapping[str, Any], num_envs: int | None = None, **arguments: Any) -> Env:
    """Makes the environment of a run.

    Args:
        card: of the run.
        num_envs: B; None for as many as the run had.
        **arguments: further ones for the simulators, such as ``render_mode``.

    Returns:
        The environment, without monitor files, and with as many processes as the run had, but at most
        ``num_envs``.

    Raises:
        ValueError: if it is made by a function, or of a module, that only the card names.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> options = {"target_steps": 64, "log_dir": folder, "progress": False}
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), **options)
        >>> learner.run().close()
        >>> env_again(load_run(folder).description, num_envs=2).num_envs
        2
    """
    env_id = check_id(card)
    data = card.get("environment")
    if not isinstance(data, Mapping):
        data = {"call": path_of(envs.make), "arguments": {"env_id": env_id}}
    try:
        return made_again(_changed(data, num_envs, arguments), FUNCTIONS)
    except Unknown as error:
        raise ValueError(
            f"the environment {env_id} was made by {error}, which nappo2 does not call because a file "
            "says so: give the environment, as --env, or in Python as envs.make(...)"
        ) from error
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"run.json does not say how the environment {env_id} is made: {error}"
        ) from error


def _changed(data: Mapping[str, Any], num_envs: int | None, arguments: Mapping[str, Any]) -> dict:
    """The call with another number of environments, further arguments, and no monitor."""
    call = data | {"arguments": dict(data.get("arguments", {}))}
    inner = call["arguments"].get("env")
    if call.get("call") == MONITORED and isinstance(inner, Mapping):
        return _changed(inner, num_envs, arguments)
    if isinstance(inner, Mapping) and "call" in inner:
        call["arguments"]["env"] = _changed(inner, num_envs, arguments)
        return call
    call["arguments"].pop("monitor", None)
    call["arguments"] |= {} if num_envs is None else {"num_envs": num_envs}
    if num_envs is not None and num_envs < call["arguments"].get("processes", 0):
        call["arguments"]["processes"] = num_envs
    call["arguments"] |= arguments
    return call


def check_id(card: Mapping[str, Any]) -> str:
    """The id of a run's environment, or else its name.

    Raises:
        ValueError: if it is ``module:Id``, for which Gymnasium would import the module, or the card
            names two.
    """
    env_id, made = str(card.get("env", "?")), card.get("environment")
    inside = id_in(made) if isinstance(made, Mapping) else ""
    module, colon, plain_id = inside.rpartition(":")
    if colon or "env_module" in card:
        module = card.get("env_module", module)
        raise ValueError(
            f"run.json names the environment {f'{module}:{env_id}'!r}, and no file makes nappo2 import "
            f"a module; if it is yours, say so: --env {module}:{env_id}, or "
            f"envs.make('{module}:{env_id}')"
        )
    if plain_id not in ("", env_id):
        raise ValueError(f"run.json names two environments, {env_id!r} and {plain_id!r}")
    return env_id


def id_in(data: Mapping[str, Any]) -> str:
    """The id in a call that makes an environment; empty if there is none."""
    arguments = data.get("arguments")
    if not isinstance(arguments, Mapping):
        return ""
    for name in ("env_id", "env"):
        if isinstance(arguments.get(name), str):
            return arguments[name]
    inner = arguments.get("env")
    return id_in(inner) if isinstance(inner, Mapping) else ""


def stand_in(card: Mapping[str, Any]) -> Env:
    """An environment with the spaces of a run's, which cannot be stepped: an agent needs no more.

    Raises:
        ValueError: if the card does not say them.
    """
    names = ("observation_space", "action_space")
    if not all(isinstance(card.get(name), Mapping) for name in names):
        raise ValueError("its card does not say the spaces of its environment")
    name = str(card.get("env", "env"))

    def refuse(*args):
        raise ValueError(
            f"this stands in for {name}, and has its spaces alone: give the environment"
        )

    num_envs = int(card.get("num_envs", 1))
    return Env(refuse, refuse, *(space_of(card[key]) for key in names), num_envs, name)

"""The locomotion and manipulation environments of PyBullet, in the port to Gymnasium."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nappo2.checks import checked, installs, is_installed
from nappo2.envs.env import Env
from nappo2.envs.gym import NO_ARGUMENTS, vector_of
from nappo2.envs.simulators import Place
from nappo2.envs.worlds import load_worlds, save_worlds
from nappo2.machine.silence import silent
from nappo2.saving.calls import remembering

PYBULLET = tuple(
    f"{name}BulletEnv-v0"
    for name in (
        *("InvertedPendulum", "InvertedDoublePendulum", "InvertedPendulumSwingup"),
        *("Reacher", "Pusher", "Thrower", "Walker2D", "HalfCheetah", "Ant", "Hopper"),
        *("Humanoid", "HumanoidFlagrun", "HumanoidFlagrunHarder"),
    )
)
"""The ids of PyBullet's locomotion and manipulation environments."""


@remembering
@checked
def pybullet(
    env_id: str,
    num_envs: int = 1,
    *,
    wrappers: Sequence[Callable] = (),
    info_keywords: Sequence[str] = (),
    processes: int = 0,
    deadline: float = 300.0,
    trust_worlds: bool = False,
    env_kwargs: Mapping[str, Any] = NO_ARGUMENTS,
    **kwargs: Any,
) -> Env:
    """One of the thirteen ``*BulletEnv-v0``.

    Args:
        env_id: such as ``AntBulletEnv-v0``.
        num_envs: B.
        wrappers: around each environment, from the inside to the outside.
        info_keywords: numbers that an environment tells of the last step of an episode.
        processes: that step the environments, each a share; 0 for this process.
        deadline: seconds after which a process that gives no answer is replaced.
        trust_worlds: whether a run may be resumed with the simulators of another user: Bullet reads
            them, and a file that is made to do harm could do it there. Without, their episodes
            begin anew.
        env_kwargs: for the environment, by whatever names.
        **kwargs: for the environment.

    Returns:
        The environment, whose simulators can be saved.

    Raises:
        ValueError: if there is none of this id.
    """
    if env_id not in PYBULLET:
        raise ValueError(f"PyBullet has no {env_id!r}; it has {', '.join(PYBULLET)}")
    if not is_installed("pybullet_envs_gymnasium"):
        raise ValueError(
            f"{env_id} is simulated by PyBullet, which is not installed: {installs('pybullet')} (from "
            "Python 3.12 on that compiles it, for five minutes, with g++; Python 3.11 has a wheel)"
        )
    with silent(*QUIET):
        name = f"pybullet_envs_gymnasium:{env_id}"
        arguments, place = {**env_kwargs, **kwargs}, Place(processes, deadline, QUIET)
        functions = save_worlds, partial(load_worlds, trust_worlds)
        env = vector_of(name, num_envs, wrappers, info_keywords, arguments, *functions, place)

    def quietly(fn):
        def run(*args):
            with silent(1):
                return fn(*args)

        return run

    return env._replace(reset=quietly(env.reset), save=quietly(env.save), load=quietly(env.load))


QUIET = (1, 2)  # descriptors to which Bullet writes its build and its arguments

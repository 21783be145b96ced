"""Plays environments with random actions, where no step may take longer than a deadline."""

import threading
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

from torch import Tensor

from nappo2.envs import Env, Transition
from nappo2.envs.masks import uniform_allowed
from nappo2.machine.clock import waitable
from nappo2.seeds import generator


class Stuck(Exception):
    """Raised if a call takes longer than its deadline."""


class Episode(NamedTuple):
    """The record of some steps.

    Attributes:
        observations: one more than transitions, each [B, ...].
        transitions: of each step.
        seconds: of each step.
    """

    observations: list[Tensor]
    transitions: list[Transition]
    seconds: list[float]


def play(env: Env, seed: int, num_steps: int, deadline: float) -> Episode:
    """Plays random actions, the same for the same seed.

    Args:
        env: the environment, which is closed at the end.
        seed: of the environment and the actions.
        num_steps: number of steps.
        deadline: seconds for any single reset or step.

    Returns:
        The record.
    """
    rng = generator(seed)
    state, observation = within_deadline(lambda: env.reset(seed), deadline, "reset")
    episode = Episode([observation], [], [])
    try:
        for _ in range(num_steps):
            action = uniform_allowed(env, observation, rng)
            timed_step = partial(_timed, env.step, state, action)
            (state, observation, transition), seconds = within_deadline(
                timed_step, deadline, "step"
            )
            episode.seconds.append(seconds)
            episode.observations.append(observation)
            episode.transitions.append(transition)
    finally:
        env.close(state)
    return episode


def _timed(step: Callable, *args: Any) -> tuple[Any, float]:
    start = perf_counter()
    return step(*args), perf_counter() - start


def within_deadline(call: Callable[[], Any], deadline: float, what: str = "making it") -> Any:
    """Calls a function in a thread, and leaves the thread behind if it takes too long.

    Args:
        call: the function.
        deadline: in seconds.
        what: the name of the call in the message.

    Returns:
        What the function returns.

    Raises:
        Stuck: if it takes longer than the deadline.
        Exception: whatever the function raises.
    """
    result: list = []

    def run():
        try:
            result.append((call(), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(waitable(deadline))
    if not result:
        raise Stuck(f"{what} took more than {deadline:g} s")
    value, error = result[0]
    if error is not None:
        raise error
    return value

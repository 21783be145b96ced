"""An environment, tried with random actions, each within a deadline."""

import threading
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

from torch import Tensor

from nappo2.envs import Env, Transition
from nappo2.seeds import generator


class Stuck(Exception):
    """Raised if a call takes longer than its deadline."""


class Episode(NamedTuple):
    """Observations, one more than outcomes, and the seconds of each step."""

    observations: list[Tensor]
    outcomes: list[Transition]
    seconds: list[float]


def play(env: Env, seed: int, num_steps: int, deadline: float) -> Episode:
    """Random actions, the same for the same seed."""
    rng = generator(seed)
    state, observation = timely(lambda: env.reset(seed), deadline, "reset")
    found = Episode([observation], [], [])
    try:
        for _ in range(num_steps):
            stepped = partial(_timed, env.step, state, env.action_spec.uniform(env.num_envs, rng))
            (state, observation, outcome), seconds = timely(stepped, deadline, "step")
            found.seconds.append(seconds)
            found.observations.append(observation)
            found.outcomes.append(outcome)
    finally:
        env.close(state)
    return found


def _timed(step: Callable, *args: Any) -> tuple[Any, float]:
    start = perf_counter()
    return step(*args), perf_counter() - start


def timely(call: Callable[[], Any], deadline: float, what: str = "making it") -> Any:
    """What ``call`` returns, if it does so in time."""
    result: list = []

    def run():
        try:
            result.append((call(), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(deadline)
    if not result:
        raise Stuck(f"{what} took more than {deadline:g} s")
    value, error = result[0]
    if error is not None:
        raise error
    return value

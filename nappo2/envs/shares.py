"""The simulators of one process, a share of those of a vector. It imports no torch."""

import pickle
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from nappo2.envs.gym_makers import Simulators
from nappo2.machine.closing import close_each
from nappo2.machine.silence import silent


class Share:
    """Simulators that another process steps, through ``machine.servers``."""

    def __init__(
        self, make: Callable[[], gymnasium.Env], name: str, spec: EnvSpec | None, quiet: tuple
    ):
        """Makes none yet.

        Args:
            make: makes a simulator.
            name: of the environment in messages.
            spec: of its id, which only the other process may have registered.
            quiet: descriptors that are silent while simulators are made and reset.
        """
        if spec is not None:
            gymnasium.registry.setdefault(spec.id, spec)
        self.make, self.name, self.quiet = make, name, quiet
        self.envs: list[gymnasium.Env] = []

    def reset(self, seeds: Sequence[int]) -> list[tuple[Any, Any]]:
        """Makes a simulator for each seed; returns their spaces and what ``env.reset`` gave."""
        simulators = Simulators()
        with silent(*self.quiet):
            for _ in seeds:
                self.envs.append(self.make())
                simulators.add(self.name, self.envs[-1])
            pairs = [kept(env.reset(seed=seed)) for env, seed in zip(self.envs, seeds, strict=True)]
        return [(env.observation_space, pair) for env, pair in zip(self.envs, pairs, strict=True)]

    def step(self, actions: Sequence) -> list[tuple[Any, Any]]:
        """Steps each, and begins a new episode where one is over.

        Returns:
            Of each what ``env.step`` gave, and what ``env.reset`` gave, or None.
        """
        fives = [kept(env.step(x)) for env, x in zip(self.envs, actions, strict=True)]
        return [
            (five, kept(env.reset()) if is_over(five) else None)
            for env, five in zip(self.envs, fives, strict=True)
        ]

    def render(self) -> Any:
        """A picture of the first one; None if it was made without."""
        env = self.envs[0]
        return env.render() if getattr(env, "render_mode", None) == "rgb_array" else None

    def apply(self, function: Callable, *args: Any) -> Any:
        """Calls ``function(envs, *args)``."""
        with silent(*self.quiet):
            return function(self.envs, *args)

    def close(self) -> None:
        """Closes all."""
        close_each(self.envs)


def kept(outputs: Any) -> Any:
    """The outputs of a simulator, with a copy of the observation, whose array it may use again.

    Only where an episode is over the info stays, without what cannot be pickled.
    """
    if not isinstance(outputs, (tuple, list)) or len(outputs) not in (2, 5):
        return outputs
    observation, *rest = outputs
    is_array = observation.__class__ is np.ndarray
    rest[-1] = _picklable(rest[-1]) if len(rest) == 4 and is_over(outputs) else {}
    return (observation.copy() if is_array else deepcopy(observation), *rest)


def is_over(five: Any) -> bool:
    """Tests whether the outputs of a step say that an episode is over."""
    if not isinstance(five, (tuple, list)) or len(five) != 5:
        return False
    return any(flag if flag.__class__ is bool else _is_true(flag) for flag in five[2:4])


def _is_true(flag: Any) -> bool:
    try:
        array = np.asarray(flag.tolist() if hasattr(flag, "tolist") else flag)
    except (TypeError, ValueError, RuntimeError):
        return False
    return array.size == 1 and array.dtype.kind in "biuf" and bool(array.item() == 1)


def _picklable(info: Any) -> Any:
    try:
        pickle.dumps(info)
        return info
    except Exception:
        return {k: x for k, x in info.items() if _is_picklable(x)} if hasattr(info, "items") else {}


def _is_picklable(value: Any) -> bool:
    try:
        pickle.dumps(value)
        return True
    except Exception:
        return False

"""Checks of what Gymnasium environments return, by number and name of the environment.

Rewards and flags are accepted in every form that is a single number, and observations in every form
that numpy makes an array of; anything else is refused in the step in which it is returned.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nappo2.envs.observations import ObservationSpec
from nappo2.reports import SUCCESS

STEP = "observation, reward, terminated, truncated, info"


class OutputChecks(NamedTuple):
    """Checks the outputs of the environments of a vector; ``i`` is the number of one.

    Attributes:
        name: of the environments, in messages.
        shape: of a packed observation.
        dtype: of the array in which observations are gathered.
        pack: ``observation -> array [*shape]``; a ValueError says what is wrong with one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    pack: Callable[[Any], Any]

    def empty(self, num_envs: int) -> np.ndarray:
        """An array ``[num_envs, *shape]`` for the observations of all."""
        return np.empty((num_envs, *self.shape), self.dtype)

    def first_observation(self, i: int, pair: Any) -> Any:
        """The observation in what ``env.reset`` returned.

        Raises:
            ValueError: if that is no pair.
        """
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(
                f"environment {i} of {self.name} gave {described(pair)} for a reset; Gymnasium's "
                "are pairs: observation, info"
            )
        return pair[0]

    def five(self, i: int, step: Any) -> tuple:
        """The five values that ``env.step`` returned, as a tuple.

        Raises:
            ValueError: if there are not five.
        """
        if not isinstance(step, (tuple, list)) or len(step) != 5:
            raise ValueError(
                f"environment {i} of {self.name} gave {described(step)} for a step; Gymnasium's "
                f"are five: {STEP}"
            )
        return tuple(step)

    def write(self, rows: np.ndarray, i: int, observation: Any) -> None:
        """Copies an observation to row ``i``.

        Args:
            rows: ``[num_envs, *shape]``.
            i: the number of the environment.
            observation: as the environment returned it.

        Raises:
            ValueError: if it has another shape than the space, or is no array of its numbers.
        """
        try:
            observation = self.pack(observation)
        except ValueError as error:
            raise ValueError(f"environment {i} of {self.name} {error}") from error
        if getattr(observation, "shape", None) != self.shape:
            self._check_shape(i, observation)
        try:
            rows[i] = observation
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ValueError(
                f"environment {i} of {self.name} gave an observation of {described(observation)}, "
                f"which is no array of {self.dtype.name}: {error}"
            ) from error
        if self.dtype.kind in "iu" and getattr(observation, "dtype", None) != self.dtype:
            self._check_integers(i, rows[i], observation)

    def _check_shape(self, i: int, observation: Any) -> None:
        try:
            shape = np.shape(observation)
        except ValueError:  # of lists of different lengths
            shape = "no one shape"
        if observation is None or shape != self.shape:
            what = "None" if observation is None else f"shape {shape}"
            raise ValueError(
                f"environment {i} of {self.name} gave an observation of {what}; its space has "
                f"shape {self.shape}"
            )

    def _check_integers(self, i: int, row: np.ndarray, observation: Any) -> None:
        """Refuses numbers that the row's dtype cannot hold, such as floats where it has bytes."""
        if not np.array_equal(row, np.asarray(observation)):
            least, most = np.iinfo(self.dtype).min, np.iinfo(self.dtype).max
            raise ValueError(
                f"environment {i} of {self.name} gave an observation of {described(observation)} "
                f"that is no array of whole numbers from {least} to {most}, as its space says"
            )

    def reward(self, i: int, reward: Any) -> float:
        """A reward as a float.

        Raises:
            ValueError: if it is no single number.
        """
        number = single_number(reward)
        if number is None:
            raise ValueError(
                f"environment {i} of {self.name} gave a reward of {described(reward)}; a reward is a "
                "single number"
            )
        return number

    def flag(self, i: int, name: str, flag: Any) -> bool:
        """A flag as a bool.

        Args:
            i: the number of the environment.
            name: ``terminated`` or ``truncated``.
            flag: True, False, 0 or 1, or an array of one of these.

        Returns:
            True or False.

        Raises:
            ValueError: if it is neither true nor false.
        """
        number = single_number(flag)
        if number not in (0.0, 1.0):
            raise ValueError(
                f"environment {i} of {self.name} gave {name} as {described(flag)}; it is True or False"
            )
        return bool(number)

    def info_numbers(self, i: int, info: Any, keys: tuple[str, ...]) -> dict[str, float]:
        """The numbers in an info dictionary under some keys, and under ``is_success`` if it is one.

        Args:
            i: the number of the environment.
            info: as the environment returned it.
            keys: names of single numbers.

        Returns:
            A number for each key, NaN where the info has none; ``is_success`` only where it has.

        Raises:
            ValueError: if the info is no dictionary, or has something else than a single number.
        """
        if not hasattr(info, "get"):
            if not keys:
                return {}
            raise ValueError(
                f"environment {i} of {self.name} gave an info of {described(info)}; it is a dictionary"
            )
        success = single_number(info.get(SUCCESS))
        numbers = {} if success is None else {SUCCESS: success}
        for key in keys:
            value = info.get(key)
            number = math.nan if value is None else single_number(value)
            if number is None:
                raise ValueError(
                    f"environment {i} of {self.name} gave info[{key!r}] as {described(value)}; "
                    "info_keywords are of single numbers"
                )
            numbers[key] = number
        return numbers


def output_checks(name: str, spec: ObservationSpec) -> OutputChecks:
    """The checks of environments called ``name``, whose observations have this spec."""
    dtype = torch.empty(0, dtype=spec.dtype).numpy().dtype
    return OutputChecks(name, spec.packed_shape, dtype, spec.pack)


def single_number(x: Any) -> float | None:
    """A number, or an array, tensor or list of a single one, as a float; None for anything else."""
    try:
        array = np.asarray(x.tolist() if isinstance(x, Tensor) else x)
    except (TypeError, ValueError, RuntimeError):
        return None
    return float(array.item()) if array.size == 1 and array.dtype.kind in "biuf" else None


def described(x: Any) -> str:
    """A value in a few words, for messages."""
    if x is None or isinstance(x, (bool, int, float, str)):
        return repr(x)[:60]
    if isinstance(x, (tuple, list)):
        return f"{len(x)} values ({', '.join(type(part).__name__ for part in x)[:80]})"
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"shape {tuple(x.shape)} and dtype {x.dtype}"
    return f"a {type(x).__name__}"

"""What environments of others give, checked where it is given: by number and name of the environment."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor

from nappo2.envs.observations import ObservationSpec

STEP = "observation, reward, terminated, truncated, info"


class Answers(NamedTuple):
    """What the environments of a vector may give.

    Attributes:
        name: what messages call them.
        shape: of an observation that is packed.
        dtype: in which observations are gathered.
        pack: ``observation -> array [*shape]``; a ValueError says what is wrong with one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    pack: Callable[[Any], Any]

    def empty(self, num_envs: int) -> np.ndarray:
        """Room for an observation of each."""
        return np.empty((num_envs, *self.shape), self.dtype)

    def start(self, i: int, env: gymnasium.Env, **options: Any) -> Any:
        """The observation with which environment ``i`` begins an episode.

        Raises:
            ValueError: if it gives no pair.
        """
        answer = env.reset(**options)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise ValueError(
                f"environment {i} of {self.name} gave {described(answer)} for a reset; Gymnasium's "
                "are pairs: observation, info"
            )
        return answer[0]

    def five(self, i: int, answer: Any) -> tuple:
        """What a step of environment ``i`` gave, which was not five values, or not for sure.

        Raises:
            ValueError: if it is none of five.
        """
        if not isinstance(answer, (tuple, list)) or len(answer) != 5:
            raise ValueError(
                f"environment {i} of {self.name} gave {described(answer)} for a step; Gymnasium's "
                f"are five: {STEP}"
            )
        return tuple(answer)

    def put(self, rows: np.ndarray, i: int, observation: Any) -> None:
        """Copies the observation of environment ``i`` to its row.

        Raises:
            ValueError: if it has another shape than the space, or is no array of its numbers.
        """
        try:
            observation = self.pack(observation)
        except ValueError as error:
            raise ValueError(f"environment {i} of {self.name} {error}") from error
        if getattr(observation, "shape", None) != self.shape:
            self.check_shape(i, observation)
        try:
            rows[i] = observation
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ValueError(
                f"environment {i} of {self.name} gave an observation of {described(observation)}, "
                f"which is no array of {self.dtype.name}: {error}"
            ) from error
        if self.dtype.kind in "iu" and getattr(observation, "dtype", None) != self.dtype:
            self.check_integers(i, rows[i], observation)

    def check_shape(self, i: int, observation: Any) -> None:
        """Refuses an observation of another shape."""
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

    def check_integers(self, i: int, row: np.ndarray, observation: Any) -> None:
        """Refuses numbers that are no bytes where the space has bytes, and so of other integers."""
        if not np.array_equal(row, np.asarray(observation)):
            least, most = np.iinfo(self.dtype).min, np.iinfo(self.dtype).max
            raise ValueError(
                f"environment {i} of {self.name} gave an observation of {described(observation)} "
                f"that is no array of whole numbers from {least} to {most}, as its space says"
            )

    def reward(self, i: int, reward: Any) -> float:
        """The reward of environment ``i``, of whatever kind that is a single number.

        Raises:
            ValueError: if it is none.
        """
        number = single_number(reward)
        if number is None:
            raise ValueError(
                f"environment {i} of {self.name} gave a reward of {described(reward)}; a reward is a "
                "single number"
            )
        return number

    def flag(self, i: int, what: str, flag: Any) -> bool:
        """``terminated`` or ``truncated`` of environment ``i``, of whatever kind that is true or false.

        Raises:
            ValueError: if it is neither.
        """
        number = single_number(flag)
        if number not in (0.0, 1.0):
            raise ValueError(
                f"environment {i} of {self.name} gave {what} as {described(flag)}; it is True or False"
            )
        return bool(number)

    def told(self, i: int, info: Any, keys: tuple[str, ...]) -> list[float]:
        """What an info says under these keys, NaN where it says nothing.

        Raises:
            ValueError: if it is no dictionary, or what it says is no single number.
        """
        if not hasattr(info, "get"):
            raise ValueError(
                f"environment {i} of {self.name} gave an info of {described(info)}; it is a dictionary"
            )
        numbers = []
        for key in keys:
            value = info.get(key)
            number = math.nan if value is None else single_number(value)
            if number is None:
                raise ValueError(
                    f"environment {i} of {self.name} gave info[{key!r}] as {described(value)}; "
                    "info_keywords are of single numbers"
                )
            numbers.append(number)
        return numbers


def answers_of(name: str, spec: ObservationSpec) -> Answers:
    """What environments of this name may give, by the spec of their observations."""
    dtype = torch.empty(0, dtype=spec.dtype).numpy().dtype
    return Answers(name, spec.packed_shape, dtype, spec.pack)


def single_number(x: Any) -> float | None:
    """A number, or an array, tensor or list of a single one, as a float; None if it is none."""
    try:
        array = np.asarray(x.tolist() if isinstance(x, Tensor) else x)
    except (TypeError, ValueError, RuntimeError):
        return None
    return float(array.item()) if array.size == 1 and array.dtype.kind in "biuf" else None


def described(x: Any) -> str:
    """What something is, in a few words."""
    if x is None or isinstance(x, (bool, int, float, str)):
        return repr(x)[:60]
    if isinstance(x, (tuple, list)):
        return f"{len(x)} values ({', '.join(type(part).__name__ for part in x)[:80]})"
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"shape {tuple(x.shape)} and dtype {x.dtype}"
    return f"a {type(x).__name__}"

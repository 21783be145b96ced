"""Atari's emulators: ale-py's vector in this process, or one in each of several. It imports no torch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Frames(NamedTuple):
    """The outputs of emulators after a step, or after they were reset.

    Attributes:
        observation: to act on, [B, 4, 84, 84] uint8.
        reward: [B].
        terminated: [B] bool.
        truncated: [B] bool.
        lives: that are left, [B].
        last: observations before a reset, [B, 4, 84, 84] uint8.
    """

    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    lives: np.ndarray
    last: np.ndarray


class Emulators:
    """Emulators of one process, in ale-py's vector."""

    restarts = 0

    def __init__(self, game: str, threads: int, **arguments: Any):
        """Makes none yet.

        Args:
            game: the name of a ROM.
            threads: in which the emulators run.
            **arguments: of ``AtariVectorEnv``.
        """
        self.game, self.threads, self.arguments = game, threads, arguments
        self.vector: Any = None

    def begin(self, num_envs: int) -> Any:
        """Makes ale-py's vector, and returns it."""
        from ale_py.vector_env import AtariVectorEnv

        threads, arguments = {"num_threads": self.threads}, self.arguments
        self.vector = AtariVectorEnv(
            self.game, num_envs, autoreset_mode="SameStep", **threads, **arguments
        )
        return self.vector

    def reset(self, seeds: Sequence[int]) -> Frames:
        """Makes an emulator for each seed, and begins its first game."""
        observation, info = self.begin(len(seeds)).reset(seed=np.array(seeds))
        zeros = np.zeros(len(seeds), bool)
        lives = info["lives"].copy()
        return Frames(observation, zeros * 0.0, zeros, zeros, lives, observation)

    def step(self, actions: np.ndarray) -> Frames:
        """Steps each with its action, of ``actions`` [B] int64."""
        observation, *numbers, info = self.vector.step(actions)
        reward, terminated, truncated = numbers
        ended, last = terminated | truncated, observation
        if ended.any():
            last = np.where(ended[:, None, None, None], info["final_obs"], observation)
        return Frames(observation, reward, terminated, truncated, info["lives"].copy(), last)

    def close(self) -> None:
        """Closes all."""
        if self.vector is not None:
            self.vector.close()


class RemoteEmulators:
    """Emulators of several processes, which are stepped at once."""

    def __init__(self, processes: Any):
        self.processes, self.last = processes, np.empty(0)

    @property
    def restarts(self) -> int:
        """How many processes were replaced."""
        return self.processes.restarts

    def reset(self, seeds: Sequence[int]) -> Frames:
        """Starts the processes, which make an emulator for each seed."""
        self.processes.begin(seeds)
        frames = joined(self.processes.first_answers())
        self.last = frames.observation
        return frames

    def step(self, actions: np.ndarray) -> Frames:
        """Steps each with its action; games of a process that was lost are truncated."""
        answers = list(self.processes.step(actions))
        shares = zip(answers, self.processes.shares, strict=True)
        frames = joined(
            [
                truncated_at(answer.value, self.last[share]) if answer.lost else answer.value
                for answer, share in shares
            ]
        )
        self.last = frames.observation
        return frames

    def close(self) -> None:
        """Closes all and ends their processes."""
        self.processes.close()


def joined(parts: Sequence[Frames]) -> Frames:
    """The frames of several processes as one, in new arrays."""
    return Frames(*map(np.concatenate, zip(*parts, strict=True)))


def truncated_at(first: Frames, last: np.ndarray) -> Frames:
    """The first frames of new games, after others that were cut off at the observations ``last``."""
    return first._replace(truncated=np.ones(len(last), bool), last=last)

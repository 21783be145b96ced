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
    """Emulators of one process, in ale-py's vector, which can save none.

    Each game begins from a seed of its own, so that a state is a seed and the actions since. The vector
    begins one by itself where one ends, with numbers that cannot be saved: it is begun once more.

    Attributes:
        first: the seeds [B] of the first games.
        games: how many of each emulator [B] have ended.
        actions: of each in its present game, a byte each.
    """

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
        self.first, self.games = np.zeros((2, 0), np.int64)
        self.actions: list[bytearray] = []

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
        self.first, self.games = np.array(seeds, np.int64), np.zeros(len(seeds), np.int64)
        self.begin(len(seeds))
        observation, lives = self._begin_games(np.ones(len(seeds), bool))
        zeros = np.zeros(len(seeds), bool)
        return Frames(observation, zeros * 0.0, zeros, zeros, lives, observation)

    def step(self, actions: np.ndarray) -> Frames:
        """Steps each with its action, of ``actions`` [B] int64; begins a game where one has ended."""
        for past, action in zip(self.actions, actions.tolist(), strict=True):
            past.append(action)
        observation, reward, terminated, truncated, info = self.vector.step(actions)
        ended, last, lives = terminated | truncated, observation, info["lives"].copy()
        if ended.any():
            last = np.where(ended[:, None, None, None], info["final_obs"], observation)
            self.games += ended
            observation, lives = self._begin_games(ended)
        return Frames(observation, reward, terminated, truncated, lives, last)

    def _begin_games(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Begins games where ``which`` [B] bool is true; returns observations and lives of all."""
        pairs = zip(self.first[which].tolist(), self.games[which].tolist(), strict=True)
        seeds = np.array([seed_of_game(*pair) for pair in pairs])
        self.actions = [
            bytearray() if begins else past
            for begins, past in zip(which, self.actions or [bytearray()] * len(which), strict=True)
        ]
        mask = {} if which.all() else {"options": {"reset_mask": which}}
        observation, info = self.vector.reset(seed=seeds, **mask)
        return observation, info["lives"].copy()

    def save(self) -> dict[str, Any]:
        """Seeds, numbers of games, and the actions in the present one of each."""
        actions = [np.frombuffer(bytes(past), np.uint8) for past in self.actions]
        return {"first": self.first.copy(), "games": self.games.copy(), "actions": actions}

    def load(self, saved: dict[str, Any]) -> np.ndarray:
        """Plays the games of ``save`` again up to where they were; returns the observations.

        They end together: until its own game begins, an emulator does anything.
        """
        lengths = np.array([len(past) for past in saved["actions"]])
        self.first, self.games = saved["first"].copy(), saved["games"].copy()
        self.actions = []
        observation, _ = self._begin_games(np.ones(len(lengths), bool))
        for left in range(lengths.max(), 0, -1):
            if (begins := lengths == left).any() and left < lengths.max():
                self._begin_games(begins)
            actions = [
                past[len(past) - left] if left <= len(past) else 0 for past in saved["actions"]
            ]
            observation = self.vector.step(np.array(actions, np.int64))[0]
        if (begins := lengths == 0).any():
            observation, _ = self._begin_games(begins)
        self.actions = [bytearray(past.tobytes()) for past in saved["actions"]]
        return observation

    def close(self) -> None:
        """Closes all."""
        if self.vector is not None:
            self.vector.close()


def seed_of_game(first: int, number: int) -> int:
    """The seed of an emulator's game, of the seed of its first one."""
    if number == 0:
        return first
    return int(np.random.SeedSequence((first, number)).generate_state(1)[0] >> 1)


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

    def save(self) -> dict[str, Any]:
        """As ``Emulators.save``, of all shares."""
        parts = self.processes.call("save")
        joined = {name: np.concatenate([x[name] for x in parts]) for name in ("first", "games")}
        return joined | {"actions": [past for x in parts for past in x["actions"]]}

    def load(self, saved: dict[str, Any]) -> np.ndarray:
        """As ``Emulators.load``, whoever saved it."""
        shares = [
            ({name: x[share] for name, x in saved.items()},) for share in self.processes.shares
        ]
        self.last = np.concatenate(self.processes.map("load", shares))
        return self.last

    def close(self) -> None:
        """Closes all and ends their processes."""
        self.processes.close()


def joined(parts: Sequence[Frames]) -> Frames:
    """The frames of several processes as one, in new arrays."""
    return Frames(*map(np.concatenate, zip(*parts, strict=True)))


def truncated_at(first: Frames, last: np.ndarray) -> Frames:
    """The first frames of new games, after others that were cut off at the observations ``last``."""
    return first._replace(truncated=np.ones(len(last), bool), last=last)

"""Processes that each step a share of the simulators of a vector; lost ones are replaced."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nappo2.machine.children import cores
from nappo2.machine.servers import Server, ServerLost, sendable
from nappo2.seeds import fold_in, split

LIGHT = ("nappo2", "nappo2.envs", "nappo2.checks")  # packages whose import takes seconds
MAX_RESTARTS = 10  # of a process in a row
PATIENCE = 2e-3  # seconds, longer than a policy takes for its next actions
START_SECONDS = (
    120.0  # in which a process begins and makes its simulators, whatever the deadline of a step
)


class Answer(NamedTuple):
    """The answer of the process of a share to a step.

    Attributes:
        value: the answer; of a process that was replaced, that of its ``reset``.
        lost: whether it was replaced.
    """

    value: Any
    lost: bool


class Processes:
    """Processes that each hold an object with ``reset(seeds)``, ``step(actions)`` and ``close``.

    Attributes:
        shares: of each process, which of the simulators it steps.
        restarts: number of processes that were replaced.
        seed: the first one, of which those of simulators that begin anew are derived.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        num_envs: int,
        processes: int,
        deadline: float,
        memory_bytes: int,
    ):
        """Starts no process yet.

        Args:
            name: of the environment in messages.
            make: makes the object.
            num_envs: B.
            processes: how many.
            deadline: seconds after which a process without an answer is lost.
            memory_bytes: of what two observations of each simulator take.
        """
        ends = np.linspace(0, num_envs, processes + 1).round().astype(int).tolist()
        self.shares = [slice(*pair) for pair in pairwise(ends)]
        self.name, self.num_envs, self.make = name, num_envs, sendable(make, name)
        self.deadline, self.memory_bytes = deadline, memory_bytes
        self.servers: list[Server] = []
        self.failures, self.restarts, self.seed = [0] * processes, 0, 0

    def begin(self, seeds: Sequence[int]) -> None:
        """Starts all processes at once, with a seed for each simulator."""
        self.seed = seeds[0]
        self.servers += (self._start() for _ in self.shares)
        for server, share in zip(self.servers, self.shares, strict=True):
            with suppress(ServerLost):  # which is said by the first answer
                server.send("reset", seeds[share])

    def first_answers(self) -> list:
        """The answers of ``reset`` of each, after ``begin``.

        Raises:
            RuntimeError: if a process ended or hangs.
        """
        try:
            return [server.receive(self._patience) for server in self.servers]
        except ServerLost as error:
            raise RuntimeError(f"a process that begins {self.name} {error}") from error

    def step(self, actions: Sequence) -> Iterable[Answer]:
        """Sends all actions [B], then yields the answer of each share, in order.

        Raises:
            RuntimeError: if a process was lost more than 10 times in a row.
        """
        lost = [self._sent(i, actions[share]) for i, share in enumerate(self.shares)]
        for i, error in enumerate(lost):
            yield self._answer(i, error)

    def _sent(self, i: int, actions: Sequence) -> ServerLost | None:
        try:
            self.servers[i].send("step", actions, shared=True)
        except ServerLost as error:
            return error
        return None

    def _answer(self, i: int, error: ServerLost | None) -> Answer:
        try:
            if error is None:
                value = self.servers[i].receive()
                self.failures[i] = 0
                return Answer(value, False)
        except ServerLost as lost:
            error = lost
        return Answer(self._replaced(i, error), True)

    def _replaced(self, i: int, error: ServerLost) -> Any:
        """Begins a process anew, with other seeds; returns the answer of its ``reset``."""
        while True:
            self.servers[i].kill()
            self.failures[i] += 1
            what = f"process {i} of {self.name} {error}"
            if self.failures[i] > MAX_RESTARTS:
                raise RuntimeError(f"{what}, and was lost {self.failures[i]} times in a row")
            warnings.warn(f"{what}: it is replaced, and its episodes are truncated", stacklevel=2)
            self.restarts += 1
            self.servers[i] = self._start()
            try:
                self.servers[i].send("reset", self._new_seeds(self.shares[i]))
                return self.servers[i].receive(self._patience)
            except ServerLost as again:
                error = again

    def call(self, method: str, *args: Any) -> list:
        """Calls a method of all objects, with the same arguments."""
        return self.map(method, [args] * len(self.servers))

    def map(self, method: str, arguments: Sequence[tuple]) -> list:
        """Calls a method of all objects at once, each with its arguments; returns the answers."""
        for server, args in zip(self.servers, arguments, strict=True):
            server.send(method, *args)
        return [server.receive() for server in self.servers]

    def close(self) -> None:
        """Closes all objects and ends their processes."""
        for server in self.servers:
            server.begin_close()
        for server in self.servers:
            server.close()

    @property
    def _patience(self) -> float:
        return max(self.deadline, START_SECONDS)

    def _start(self) -> Server:
        patience = PATIENCE * (len(self.shares) <= cores())  # not on the cores of others
        return Server(self.make, self.memory_bytes, LIGHT, self.deadline, patience)

    def _new_seeds(self, share: slice) -> list[int]:
        """Seeds for the simulators of a share, which nobody had before."""
        seed = fold_in(self.seed, self.restarts)
        return [x % 2**31 for x in split(seed, share.stop - share.start)]


def check_processes(processes: int, num_envs: int) -> None:
    """Refuses more processes than environments.

    Raises:
        ValueError: names both.
    """
    if not 0 <= processes <= num_envs:
        raise ValueError(
            f"processes is the number that share {num_envs} environments, from 0 (none but this "
            f"one) to {num_envs}, not {processes}"
        )

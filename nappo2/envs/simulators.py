"""The live simulators of a vector: in this process, or in others that each have a share of them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import gymnasium

from nappo2.envs.gym_makers import Simulators
from nappo2.envs.processes import Processes, check_processes
from nappo2.envs.settings import Settings, common_settings, settings_of
from nappo2.envs.shares import Share
from nappo2.machine.closing import close_each
from nappo2.seeds import split

Make = Callable[[], gymnasium.Env]

LOST = object()
"""What a simulator gives for a step in which its process was lost."""


class Place(NamedTuple):
    """Where simulators are.

    Attributes:
        processes: that share them; 0 for this process alone.
        deadline: seconds after which a process without an answer is replaced.
        quiet: descriptors that are silent while simulators are made and reset.
    """

    processes: int = 0
    deadline: float = 300.0
    quiet: tuple[int, ...] = ()


class LocalSimulators:
    """Simulators of this process, which are stepped one after the other.

    Attributes:
        envs: the simulators.
        settings: of the first one, before it was reset.
        restarts: 0, as none is replaced.
    """

    restarts = 0

    def __init__(self, name: str, make: Make, num_envs: int, all_made: Simulators):
        self.name, self.make, self.num_envs, self.all_made = name, make, num_envs, all_made
        self.envs: list[gymnasium.Env] = []
        self.settings: Settings = {}

    def __getitem__(self, i: int) -> gymnasium.Env:
        return self.envs[i]

    def begin(self, seed: int) -> Iterator[tuple[Any, Any]]:
        """Makes and resets all; yields the space of each, and what ``env.reset`` gave."""
        for _ in range(self.num_envs):
            self.envs.append(self.make())
            self.all_made.add(self.name, self.envs[-1])
        self.settings = settings_of(self.envs[0])
        for env, env_seed in zip(self.envs, split(seed, self.num_envs), strict=True):
            yield env.observation_space, env.reset(seed=env_seed % 2**31)

    def steps(self, actions: Sequence) -> Iterator[Any]:
        """Yields what each gives for its action, of ``actions`` [B]."""
        for env, action in zip(self.envs, actions, strict=True):
            yield env.step(action)

    def first(self, i: int) -> Any:
        """Begins a new episode of simulator ``i``; returns what ``env.reset`` gave."""
        return self.envs[i].reset()

    def render(self) -> Any:
        """A picture of the first one; None if it was made without."""
        env = self.envs[0]
        return env.render() if getattr(env, "render_mode", None) == "rgb_array" else None

    def made_with(self, settings: Settings) -> str:
        """The settings that are not drawn, given those of another simulator."""
        return common_settings(settings, self.settings)

    def save(self, save_envs: Callable, unchanged: frozenset[str]) -> dict[str, Any]:
        """What ``save_envs`` returns of them, by name."""
        return {"envs": save_envs(self.envs, unchanged)}

    def load(self, load_envs: Callable, saved: dict[str, Any]) -> None:
        """Moves them to what ``save`` returned."""
        if "envs" not in saved:
            raise ValueError(f"{len(saved['shares'])} processes saved it, and here is none")
        load_envs(self.envs, saved["envs"])

    def close(self) -> None:
        """Closes all."""
        close_each(self.envs)


class RemoteSimulators:
    """Simulators of other processes, which are stepped at once.

    Attributes:
        settings: of a simulator of this process, before it is reset.
    """

    def __init__(self, make: Make, num_envs: int, processes: Processes):
        self.make, self.num_envs, self.processes = make, num_envs, processes
        self.firsts: list[Any] = []
        self.settings: Settings = {}

    @property
    def restarts(self) -> int:
        """How many processes were replaced."""
        return self.processes.restarts

    def begin(self, seed: int) -> Iterator[tuple[Any, Any]]:
        """Makes and resets all; yields the space of each, and what ``env.reset`` gave."""
        self.processes.begin([x % 2**31 for x in split(seed, self.num_envs)])
        env = self.make()  # while the processes start
        self.settings = settings_of(env)
        close_each([env])
        for answer in self.processes.first_answers():
            yield from answer

    def steps(self, actions: Sequence) -> Iterator[Any]:
        """Yields what each gives for its action, of ``actions`` [B], or LOST."""
        self.firsts = []
        for answer in self.processes.step(actions):
            for output, first in answer.value:
                self.firsts.append(first)
                yield LOST if answer.lost else output

    def first(self, i: int) -> Any:
        """What ``env.reset`` gave of simulator ``i``, whose episode was over in the last step."""
        return self.firsts[i]

    def render(self) -> Any:
        """A picture of the first one; None if it was made without."""
        return self.processes.servers[0].call("render")

    def made_with(self, settings: Settings) -> str:
        """The settings that are not drawn, given those of another simulator."""
        return common_settings(settings, self.settings)

    def save(self, save_envs: Callable, unchanged: frozenset[str]) -> dict[str, Any]:
        """What ``save_envs`` returns of each share, by name."""
        return {"shares": self.processes.call("apply", save_envs, unchanged)}

    def load(self, load_envs: Callable, saved: dict[str, Any]) -> None:
        """Moves them to what ``save`` returned.

        Raises:
            ValueError: if another number of processes saved it.
        """
        shares, here = saved.get("shares", ()), len(self.processes.servers)
        if len(shares) != here:
            raise ValueError(f"{len(shares) or 'no'} processes saved it, and here are {here}")
        self.processes.map("apply", [(load_envs, share) for share in shares])

    def close(self) -> None:
        """Closes all and ends their processes."""
        self.processes.close()


def simulators_at(
    place: Place, name: str, make: Make, probe: Any, num_envs: int, size: int
) -> Callable[[], LocalSimulators | RemoteSimulators]:
    """A function that returns new simulators, which their ``begin`` makes.

    Args:
        place: where they are.
        name: of the environment in messages.
        make: makes a simulator.
        probe: a simulator that was made.
        num_envs: B.
        size: bytes of an observation.

    Returns:
        The function.

    Raises:
        ValueError: if there are more processes than simulators, or ``make`` cannot be sent to one.
    """
    check_processes(place.processes, num_envs)
    if not place.processes:
        all_made = Simulators()
        all_made.add(name, probe)
        return lambda: LocalSimulators(name, make, num_envs, all_made)
    spec = gymnasium.registry.get(getattr(getattr(probe, "spec", None), "id", None))
    share = partial(Share, make, name, spec, place.quiet)
    memory = 4 * num_envs * (size + 64)  # of two observations each, whose numbers may be wider

    def begun():
        processes = Processes(name, share, num_envs, place.processes, place.deadline, memory)
        return RemoteSimulators(make, num_envs, processes)

    begun().close()  # tells now whether it can be sent
    return begun

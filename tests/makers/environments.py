"""Environments that count, or fail when they are told to; and actions for any environment."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.spaces.utils import flatten
from torch import Tensor

from nappo2 import envs
from tests.makers.processes import birth


class Ramp(gymnasium.Env):
    """Its observation is the number of steps, and so is its reward; over after 5."""

    action_space = Discrete(2)

    def __init__(self, shape=(2,), dtype="float32"):
        self.observation_space = Box(0, 9, shape, dtype)

    def observation(self):
        return np.full(self.observation_space.shape, self.steps, self.observation_space.dtype)

    def reset(self, seed=None, options=None):
        self.steps = 0
        return self.observation(), {}

    def step(self, action):
        self.steps += 1
        return (
            self.observation(),
            float(self.steps),
            self.steps == 5,
            False,
            {"level": 7 * self.steps},
        )


gymnasium.register("Ramp-v0", Ramp)


class Exam(gymnasium.Env):
    """Four whole numbers at random; a success if their sum is above 0, which it tells with ten times the sum.

    With a folder, each return is also written down there, by process.
    """

    observation_space = Box(0, 4, (1,))
    action_space = Discrete(2)

    def __init__(self, folder: Path | None = None):
        self.folder = folder

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.rewards: list[int] = []
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.rewards.append(int(self.np_random.integers(-100_000, 100_001)))
        points, over = sum(self.rewards), len(self.rewards) == 4
        if over and self.folder is not None:
            with open(self.folder / f"returns-{os.getpid()}", "a") as file:
                file.write(f"{points}\n")
        info = {"is_success": points > 0, "score": 10 * points} if over else {}
        observation = np.full(1, len(self.rewards), np.float32)
        return observation, float(self.rewards[-1]), over, False, info


def quick_walk(num_envs: int) -> envs.Env:
    """Steps of 1 to the left or right, in torch; at 2 it is over and a success, after 4 steps a failure."""

    def step(x, action):
        x = x + 2 * action - 1
        return x, x.float(), x == 2

    def info(x):
        return {"is_success": x == 2, "place": x}

    def start(num, rng):
        return torch.zeros(num, dtype=torch.int64)

    def observe(x):
        return x.float().unsqueeze(-1)

    spaces = Box(-4, 4, (1,)), Discrete(2)
    return envs.physics_env("walk", num_envs, start, step, observe, 4, *spaces, info=info)


def exams_written(folder: Path) -> list[float]:
    """The returns that ``Exam`` has written down."""
    files = Path(folder).glob("returns-*")
    return [float(line) for path in files for line in path.read_text().splitlines()]


class Strict(gymnasium.Env):
    """Refuses an action that is not in its space, as many do."""

    observation_space = Box(-1, 1, (2,))

    def __init__(self, space):
        self.action_space = space

    def reset(self, seed=None, options=None):
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.t += 1
        return np.zeros(2, np.float32), float(np.sum(action)), self.t == 5, False, {}


class Rooms(gymnasium.Env):
    """Walks through rooms: a camera with its channels last, a nested state, a door; over after 9 steps.

    Discrete actions go left or right, continuous ones as far as they say.
    """

    observation_space = Dict(
        camera=Box(0, 255, (7, 6, 3), np.uint8),
        state=Dict(place=Box(-np.inf, np.inf, (2,), np.float64), room=Discrete(4, start=1)),
        doors=Tuple([MultiBinary(3), MultiDiscrete([2, 3])]),
    )

    def __init__(self, action_space=Discrete(2)):
        self.action_space = action_space

    def observation(self):
        camera = np.zeros((7, 6, 3), np.uint8)
        camera[int(self.place[0]) % 7, self.steps % 6] = 255, self.steps, 7
        room = 1 + self.steps % 4
        doors = np.arange(3) == self.steps % 3, np.array([self.steps % 2, self.steps % 3])
        return {
            "camera": camera,
            "state": {"place": self.place.copy(), "room": room},
            "doors": (doors[0].astype(np.int8), doors[1]),
        }

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.place = 0, self.np_random.normal(size=2)
        return self.observation(), {}

    def step(self, action):
        self.steps += 1
        self.place = self.place + float(np.sum(action)) - 0.5
        return self.observation(), float(self.place[0]), False, self.steps == 9, {}


def signals(num_envs: int, seen: Sequence[str] = ("eye", "sign")) -> envs.Env:
    """In torch: a bright pixel and a sign; action 1 is right if one of both is there, and not both.

    Args:
        num_envs: B.
        seen: the parts that are observed, of ``eye`` and ``sign``; without both nothing is known.

    Returns:
        The environment, whose episodes have one step and return 1 for the right action.
    """
    spaces = {"eye": Box(0, 255, (1, 3, 3), "uint8"), "sign": Box(-1, 1, (1,))}

    def start(num, rng):
        return torch.randint(2, (num, 2), generator=rng).double()

    def observe(physics):
        bright = physics[:, :1].unsqueeze(-1).unsqueeze(-1).expand(-1, 1, 3, 3)
        parts = {"eye": (255 * bright).to(torch.uint8), "sign": (2 * physics[:, 1:] - 1).float()}
        return {key: parts[key] for key in seen}

    def step(physics, action):
        right = action == (physics[:, 0] != physics[:, 1])
        return physics, right.float(), torch.ones(len(physics), dtype=torch.bool)

    space = Dict({key: spaces[key] for key in seen})
    return envs.physics_env("signals", num_envs, start, step, observe, 9, space, Discrete(2))


ACTIONS = {
    "several choices": MultiDiscrete([3, 2, 4], start=[0, 5, 0]),
    "switches": MultiBinary((2, 2)),
    "a tuple of choices": Tuple([Discrete(3, start=1), MultiDiscrete([2, 4])]),
    "a dictionary of numbers": Dict(a=Box(0, 10, (2, 1)), b=Box(-3, 1, ())),
    "hybrid": Dict(way=Discrete(2), far=Box(0, 1, (1,))),
    "hybrid without a bound": Tuple([Box(0, np.inf, (2,)), Discrete(3)]),
    "nested": Dict(
        arm=Dict(mode=Discrete(3), force=Box(-2, 2, (2,), np.float64)),
        lamps=MultiBinary(3),
        rest=Tuple([Box(0, 9, (1,), np.int32), Tuple([Discrete(2), Discrete(4)])]),
    ),
}
"""Spaces of actions with several parts."""


class Echo(gymnasium.Env):
    """Refuses an action that is not in its space, and shows the sum of its numbers; over after 5 steps."""

    def __init__(self, space, shape=(2,), dtype=np.float32):
        self.action_space, self.observation_space = space, Box(0, 255, shape, dtype)

    def observation(self, x):
        return np.full(self.observation_space.shape, abs(x) % 255, self.observation_space.dtype)

    def reset(self, seed=None, options=None):
        self.t = 0
        return self.observation(0), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.t, total = self.t + 1, float(np.sum(flatten(self.action_space, action)))
        return self.observation(total), min(total, 9.0), self.t == 5, False, {}


def walk(num_envs: int = 8, time_limit: int = 8) -> envs.Env:
    """A walk on a line: which way, and how far. The reward is minus the distance from 0.

    Whoever goes the right way and as far as 0 gets 0 in all; the better half alone does not.
    """

    def start(num, rng):
        return torch.rand(num, 1, generator=rng) * 2 - 1

    def step(x, action):
        far = (action["far"].clamp(-1, 1) + 1) / 2
        x = (x + far * (2 * action["way"].unsqueeze(-1) - 1)).clamp(-1, 1)
        return x, -x.abs().squeeze(-1), torch.zeros_like(action["way"]).bool()

    return envs.physics_env(
        "walk",
        num_envs,
        start,
        step,
        lambda x: x.clone(),
        time_limit,
        Box(-1, 1, (1,)),
        ACTIONS["hybrid"],
    )


def zero_action(env: envs.Env) -> Tensor:
    """The action 0 in each environment, or a vector of zeros."""
    if isinstance(env.action_space, Discrete):
        return torch.zeros(env.num_envs, dtype=torch.int64)
    return torch.zeros(env.num_envs, *env.action_space.shape)


def faulty(folder: Path, num_envs: int = 2, env: envs.Env | None = None) -> envs.Env:
    """CartPole, or another one, which writes its process id into ``folder``, and obeys one file there once.

    ``raise``, ``exit`` or ``hang`` are for whoever finds it first; ``always`` is never removed.
    """
    env, folder = env or envs.cartpole(num_envs), Path(folder)

    def reset(seed):
        (folder / f"pid-{os.getpid()}").write_text(birth(os.getpid()))
        return env.reset(seed)

    def step(state, action):
        for name in ("raise", "exit", "hang", "always"):
            if _claim(folder / name):
                _fail(name)
        return env.step(state, action)

    return env._replace(reset=reset, step=step)


def _claim(path: Path) -> bool:
    """Whether this process is the one that finds the file."""
    try:
        path.rename(path.with_suffix(".taken")) if path.name != "always" else path.stat()
    except FileNotFoundError:
        return False
    return True


def _fail(name: str) -> None:
    if name == "exit":
        os._exit(3)
    if name == "hang":
        time.sleep(3600)
    raise ZeroDivisionError("the simulator broke")


def pids(folder: Path) -> set[int]:
    """The processes in which environments were reset, and that are alive."""
    began = {int(path.name[4:]): path.read_text() for path in Path(folder).glob("pid-*")}
    return {pid for pid, ticks in began.items() if birth(pid) == ticks}

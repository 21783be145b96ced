"""Simulators that are saved go on as they were, to the last bit, or it is said why they do not."""

import enum
import logging
import random
import re
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.wrappers import FrameStackObservation, NormalizeObservation, TimeLimit

from nappo2 import PPO, Learner, envs, ppo, scheme
from nappo2.envs.kinds import Opaque
from nappo2.saving.packing import pack
from nappo2.saving.unpacking import unpack

pytestmark = pytest.mark.usefixtures("without_curves")


class Walk(gymnasium.Env):
    """A state of four numbers that moves at random; an episode has 13 steps."""

    observation_space, action_space = Box(-99, 99, (2,)), Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.begin()
        return self.see(), {}

    def begin(self):
        self.state = self.np_random.normal(size=4)

    def move(self, action):
        self.state = 0.9 * self.state + 0.1 * self.np_random.normal(size=4) + 0.1 * action

    def see(self):
        return self.state[:2].astype(np.float32)

    def step(self, action):
        self.t += 1
        self.move(action)
        return self.see(), float(self.state[0]), False, self.t >= 13, {}


class Views(Walk):
    """Position and velocity are two halves of one array."""

    def begin(self):
        super().begin()
        self.position, self.velocity = self.state[:2], self.state[2:]

    def move(self, action):
        self.position += 0.1 * self.velocity
        self.velocity += 0.1 * (2 * action - 1)


class Reversed(Views):
    """A view that runs solve_recurrence, and one of the view."""

    def begin(self):
        super().begin()
        self.velocity = self.state[::-1][:2]

    def see(self):
        return self.velocity[::-1].astype(np.float32)


class TwoNames(Walk):
    """One list, under two names, and within itself a dictionary under another."""

    def begin(self):
        super().begin()
        self.items = [0.0, {"n": 1.0}]
        self.bag, self.inner = self.items, self.items[1]

    def move(self, action):
        super().move(action)
        self.bag[0] += 1
        self.inner["n"] *= 1.5

    def see(self):
        return np.array([self.items[0], self.items[1]["n"]], np.float32)


class Taken(Walk):
    """A dictionary from which a key is taken."""

    def begin(self):
        super().begin()
        self.left = {"key": 1.0, "coin": 2.0}

    def move(self, action):
        super().move(action)
        self.left.pop("coin", None) if self.t == 2 else None

    def see(self):
        return np.array([self.state[0], sum(self.left.values())], np.float32)


class Winds(Walk):
    """Generators in a list, which each episode makes anew."""

    def begin(self):
        super().begin()
        self.winds = [np.random.default_rng(int(self.np_random.integers(9))) for _ in range(2)]

    def move(self, action):
        self.state[:2] += [wind.normal() for wind in self.winds]


class Generators(Walk):
    """One of each kind of generator, the last made when it is first needed."""

    late = None

    def begin(self):
        super().begin()
        number = int(self.np_random.integers(1000))
        self.own, self.old = random.Random(number), np.random.RandomState(number)
        self.torch = torch.Generator().manual_seed(number)
        self.bits = np.random.Generator(np.random.Philox(number))

    def move(self, action):
        self.late = self.late or np.random.default_rng(int(self.state[0] ** 2 * 1000))
        drawn = (self.own.random(), self.old.normal(), torch.rand(1, generator=self.torch).item())
        self.state = np.array([*drawn, self.bits.normal() + self.late.normal()])


class Drawn(Walk):
    """Observations are drawn from a seeded space."""

    def __init__(self):
        self.observation_space = Box(-1, 1, (2,))

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.observation_space.seed(seed)
        return super().reset(seed=seed)

    def move(self, action):
        self.state = np.concatenate([self.observation_space.sample(), np.zeros(2)])


class Queues(Walk):
    """Deques within a list, sets, and keys that are numbers and pairs."""

    def begin(self):
        super().begin()
        self.queues = [deque([0.0], maxlen=3), deque()]
        self.visited, self.table = {(0, 0)}, OrderedDict({(0, 1): 1.0, 7: 2.0})

    def move(self, action):
        super().move(action)
        self.queues[0].append(float(self.state[0]))
        self.queues[1].append(self.t)
        self.visited.add((self.t % 3, int(action)))
        self.table[self.t] = float(len(self.visited))

    def see(self):
        queued = sum(self.queues[0]) + len(self.queues[1])
        return np.array([queued, sum(self.table.values())], np.float32)


class Parts(Walk):
    """It goes on by the part of its state whose turn it is."""

    def begin(self):
        super().begin()
        self.parts, self.turns = [slice(2), slice(2, None, 1)], range(0, 2, 1)

    def move(self, action):
        super().move(action)
        self.state[self.parts[self.turns[self.t % 2]]] += 1
        self.parts, self.turns = self.parts[::-1], self.turns[::-1]


class Arm:
    """A part of a robot, which knows the robot."""

    def __init__(self, owner):
        self.owner, self.angle, self.history = owner, np.zeros(2), []


class Robot(Walk):
    """An object with arrays and lists, which refers to the environment."""

    def __init__(self):
        self.arm = Arm(self)

    def move(self, action):
        super().move(action)
        self.arm.angle += self.state[:2]
        self.arm.history.append(float(self.arm.owner.state[0]))

    def see(self):
        return (self.arm.angle + sum(self.arm.history)).astype(np.float32)


class Gait(enum.Enum):
    WALK, RUN = 1, 2


class Pose(NamedTuple):
    x: float
    steps: int


class Modes(Walk):
    """A mode, a pose, the function that is the next move, and what is not there at first."""

    def __init__(self):
        self.gait, self.pose = Gait.WALK, Pose(0.0, 0)

    def move(self, action):
        super().move(action)
        self.gait = Gait.RUN if self.t % 5 < 2 else Gait.WALK
        self.pose = Pose(self.pose.x + self.gait.value, self.pose.steps + 1)
        if self.t == 4:
            self.extra = np.float64(3.0)

    def see(self):
        return np.array([self.pose.x, getattr(self, "extra", 0.0)], np.float32)


class Rock:
    def __init__(self, size):
        self.size, self.place = size, np.zeros(2)


class Rocks(Walk):
    """Objects that come and go, counts, and defaults."""

    def begin(self):
        super().begin()
        self.rocks, self.hits, self.times = [], Counter(), defaultdict(list)

    def move(self, action):
        super().move(action)
        self.rocks.append(Rock(float(self.t)))
        self.rocks[0].place += self.state[:2]
        self.hits[int(action)] += 1
        self.times[self.t % 2].append(self.rocks[-1])
        if len(self.rocks) > 4:
            self.rocks.pop(0)

    def see(self):
        sizes = sum(rock.size for rock in self.rocks + self.times[0])
        return np.array([sizes + self.hits[1], sum(r.place[0] for r in self.rocks)], np.float32)


class Shared(Walk):
    """What the class has, and all environments change."""

    counts = [0.0]

    def move(self, action):
        super().move(action)

    def see(self):
        return np.array([self.state[0], len(self.counts)], np.float32)


class Tensors(Walk):
    """A state in torch."""

    def begin(self):
        super().begin()
        self.hidden = torch.tensor(self.state)

    def move(self, action):
        super().move(action)
        self.hidden.mul_(0.5).add_(torch.from_numpy(self.state))

    def see(self):
        return self.hidden[:2].float().numpy()


class Clock:
    """Has the name of a class of pygame, which never changes."""

    def __init__(self):
        self.now = datetime(2020, 2, 28, 23, tzinfo=UTC)


class Market(Walk):
    """Dates, shares and amounts, beside what never changes."""

    constants = (
        *(np.dtype("float32"), torch.float32, torch.device("cpu")),
        *(re.compile("a+"), logging.getLogger("market")),
    )

    def begin(self):
        super().begin()
        self.constant, self.clock = list(self.constants), Clock()
        self.prices = Path("prices", "0.csv")
        self.hour, self.day, self.opens = timedelta(hours=1), date(2020, 1, 1), time(9, 30)
        self.share, self.amount, self.window = Fraction(1, 3), Decimal("0.1"), slice(0, 1)

    def move(self, action):
        super().move(action)
        self.clock.now += (1 + int(action)) * self.hour
        self.share, self.amount = self.share * Fraction(2, 3), self.amount + Decimal("0.1")
        self.day, self.hour = self.day + timedelta(days=1), self.hour + timedelta(seconds=1)
        self.window = slice(self.window.start, self.window.stop + 1)
        self.prices = self.prices.with_name(f"{self.t}.csv")
        self.opens = self.opens.replace(minute=self.t % 60)

    def see(self):
        day = self.clock.now.timestamp() % 1e5 + self.day.toordinal() % 100 + self.opens.minute
        share = float(self.share) + float(self.amount) + self.window.stop
        share += int(self.prices.stem)
        return np.array([day, share], np.float32)


def normalized():
    return NormalizeObservation(Walk())


def stacked():
    return TimeLimit(FrameStackObservation(Walk(), 3), 9)


SAVED = [
    *(Walk, Views, Reversed, TwoNames, Taken, Winds, Generators, Drawn, Queues, Robot, Modes),
    *(Shared, Tensors, Rocks, Parts, Market, normalized, stacked),
]


def played(env, state, num=30, seed=3):
    """Observations and rewards of ``num`` steps with actions that are the same each time."""
    rng, seen = torch.Generator().manual_seed(seed), []
    for _ in range(num):
        action = torch.randint(2, (env.num_envs,), generator=rng)
        state, observation, outcome = env.step(state, action)
        seen.append(
            torch.cat([observation.flatten(), outcome.observation.flatten(), outcome.reward])
        )
    return state, torch.stack(seen)


@pytest.mark.parametrize("make", SAVED, ids=lambda make: make.__name__)
def test_what_is_saved_goes_on_as_it_was(make):
    """In another vector, with other seeds and another past; the first one goes on undisturbed."""
    env, other = envs.from_gym(make, 2), envs.from_gym(make, 2)
    state, _ = played(env, env.reset(0)[0], 17)
    there, _ = played(other, other.reset(5)[0], 8, seed=9)
    saved = pack(env.save(state))
    there = other.load(there, unpack(saved))
    assert torch.equal(played(env, state)[1], played(other, there)[1])


class Gates(Walk):
    """Odd actions are forbidden at even steps, and even ones at odd steps; it bears none of these."""

    action_space = Discrete(4)

    def info(self):
        return {"action_mask": np.arange(4) % 2 == self.t % 2}

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], self.info()

    def step(self, action):
        if action % 2 != self.t % 2:
            raise ValueError(f"{action} is forbidden at step {self.t}")
        *four, _ = super().step(action)
        return *four, self.info()


class ManyGates(Gates):
    """The same by the first of two choices."""

    action_space = MultiDiscrete([4, 3])

    def info(self):
        return {"action_mask": np.append(super().info()["action_mask"], [True] * 3)}

    def step(self, action):
        return super().step(action[0])


@pytest.mark.parametrize(("make", "shape"), [(Gates, (2,)), (ManyGates, (2, 2))])
def test_an_environment_that_bears_no_forbidden_action_is_saved(make, shape):
    """Its copy is tried by actions that the masks allow."""
    env, other = envs.from_gym(make, 2), envs.from_gym(make, 2)
    state, _, _ = env.step(env.reset(0)[0], torch.zeros(shape, dtype=torch.int64))
    there = other.load(other.reset(5)[0], unpack(pack(env.save(state))))
    ones = torch.ones(shape, dtype=torch.int64)
    _, observation, outcome = env.step(state, ones)
    _, same, copied = other.step(there, ones)
    assert torch.equal(observation["observation"], same["observation"])
    assert torch.equal(outcome.reward, copied.reward)


class Locked(Walk):
    """Has what no file can hold."""

    def begin(self):
        super().begin()
        self.lock = threading.Lock()


class Global(Walk):
    """Draws from numpy's global generator, which nobody sees."""

    def move(self, action):
        self.state = self.state + np.random.normal(size=4)


class Closed(Walk):
    """Its state is in a function."""

    def begin(self):
        super().begin()
        total = [0.0]

        def add(x):
            total[0] += x
            return total[0]

        self.add = add

    def see(self):
        return np.full(2, self.add(float(self.state[0])), np.float32)


class Slotted:
    __slots__ = ("x",)


class Slots(Walk):
    """An object without a dictionary of attributes."""

    def begin(self):
        super().begin()
        self.part = Slotted()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Locked, "Locked.lock is _thread.lock, which may hold more than data"),
        (Global, "a copy of it that was loaded moved in another way after 1 steps"),
        (Closed, "a copy of it that was loaded moved in another way after 1 steps"),
        (Slots, "Slots.part is .*Slotted, which may hold more than data"),
    ],
)
def test_what_cannot_be_saved_says_why(make, why):
    env = envs.from_gym(make, 2)
    with pytest.raises(Opaque, match=why):
        env.save(env.reset(0)[0])


def learner(make, target, folder=None, num_envs=2, **kwargs):
    recipe = ppo(
        envs.from_gym(make, num_envs, **kwargs), PPO(num_steps=10, num_epochs=1, num_minibatches=1)
    )
    options = {"log_dir": folder, "checkpoint_every": 20} if folder else {}
    pipe = scheme("3cs", recipe)
    return Learner(pipe, recipe.init(0), target_steps=target, progress=False, **options)


def test_a_run_whose_simulators_cannot_be_saved_goes_on_with_new_episodes_and_says_so(
    tmp_path, caplog
):
    learner(Locked, 40, tmp_path).run()
    again = learner(Locked, 80)
    again.resume(tmp_path)
    assert "the episodes of Locked begin anew: Locked.lock is _thread.lock" in caplog.text
    assert again.run().env_steps == 80


class Lesson(Walk):
    def __init__(self, length, table=None):
        self.length, self.table = length, table

    def step(self, action):
        *rest, _, info = super().step(action)
        return *rest, self.t >= self.length, info


def test_no_object_of_another_module_is_made_of_a_file():
    """A file that names a class of subprocess where a rock was: refused."""
    env = envs.from_gym(Rocks, 1)
    state, _ = played(env, env.reset(0)[0], 5)
    saved = env.save(state)
    rocks = [node for node in saved["envs"]["nodes"] if node["kind"] == "object"]
    rocks[0]["data"].update({"class": "Popen", "module": "subprocess"})
    with pytest.raises(ValueError, match="was Popen, and there is none here to be moved"):
        env.load(env.reset(1)[0], saved)


@pytest.mark.parametrize("number", [2, 3])
def test_another_argument_or_number_of_environments_begins_new_episodes(tmp_path, caplog, number):
    """Lessons of 13 steps, resumed as lessons of 5: all episodes that end then have 5 steps."""
    learner(Lesson, 40, tmp_path, length=13).run()
    again = learner(Lesson, 240, num_envs=number, length=5)
    again.resume(tmp_path)
    why = "Lesson.length was 13 and is 5" if number == 2 else "begin anew"
    assert why in caplog.text
    assert again.run().recorder._episodes[-1]["length"] == 5


def test_a_lesson_that_is_adopted_is_the_new_one_and_the_same_lesson_goes_on():
    """13 steps, then 5; an environment that is made alike keeps its simulators."""
    first, same, second = (learner(Lesson, 60, length=n) for n in (13, 13, 5))
    first.run()
    before = first.state["collect"].env.envs
    first.adopt(same.pipeline)
    assert first.state["collect"].env.envs is before
    first.adopt(second.pipeline)
    assert [env.length for env in first.state["collect"].env.envs] == [5, 5]


def test_what_is_drawn_when_an_environment_is_made_is_no_setting(tmp_path, caplog):
    class Maze(Walk):
        def __init__(self):
            self.walls = np.random.normal(size=3)

        def see(self):
            return self.walls[:2].astype(np.float32)

    run = learner(Maze, 40, tmp_path).run()
    again = learner(Maze, 80)
    again.resume(tmp_path)
    (one, two), others = run.state["collect"].env.envs, again.state["collect"].env.envs
    assert (one.walls == others[0].walls).all() and (two.walls == others[1].walls).all()
    assert not caplog.text


class Holds(Walk):
    """Holds what it is given."""

    def __init__(self, held):
        self.held = held


def unfinished():
    """A function of a name that has no value yet."""

    def value():
        return later

    if False:
        later = 1
    return value


HELD = {
    "bfloat16": lambda: torch.ones(2, dtype=torch.bfloat16),
    "a gradient": lambda: torch.ones(2, requires_grad=True),
    "no values": lambda: torch.ones(2, device="meta"),
    "few values": lambda: torch.eye(2).to_sparse(),
    "a module": lambda: torch.nn.Linear(2, 2),
    "a closure": unfinished,
}


@pytest.mark.parametrize("kind", HELD)
def test_whatever_an_environment_holds_it_can_be_made(kind):
    """Settings are compared by digests of numpy's arrays, of which not all can be made."""
    env = envs.from_gym(lambda: Holds(HELD[kind]()))
    state, observation = env.reset(0)
    state, *_ = env.step(state, torch.zeros(1, dtype=torch.int64))
    assert observation.shape == (1, 2) and "Holds.held" in state.settings


def test_large_arrays_that_no_one_changes_are_not_saved(tmp_path):
    """Four environments with a table of 800 kB each: the checkpoint takes less than one of them."""
    table = np.random.default_rng(0).normal(size=100_000)
    learner(Lesson, 40, tmp_path, num_envs=4, length=5, table=table).run()
    (path, *_) = (tmp_path / "checkpoints").glob("steps-*.npz")
    assert path.stat().st_size < table.nbytes
    again = learner(Lesson, 80, num_envs=4, length=5, table=table.copy())
    again.resume(tmp_path)
    assert again.env_steps == 40


def test_bullet_reads_no_world_of_a_stranger(tmp_path, monkeypatch, caplog):
    """The same file, read by a user with another key: new episodes, and how to load it all the same."""
    from nappo2.envs import signature

    env = envs.make("InvertedPendulumBulletEnv-v0", 1)
    state, _ = env.reset(0)
    saved = env.save(state)
    env.load(state, saved)
    monkeypatch.setattr(signature, "key", lambda: b"another")
    with pytest.raises(ValueError, match="trust_worlds=True"):
        env.load(state, saved)
    trusting = envs.make("InvertedPendulumBulletEnv-v0", 1, trust_worlds=True)
    trusting.load(trusting.reset(1)[0], saved)


def test_the_key_is_made_once_and_kept_from_others(tmp_path, monkeypatch):
    from nappo2.envs import signature

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    signature.key.cache_clear()
    first = signature.sign(b"world")
    signature.key.cache_clear()
    assert signature.is_signed(b"world", first) and not signature.is_signed(b"other", first)
    assert (tmp_path / "nappo2" / "key").stat().st_mode & 0o077 == 0
    signature.key.cache_clear()

"""Environments, against the originals, and evaluation in them."""

import ctypes
import math

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    OneOf,
    Sequence,
    Text,
    Tuple,
)
from tensordict import TensorDict

from nappo2.envs import (
    PYBULLET,
    Env,
    Transition,
    acrobot,
    action_spec,
    cartpole,
    catch,
    four_rooms,
    from_gym,
    make,
    mountain_car,
    pendulum,
    physics_env,
    pybullet,
)
from nappo2.maths.distributions import categorical
from nappo2.params import make_params
from nappo2.policies import greedy, stochastic
from nappo2.runs.evaluate import evaluate

LINE = Box(-np.inf, np.inf, (1,))


class Counter(gymnasium.Env):
    """Its observation is the number of steps so far; truncated at 3, or as told."""

    def __init__(self, observation_space=LINE, limit=3):
        self.observation_space, self.action_space, self.limit = (
            observation_space,
            Discrete(2),
            limit,
        )

    def seen(self):
        return np.full(self.observation_space.shape, self.steps, self.observation_space.dtype)

    def reset(self, seed=None, options=None):
        self.steps = 0
        return self.seen(), {}

    def step(self, action):
        self.steps += 1
        return self.seen(), 1.0, False, self.steps == self.limit, {}


class Reusing(Counter):
    """A counter that always returns the same array, with other numbers in it."""

    array = None

    def seen(self):
        if self.array is None:
            self.array = np.zeros(1, np.float32)
        self.array[:] = self.steps
        return self.array


class Echo(gymnasium.Env):
    """Its observation is the last action, in the type in which it came."""

    def __init__(self, action_space):
        self.action_space = action_space
        self.observation_space = Box(-np.inf, np.inf, action_space.shape)

    def reset(self, seed=None, options=None):
        return np.zeros(self.observation_space.shape, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return np.asarray(action, np.float32), 0.0, False, False, {}


class Dice(gymnasium.Env):
    """Its observation is a random number."""

    observation_space, action_space = LINE, Discrete(2)

    def roll(self):
        return self.np_random.random(1).astype(np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return self.roll(), {}

    def step(self, action):
        return self.roll(), 0.0, False, False, {}


def steps(env, num_steps, seed=0, action=None):
    """The outcomes of some steps, and the observations that were then acted on."""
    state, observation = env.reset(seed)
    action = torch.zeros(env.num_envs, dtype=torch.int64) if action is None else action
    outcomes, observations = [], [observation]
    for _ in range(num_steps):
        state, observation, outcome = env.step(state, action)
        outcomes.append(outcome[:4])
        observations.append(observation)
    return Transition(*map(torch.stack, zip(*outcomes, strict=True))), torch.stack(observations)


def follow(env, env_id, num_steps, act):
    """Steps ``env`` beside Gymnasium's own, whose state it is given whenever these are reset.

    Yields pairs of outcomes, ours and theirs.
    """
    theirs = [gymnasium.make(env_id) for _ in range(env.num_envs)]
    seen = np.stack([e.reset(seed=i)[0] for i, e in enumerate(theirs)])
    state, _ = env.reset(0)
    physics = torch.as_tensor(np.stack([e.unwrapped.state for e in theirs]))
    state = state._replace(physics=physics)
    for _ in range(num_steps):
        action, native = act(seen)
        state, _, outcome = env.step(state, torch.as_tensor(action))
        expected = [e.step(a)[:4] for e, a in zip(theirs, native, strict=True)]
        yield (
            outcome,
            Transition(*(torch.as_tensor(np.stack(x)) for x in zip(*expected, strict=True))),
        )
        seen = np.stack([x[0] for x in expected])
        for i, (_, _, terminated, truncated) in enumerate(expected):
            if terminated or truncated:
                seen[i], _ = theirs[i].reset()
                state.physics[i] = torch.as_tensor(theirs[i].unwrapped.state)


def assert_alike(pairs, atol=1e-5):
    """Returns how many steps terminated and truncated episodes."""
    ends = torch.zeros(2)
    for ours, theirs in pairs:
        for name in ("observation", "reward"):
            x = getattr(ours, name)
            assert x.dtype == torch.float32
            torch.testing.assert_close(
                x,
                getattr(theirs, name).float(),
                atol=atol,
                rtol=0,
                msg=lambda m, n=name: f"{n}: {m}",
            )
        assert torch.equal(ours.terminated, theirs.terminated)
        assert torch.equal(ours.truncated, theirs.truncated)
        ends += torch.stack([ours.terminated.sum(), ours.truncated.sum()])
    return ends.int().tolist()


def test_a_balanced_cartpole_moves_as_gymnasiums_does():
    """Pushed to where the pole falls: the three stand for 500 steps, where both are cut off."""

    def act(seen):
        action = (seen @ [0.05, 0.1, 1.0, 0.5] > 0).astype(np.int64)
        return action, action

    assert assert_alike(follow(cartpole(3), "CartPole-v1", 500, act)) == [0, 3]


def test_a_falling_cartpole_moves_as_gymnasiums_does():
    """Pushed at random it falls after 22 steps or so, and starts anew."""
    rng = np.random.default_rng(0)

    def act(seen):
        action = rng.integers(2, size=3)
        return action, action

    fallen, cut = assert_alike(follow(cartpole(3), "CartPole-v1", 500, act))
    assert fallen > 30 and cut == 0


def test_a_cartpole_that_runs_away_ends_as_gymnasiums_does():
    """Always to the right."""

    def act(seen):
        return np.ones(1, np.int64), np.ones(1, np.int64)

    fallen, _ = assert_alike(follow(cartpole(1), "CartPole-v1", 100, act))
    assert fallen > 5


def test_a_cartpole_ends_where_its_track_does():
    """Upright, at 1 per second, so that a step is 0.02: out at 2.4 from the middle."""
    env = cartpole(4)
    state, _ = env.reset(0)
    position = torch.tensor([2.39, 2.37, -2.39, -2.37])
    physics = torch.zeros_like(state.physics)
    physics[:, 0], physics[:, 1] = position, position.sign()
    _, _, outcome = env.step(state._replace(physics=physics), torch.tensor([0, 0, 1, 1]))
    assert outcome.terminated.tolist() == [True, False, True, False]


def test_a_pendulum_moves_as_gymnasiums_does():
    """Our actions are in units of the strongest torque, 2; beyond it both clip."""
    rng = np.random.default_rng(0)

    def act(seen):
        action = rng.uniform(-1.5, 1.5, (3, 1)).astype(np.float32)
        return action, 2 * action

    assert assert_alike(follow(pendulum(3), "Pendulum-v1", 500, act)) == [0, 2 * 3]


def test_a_mountain_car_moves_as_gymnasiums_does():
    """Pushed to where it moves, it gets to the top within 200 steps; at random it is cut off."""
    rng = np.random.default_rng(0)

    def act(seen):
        action = np.where(seen[:, 1] < 0, 0, 2)
        action[2:] = rng.integers(3, size=2)
        return action, action

    arrived, cut = assert_alike(follow(mountain_car(4), "MountainCar-v0", 500, act))
    assert arrived >= 4 and cut == 4


def test_an_acrobot_moves_as_gymnasiums_does():
    """Pumped, the first two get the tip up again and again; the others stay below for 500 steps.

    Two links are chaotic: what differs in the last bit of float64 may grow to 6e-5.
    """

    def act(seen):
        action = np.where(seen[:, 5] < 0, 0, 2)
        action[2:] = 1
        return action, action

    above, cut = assert_alike(follow(acrobot(4), "Acrobot-v1", 500, act), atol=1e-4)
    assert above >= 4 and cut == 2


def test_a_step_of_an_acrobot_is_gymnasiums_to_the_last_digits():
    """From anywhere, as fast as it may be."""
    rng, theirs = np.random.default_rng(0), gymnasium.make("Acrobot-v1")
    env, high = acrobot(50), np.array([math.pi, math.pi, 4 * math.pi, 9 * math.pi])
    physics, actions = rng.uniform(-high, high, (50, 4)), rng.integers(3, size=50)
    state = env.reset(0)[0]._replace(physics=torch.as_tensor(physics))
    state, _, outcome = env.step(state, torch.as_tensor(actions))
    theirs.reset()
    for i, ended in enumerate(outcome.terminated):
        theirs.unwrapped.state = physics[i]
        _, reward, terminated, *_ = theirs.step(actions[i])
        assert ended == terminated and outcome.reward[i] == reward
        if not terminated:
            np.testing.assert_allclose(state.physics[i], theirs.unwrapped.state, atol=1e-11)


def test_a_ball_is_caught_by_hand():
    """Five columns: in two steps from the middle the paddle gets anywhere. Row 1 is the last."""
    env = catch(3, rows=3)
    state, observation = env.reset(0)
    assert observation.shape == (3, 1, 3, 5) and observation.dtype == torch.uint8
    state = state._replace(physics=torch.tensor([[0, 0, 2], [0, 4, 2], [0, 3, 2]]))
    state, observation, outcome = env.step(state, torch.tensor([0, 0, 1]))
    lit = [x.nonzero().tolist() for x in observation[:, 0]]
    assert lit == [[[1, 0], [2, 1]], [[1, 4], [2, 1]], [[1, 3], [2, 2]]]
    assert not outcome.reward.any() and not outcome.terminated.any()
    _, fresh, outcome = env.step(state, torch.tensor([0, 2, 2]))
    assert outcome.reward.tolist() == [1, -1, 1] and outcome.terminated.all()
    lit = [x.nonzero().tolist() for x in outcome.observation[:, 0]]
    assert lit == [[[2, 0]], [[2, 2], [2, 4]], [[2, 3]]]
    assert all(x[0, 0].any() and x[0, 2, 2] == 255 for x in fresh)


def test_a_ball_falls_from_every_column_and_a_cell_may_have_many_pixels():
    small, large = catch(500), catch(500, pixels=4)
    _, observation = small.reset(0)
    _, enlarged = large.reset(0)
    assert observation[:, 0, 0].eq(255).sum(0).gt(70).all()  # of 100 each
    assert torch.equal(enlarged[:, :, ::4, ::4], observation)
    assert enlarged.shape == (500, 1, 40, 20) and enlarged.sum() == 16 * observation.sum()
    with pytest.raises(ValueError, match="two rows"):
        catch(1, rows=1)


def test_a_way_through_four_rooms_by_hand():
    """From the upper left corner (1, 1) to the door (3, 6) of the next room: two down, five to the right."""
    env = four_rooms(1)
    state, observation = env.reset(0)
    assert observation.shape == (1, 3, 13, 13) and observation.dtype == torch.uint8
    state = state._replace(physics=torch.tensor([[13 + 1, 3 * 13 + 6]]))
    for action, reached in zip(
        [0, 3, 2, 2, 1, 1, 1, 1, 1],  # up and to the left there are walls
        [(1, 1), (1, 1), (2, 1), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (3, 6)],
        strict=True,
    ):
        state, _, outcome = env.step(state, torch.tensor([action]))
        walls, agent, goal = outcome.observation[0].eq(255)
        assert agent.nonzero().tolist() == [list(reached)] and goal.nonzero().tolist() == [[3, 6]]
        assert walls.sum() == 169 - 104 and not walls[reached]
        arrived = reached == (3, 6)
        assert outcome.reward.tolist() == [arrived] and outcome.terminated.tolist() == [arrived]
    agent, goal = state.physics[0]
    assert agent != goal and state.time == 0


def test_all_of_four_rooms_is_a_place_to_start_at_and_one_to_reach():
    """104 free cells; agent and goal never begin in one; the farthest are 20 steps apart."""
    physics = four_rooms(1).physics
    starts = physics.start(20_000, torch.Generator().manual_seed(0))
    free = starts[:, 0].unique()
    assert len(free) == 104 and torch.equal(free, starts[:, 1].unique())
    assert (starts[:, 0] != starts[:, 1]).all()
    distances = torch.where(free[:, None] == free, 0, 999)
    for _ in range(30):
        at = free.repeat_interleave(4), torch.arange(4).repeat(104)
        moved, _, _ = physics.step(torch.stack([at[0], at[0]], -1), at[1])
        beside = torch.searchsorted(free, moved[:, 0].contiguous()).view(104, 4)
        distances = torch.minimum(distances, distances[beside].amin(1) + 1)
    assert distances.max() == 20


@pytest.mark.parametrize(
    ("ours", "env_id"),
    [
        (cartpole(1), "CartPole-v1"),
        (pendulum(1), "Pendulum-v1"),
        (mountain_car(1), "MountainCar-v0"),
        (acrobot(1), "Acrobot-v1"),
    ],
)
def test_spaces_are_gymnasiums(ours, env_id):
    theirs = gymnasium.make(env_id)
    assert ours.action_space == theirs.action_space
    assert ours.observation_space.shape == theirs.observation_space.shape
    np.testing.assert_allclose(ours.observation_space.high, theirs.observation_space.high)


@pytest.mark.parametrize(
    ("env", "centre", "reach"),
    [
        (cartpole(500), [0.0] * 4, [0.05] * 4),
        (pendulum(500), [0.0] * 2, [math.pi, 1.0]),
        (mountain_car(500), [-0.5, 0.0], [0.1, 0.0]),
        (acrobot(500), [0.0] * 4, [0.1] * 4),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_episodes_start_where_gymnasiums_do(env, centre, reach):
    """Uniformly around a centre; the most extreme of 500 are within 2% of how far they reach."""
    state, observation = env.reset(0)
    centre, reach = torch.tensor(centre).double(), torch.tensor(reach).double()
    extreme = (state.physics - centre).abs().amax(0)
    assert (extreme <= reach + 1e-9).all() and (extreme >= 0.98 * reach).all()
    assert observation.dtype == torch.float32


def walker(num_envs=2, time_limit=5):
    """Moves by its action; beyond 2 it has arrived. Starts at a random place left of 0."""
    return physics_env(
        "walker",
        num_envs,
        start=lambda num_envs, rng: -torch.rand(num_envs, 1, generator=rng, dtype=torch.float64),
        step=lambda x, action: (x + action[:, None], action.float(), x[:, 0] + action >= 2),
        observe=torch.Tensor.float,
        time_limit=time_limit,
        observation_space=LINE,
        action_space=LINE,
    )


def test_who_arrives_is_reset_at_once_and_no_one_else():
    """The first walks by 3 each step and has arrived after one; the second stands still."""
    env, action = walker(), torch.tensor([3.0, 0.0])
    state, first = env.reset(0)
    state, observation, outcome = env.step(state, action)
    assert outcome.terminated.tolist() == [True, False] and not outcome.truncated.any()
    torch.testing.assert_close(outcome.observation, first + torch.tensor([[3.0], [0.0]]))
    assert observation[0] < 0 and observation[0] != first[0]
    assert observation[1] == first[1]
    _, again, _ = env.step(state, action)
    assert again[0] != observation[0]  # each episode starts elsewhere


def test_the_time_limit_truncates_and_does_not_terminate():
    """After 5 steps, and after 5 more; but who arrived meanwhile has as long again."""
    outcomes, _ = steps(walker(), 10, action=torch.tensor([0.0, 0.3]))
    assert outcomes.truncated[:, 0].nonzero().flatten().tolist() == [4, 9]
    assert not outcomes.terminated[:, 0].any()
    longer, _ = steps(walker(time_limit=100), 50, action=torch.tensor([0.0, 0.3]))
    assert longer.terminated[:, 1].sum() > 3 and not longer.truncated.any()


def test_who_arrives_with_the_last_step_is_terminated_only():
    outcomes, _ = steps(walker(time_limit=1), 3, action=torch.tensor([9.0, 0.0]))
    assert outcomes.terminated.tolist() == [[True, False]] * 3
    assert outcomes.truncated.tolist() == [[False, True]] * 3


@pytest.mark.parametrize("env", [cartpole(3), pendulum(3), from_gym(Dice, 3)])
def test_equal_seeds_replay_equally_and_environments_differ(env):
    action = torch.ones(3, 1) if isinstance(env.action_space, Box) else None
    (_, a), (_, b), (_, c) = (steps(env, 30, seed, action) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert len(torch.unique(a[0], dim=0)) == 3


@pytest.mark.parametrize("bad", [0, -1, 1.5])
def test_there_is_at_least_one_environment(bad):
    for env in (cartpole, pendulum, lambda n: from_gym(Dice, n)):
        with pytest.raises(ValueError, match="num_envs is an integer of at least 1"):
            env(bad)
    with pytest.raises(ValueError, match="time_limit is an integer of at least 1"):
        cartpole(1, time_limit=bad)


@pytest.mark.parametrize("counter", [Counter, Reusing])
def test_the_final_observation_is_the_one_that_was_reached(counter):
    """1, 2, 3, and not the 0 that the next episode starts from."""
    outcomes, observations = steps(from_gym(counter, 2), 6)
    assert outcomes.observation[:, 0, 0].tolist() == [1, 2, 3, 1, 2, 3]
    assert observations[:, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert outcomes.truncated[:, 0].tolist() == [False, False, True] * 2
    assert not outcomes.terminated.any()


def test_environments_end_apart():
    """One after 2 steps, one after 3: each has its own final observation."""
    limits = iter([9, 2, 3])  # the first is made to ask for its spaces
    outcomes, observations = steps(from_gym(lambda: Counter(limit=next(limits)), 2), 4)
    assert outcomes.observation[..., 0].tolist() == [[1, 1], [2, 2], [1, 3], [2, 1]]
    assert observations[..., 0].tolist() == [[0, 0], [1, 1], [0, 2], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(np.uint8, torch.uint8), (np.float64, torch.float32), (np.float32, torch.float32)],
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 5)])  # no image of 1, 3 or 4 channels
def test_observations_have_any_shape_and_are_bytes_or_floats(given, expected, shape):
    outcomes, observations = steps(
        from_gym(Counter, 2, observation_space=Box(0, 9, shape, given)), 4
    )
    for x in (outcomes.observation, observations):
        assert x.dtype == expected and x.shape[1:] == (2, *shape)
    assert (outcomes.observation[2] == 3).all()


def echoed(space, *actions):
    """What a single environment is told, for each of ``actions``."""
    env = from_gym(Echo, 1, action_space=space)
    state, _ = env.reset(0)
    return [
        env.step(state, torch.tensor([action]))[2].observation[0].tolist() for action in actions
    ]


def test_actions_are_scaled_to_the_bounds_and_clipped():
    """From [-1, 1] to [0, 10] and to [-2, 2]."""
    space = Box(np.array([0, -2], np.float32), np.array([10, 2], np.float32))
    found = echoed(space, [0.0, 0.0], [-1.0, 1.0], [0.5, -0.5], [-7.0, 7.0])
    assert found == [[5, 0], [0, 2], [7.5, -1], [0, 2]]


def test_actions_have_any_shape_and_type():
    """Policies decide on vectors; the box is [2, 2], in float64."""
    space = Box(-4.0, 4.0, (2, 2), np.float64)
    assert echoed(space, [0.25, 0.5, 0.75, 1.0]) == [[[1, 2], [3, 4]]]
    assert action_spec(space).size == 4


def test_actions_without_bounds_stay_as_they_are():
    """Where there is a bound on one side, they are clipped to it."""
    assert echoed(Box(-np.inf, np.inf, (2,)), [3.0, -70.0]) == [[3, -70]]
    assert echoed(Box(0.0, np.inf, (2,)), [3.0, -70.0]) == [[3, 0]]


def test_discrete_actions_count_from_where_the_space_does():
    space = Discrete(3, start=5)
    assert echoed(space, 0, 1, 2) == [5, 6, 7]
    assert action_spec(space).size == 3


@pytest.mark.parametrize(
    "space",
    [
        *(Graph(LINE, None), Sequence(LINE), OneOf([LINE, LINE]), Text(10**6), Discrete(10**9)),
        *(Box(0, 1, (0,)), Box(0, 1, (3, 0)), Dict(), Tuple([])),
    ],
    ids=str,
)
def test_observations_that_cannot_be_learnt_from_are_named(space):
    with pytest.raises(NotImplementedError) as error:
        from_gym(Counter, observation_space=space)
    assert str(space) in str(error.value) and "Counter has observations in" in str(error.value)


@pytest.mark.parametrize(
    "space", [Text(3), Dict({"a": Text(3)}), Tuple([]), Sequence(LINE), Box(0, 1, (0,))]
)
def test_actions_that_are_no_choices_and_no_numbers_are_named(space):
    class Odd(Counter):
        def __init__(self):
            super().__init__()
            self.action_space = space

    with pytest.raises(NotImplementedError) as error:
        from_gym(Odd)
    inner = space["a"] if isinstance(space, Dict) else space
    assert str(inner) in str(error.value) and "Odd has actions in" in str(error.value)


@pytest.mark.parametrize(
    "env_id", ["Nope-v0", "torch/Nope-v1", "no_such_module:Nope-v0", "a b", ""]
)
@pytest.mark.parametrize("maker", [make, from_gym])
def test_an_unknown_id_is_a_value_error(maker, env_id):
    with pytest.raises(ValueError, match=r"no environment can be made of"):
        maker(env_id)


def test_an_unknown_pybullet_id_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"PyBullet has no 'Nope-v0'; it has .*AntBulletEnv-v0"):
        pybullet("Nope-v0")


@pytest.mark.parametrize("wrong", [lambda: 3, lambda: None, dict])
def test_a_function_that_makes_no_environment_is_a_value_error(wrong):
    with pytest.raises(ValueError, match="which is no Gymnasium environment"):
        from_gym(wrong)


@pytest.mark.parametrize("wrong", [3, None])
def test_what_is_no_name_and_no_function_is_a_value_error(wrong):
    with pytest.raises(ValueError, match="env is a text or a function"):
        from_gym(wrong)


@pytest.mark.parametrize("when", [0, 1, 3])
@pytest.mark.parametrize(
    ("wrong", "what"),
    [(None, "None"), (np.zeros(2, np.float32), r"shape \(2,\)"), (np.float32(0), r"shape \(\)")],
)
def test_an_observation_of_a_wrong_shape_is_a_value_error(wrong, what, when):
    """From the reset on, in the first step, or at the end of an episode."""

    class Wrong(Counter):
        def seen(self):
            return super().seen() if self.steps < when else wrong

    env = from_gym(Wrong, 2, observation_space=Box(0, 9, (3,)))
    with pytest.raises(ValueError, match=f"environment 0 of Wrong gave an observation of {what}; "):
        steps(env, 4)


@pytest.mark.parametrize("when", ["reset", "step"])
def test_an_error_of_the_environment_is_passed_on(when):
    """It says more than anything that could be said instead of it."""

    class Broken(Counter):
        def seen(self):
            if when == "reset" or self.steps:
                raise KeyError("the file of the map is lost")
            return super().seen()

    with pytest.raises(KeyError, match="the file of the map is lost"):
        steps(from_gym(Broken, 2), 1)


@pytest.mark.parametrize(
    ("env_id", "name"),
    [
        ("torch/CartPole-v1", "cartpole"),
        ("torch/Pendulum-v1", "pendulum"),
        ("torch/MountainCar-v0", "mountain_car"),
        ("torch/Acrobot-v1", "acrobot"),
        ("torch/Catch-v0", "catch"),
        ("torch/FourRooms-v0", "four_rooms"),
        ("CartPole-v1", "CartPole-v1"),
    ],
)
def test_environments_by_name(env_id, name):
    env = make(env_id, 2)
    assert env.name == name and env.num_envs == 2
    action = torch.zeros(2, 1) if isinstance(env.action_space, Box) else None
    assert len(steps(env, 1, action=action)[0].reward) == 1


@pytest.mark.parametrize("env_id", PYBULLET)
def test_pybullet_steps_in_silence(env_id, capfd):
    """Nothing of what its C code prints is on the standard output, nor still waits to be."""
    env = make(env_id)
    num_steps = 20 if env_id.startswith("HalfCheetah") else 2
    action = torch.full((1, *env.action_space.shape), 0.5)
    outcomes, observations = steps(env, num_steps, action=action)
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == ""
    assert observations.shape == (num_steps + 1, 1, *env.observation_space.shape)
    assert observations.dtype == torch.float32 and observations.isfinite().all()
    assert outcomes.reward.isfinite().all()
    assert not torch.equal(observations[0], observations[-1])


def clocks(*lengths):
    """Environments with episodes of these lengths, each step worth 1; the seed of a reset is kept."""
    limit = torch.tensor(lengths)
    seeds = []

    def reset(seed):
        seeds.append(seed)
        return torch.zeros_like(limit), torch.zeros(len(limit), 1)

    def step(time, action):
        time = time + 1
        done = time >= limit
        reached = time[:, None].float()
        outcome = Transition(reached, torch.ones(len(limit)), done, torch.zeros_like(done))
        return time * ~done, reached * ~done[:, None], outcome

    return Env(reset, step, LINE, Discrete(2), len(limit)), seeds


def even(kind):
    """A policy of two actions that are as good, after which the first is the mode."""
    return kind(lambda params, x: torch.zeros(len(x), 2), categorical())


NOTHING = make_params(TensorDict())


@pytest.mark.parametrize(
    ("num_episodes", "expected"),
    [(1, [1]), (2, [1, 10]), (3, [1, 1, 10]), (5, [1, 1, 1, 10, 10]), (8, [1] * 4 + [10] * 4)],
)
def test_short_episodes_are_not_preferred(num_episodes, expected):
    """Of 8 that finish first, all would be short: ten finish before the first long one does."""
    env, _ = clocks(1, 10)
    found = evaluate(env, even(greedy), NOTHING, num_episodes)
    assert found.lengths.tolist() == found.returns.tolist() == expected


def test_an_evaluation_has_a_seed_of_its_own():
    """The same for the same seed, and not the one it was given, with which collecting may start."""
    env, seeds = clocks(2)
    for seed in (5, 5, 6):
        evaluate(env, even(stochastic), NOTHING, 1, seed)
    assert seeds[0] == seeds[1] != seeds[2]
    assert not {5, 6} & set(seeds)


def test_an_evaluation_draws_from_no_other_generator():
    env, before = cartpole(2), torch.get_rng_state()
    a, b, c = (evaluate(env, even(stochastic), NOTHING, 5, seed) for seed in (1, 1, 2))
    assert torch.equal(a.returns, b.returns) and not torch.equal(a.returns, c.returns)
    assert torch.equal(torch.get_rng_state(), before)


def coins():
    """A step each, worth its action."""
    step = lambda state, action: (
        state,
        torch.zeros(1, 1),
        Transition(torch.zeros(1, 1), action.float(), torch.ones(1).bool(), torch.zeros(1).bool()),
    )
    return Env(lambda seed: ((), torch.zeros(1, 1)), step, LINE, Discrete(2), 1)


def test_greedy_evaluation_draws_no_actions():
    """All mode; where actions are drawn, 20 of 40 are ones, give or take."""
    for seed in range(3):
        assert evaluate(coins(), even(greedy), NOTHING, 40, seed).returns.sum() == 0
    assert 5 < evaluate(coins(), even(stochastic), NOTHING, 40).returns.sum() < 35


def test_an_evaluation_is_shown_in_a_line():
    """Returns 1 and 3: 2 on average, and 1 to both sides of it."""
    env, _ = clocks(1, 3)
    assert repr(evaluate(env, even(greedy), NOTHING, 2)) == "2.0 ± 1.0 (2 episodes)"


@pytest.mark.parametrize("bad", [0, -1, 2.5])
def test_an_evaluation_has_at_least_one_episode(bad):
    with pytest.raises(ValueError, match="num_episodes is an integer of at least 1"):
        evaluate(clocks(1)[0], even(greedy), NOTHING, bad)

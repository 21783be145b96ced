"""Whoever makes a simulator closes it, once: each that was made here is counted."""

from collections import Counter
from itertools import product

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from nappo2 import PPO, SAC, Learner, check_env, envs, evaluate, first, ppo, sac, scheme, video
from nappo2.schemes import SCHEMES
from nappo2.stages.recipe import collect_of


class Counted(gymnasium.Env):
    """Episodes of 5 steps; remembers who was made and closed."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space, action_space = Box(-1, 1, (2,)), Discrete(2)
    made: list = []
    closed: list = []
    fails_at = None  # which of all that were made raises in its reset

    def __init__(self, endless=False):
        self.endless = endless
        Counted.made.append(self)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if Counted.fails_at is not None and Counted.made[Counted.fails_at] is self:
            raise OSError("no window")
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.full(2, 0.5, np.float32), 1.0, self.t >= 5 and not self.endless, False, {}

    def close(self):
        Counted.closed.append(self)


@pytest.fixture(autouse=True)
def counts():
    Counted.made, Counted.closed, Counted.fails_at = [], [], None
    yield
    times = Counter(map(id, Counted.closed))
    assert [times[id(env)] for env in Counted.made] == [1] * len(Counted.made) and times


def make_recipe(**options):
    config = PPO(num_steps=8, num_epochs=1, num_minibatches=1, hidden=(4,))
    return ppo(envs.from_gym(Counted, 2, **options), config)


def learner(name="3cs", recipe=None, **options):
    recipe = recipe or make_recipe()
    options = {"target_steps": 32, "progress": False} | options
    return Learner(scheme(name, recipe), recipe.init(0), **options)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_learner_closes_its_simulators_and_those_of_its_workers(name):
    run = learner(name).run()
    run.close()
    run.close()
    with pytest.raises(ValueError, match="this Learner is closed"):
        run.step()


@pytest.mark.parametrize(("old", "new"), product(SCHEMES, SCHEMES))
def test_adopting_closes_what_is_not_kept(old, new):
    """From 3cs to 3cs the two that step go on, and the two of the new pipeline are closed at once."""
    recipe = make_recipe()
    run = learner(old, recipe)
    run.step()
    run.adopt(scheme(new, recipe))
    run.step()
    if old == new == "3cs":
        assert len(Counted.made) - len(Counted.closed) == 2
    run.close()


def test_a_replay_and_a_monitor_are_no_hindrance(tmp_path):
    recipe = sac(
        envs.from_gym(Counted, 2), SAC(hidden=(4,), batch_size=4, start_steps=8, capacity=32)
    )
    learner("2dacs", recipe).run().close()
    env = envs.make(Counted, 2, monitor=tmp_path)
    recipe = ppo(env, PPO(num_steps=8, num_epochs=1, num_minibatches=1, hidden=(4,)))
    learner("da2cs", recipe).run().close()


@pytest.mark.parametrize(("old", "new"), [("3cs", "3cs"), ("3cs", "2dacs"), ("da2cs", "da2cs")])
def test_what_is_resumed_is_closed(old, new, tmp_path):
    before = learner(old, log_dir=tmp_path, checkpoint_every=16).run()
    before.close()
    again = learner(new)
    again.resume(tmp_path)
    again.step()
    again.close()


def test_an_evaluation_closes_its_simulators_also_if_it_fails():
    recipe = make_recipe()
    params, env = recipe.init(0), envs.from_gym(Counted, 3)
    evaluate(env, recipe.greedy, params, 4)
    with pytest.raises(ValueError, match="ended no episode in 100 steps; a time limit truncates"):
        evaluate(envs.from_gym(Counted, 2, endless=True), recipe.greedy, params, 2, max_steps=100)
    with pytest.raises(ValueError, match="the policy cannot act on observations of Counted"):
        evaluate(env, recipe.greedy._replace(act=None), params, 4)


def test_first_and_a_film_and_a_check_close_theirs():
    recipe = make_recipe()
    first(collect_of(recipe), recipe.init(0))
    first(scheme("2dacs", recipe), recipe.init(0))
    with pytest.raises(ValueError, match="cannot be rendered"):
        video(envs.from_gym(Counted), recipe.greedy, recipe.init(0))
    check_env(Counted, 20)


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("name", ["3cs", "2dacs", "dadaca"])
def test_what_fails_at_its_start_leaves_none_open(name, place):
    """Number 0 is looked at when the recipe is made; 1 and 2 are of the first collector."""
    recipe = make_recipe()
    Counted.fails_at = place
    with pytest.raises(OSError, match="no window"):
        learner(name, recipe)


def test_a_wrapper_that_fails_leaves_none_open():
    def broken(env):
        raise TypeError("no such frame")

    with pytest.raises(TypeError, match="no such frame"):
        envs.from_gym(Counted, 2, wrappers=[broken])


def test_a_simulator_that_cannot_be_closed_keeps_no_other_open(monkeypatch):
    def close(self):
        Counted.closed.append(self)
        raise OSError("the socket is gone")

    run = learner("2dacs")
    monkeypatch.setattr(Counted, "close", close)
    with pytest.warns(UserWarning, match="a simulator could not be closed"):
        run.close()

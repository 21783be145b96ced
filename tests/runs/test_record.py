"""Recording: until there are enough transitions or whole episodes, and no longer."""

import signal

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from nappo2 import PPO, Pipeline, Rainbow, collect_of, envs, mask, ppo, rainbow, record

SMALL_PPO = PPO(num_steps=16, num_minibatches=2, hidden=(8,))


def test_an_end_long_ago_is_none(monkeypatch):
    """The first episode has 3 steps of three rollouts of 16, and the second none that is its last."""
    monkeypatch.setattr("nappo2.runs.record.LONGEST", 32)
    env = endless_after(3)
    recipe = ppo(env, SMALL_PPO)
    assert len(record(collect_of(recipe), recipe.init(0), episodes=1)) == 3
    with pytest.raises(ValueError, match="no episode ended in 45 steps of each environment"):
        record(collect_of(recipe), recipe.init(0), episodes=2)


def endless_after(num):
    """An environment whose first episode alone has an end, after so many steps."""

    class Endless(gymnasium.Env):
        observation_space, action_space = Box(-1, 1, (2,)), Discrete(2)
        steps = 0

        def reset(self, *, seed=None, options=None):
            return np.zeros(2, np.float32), {}

        def step(self, action):
            self.steps += 1
            return np.zeros(2, np.float32), 1.0, self.steps == num, False, {}

    return envs.from_gym(Endless, 1)


class Broken(gymnasium.Env):
    """Episodes of five steps, in every second of which the third observation is not finite."""

    observation_space, action_space = Box(-1, 1, (1,)), Discrete(2)
    episode = -1

    def reset(self, *, seed=None, options=None):
        self.t, self.episode = 0, self.episode + 1
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        broken = self.t == 3 and self.episode % 2
        seen = np.full(1, np.nan if broken else self.t / 10, np.float32)
        return seen, 1.0, self.t == 5, False, {}


def test_of_episodes_that_are_masked_only_whole_ones_count():
    """Of five steps each; of the broken ones the third, and the fourth, which saw it, are masked."""
    recipe = ppo(envs.from_gym(Broken, 1), SMALL_PPO).replace(non_finite=mask)
    data = record(collect_of(recipe), recipe.init(0), episodes=3)
    assert len(data) == 15 and int(data["next", "done"].sum()) == 3
    assert len(record(collect_of(recipe), recipe.init(0), 40)) >= 40


@pytest.mark.parametrize(
    ("given", "num"), [({"num_steps": 10**9}, 160), ({"episodes": 10**9}, 144)]
)
def test_an_interrupt_leaves_what_was_recorded(given, num, caplog):
    """SIGINT arrives in the fifth rollout of 2 x 16 steps, after twice eight episodes of nine."""
    recipe = ppo(envs.cartpole(2, time_limit=9), SMALL_PPO)
    source, seen = collect_of(recipe), []

    def step(params, state):
        seen.append(len(seen))
        if len(seen) == 5:
            signal.raise_signal(signal.SIGINT)
        return source.step(params, state)

    counting = Pipeline(source.init, step, source.stages)
    data = record(counting, recipe.init(0), **given)
    assert len(seen) == 5 and len(data) == num and data["next", "done"][-1]
    assert "record was interrupted, and returns the" in caplog.text


def test_transitions_of_several_steps_are_not_recorded():
    recipe = rainbow(envs.cartpole(2), Rainbow(hidden=(4,)))
    with pytest.raises(ValueError, match=r"of which rolling_n_step makes others; collect\(recipe"):
        record(collect_of(recipe), recipe.init(0), 8)

"""Environments that misbehave, or change between two lives of a worker."""

import gymnasium
import numpy as np
import pytest

from nappo2 import PPO, Learner, envs, ppo, scheme

CONFIG = PPO(num_steps=8, num_minibatches=1, hidden=(4,))


class Wrong(gymnasium.Env):
    """At its third step it gives ``gives`` for what a step should give."""

    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, gives=None, size=2):
        self.gives, self.t = gives, 0
        self.observation_space = gymnasium.spaces.Box(-1, 1, (size,))

    def reset(self, seed=None, options=None):
        return np.zeros(self.observation_space.shape, np.float32), {}

    def step(self, action):
        self.t += 1
        fine = np.zeros(self.observation_space.shape, np.float32), 0.0, False, False, {}
        return self.gives(fine) if self.t == 3 else fine


WRONG = {
    "another shape": lambda fine: (np.zeros(3, np.float32), *fine[1:]),
    "None": lambda fine: (None, *fine[1:]),
    "four values": lambda fine: fine[:4],
    "two rewards": lambda fine: (fine[0], np.zeros(2), *fine[2:]),
}


@pytest.mark.parametrize("gives", WRONG.values(), ids=WRONG)
def test_what_has_another_form_is_raised_at_once_and_never_broadcast(gives):
    recipe = ppo(envs.from_gym(lambda: Wrong(gives), 2), CONFIG)
    with pytest.raises((ValueError, TypeError)):
        Learner(scheme("3cs", recipe), recipe.init(0), progress=False).step()


def test_another_space_after_a_restart_is_refused_with_both():
    sizes = iter([2, 2, 3])
    env = envs.from_gym(lambda: Wrong(size=next(sizes)), 1)
    env.reset(0)
    with pytest.raises(ValueError, match=r"had observations in Box.*\(2,\).*now in Box.*\(3,\)"):
        env.reset(1)

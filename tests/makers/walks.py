"""A simulator for processes of their own, in a module that imports neither torch nor nappo2."""

import os
import sys
import threading
import time

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete


class Walk(gymnasium.Env):
    """Moves at random, and does what a file says: ``raise``, ``exit``, ``hang``; over after 7 steps."""

    observation_space, action_space = Box(-99, 99, (2,)), Discrete(2)
    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, folder="", render_mode=None):
        self.folder, self.render_mode = str(folder), render_mode  # a text, as it is saved

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.place = 0, self.np_random.normal(size=2)
        return self.place.astype(np.float32), {"lock": threading.Lock()}

    def step(self, action):
        self.t += 1
        self.place += self.np_random.normal(size=2) + action
        self.obey()
        info = {"steps": self.t, "pid": os.getpid(), "lock": threading.Lock()}
        return self.place.astype(np.float32), float(action), False, self.t == 7, info

    def obey(self):
        for name in ("raise", "exit", "hang"):
            try:
                os.rename(f"{self.folder}/{name}", f"{self.folder}/{name}-taken")
            except OSError:
                continue
            if name == "exit":
                os._exit(3)
            if name == "hang":
                time.sleep(3600)
            raise ZeroDivisionError("the simulator broke")

    def render(self):
        return np.full((4, 6, 3), self.t, np.uint8)


class TellsTorch(gymnasium.Wrapper):
    """Tells whether its process has imported torch."""

    def step(self, action):
        return *super().step(action)[:4], {"torch": float("torch" in sys.modules)}

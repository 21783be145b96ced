"""Environments in which half of all actions are forbidden at each step, in torch and of Gymnasium."""

from collections.abc import Callable
from dataclasses import replace

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary
from torch import Tensor
from torch.nn.functional import one_hot

from nappo2 import envs
from nappo2 import recipes as a
from nappo2.stages import Recipe

NUM_PAIRS = 4
NUM_ACTIONS = 2 * NUM_PAIRS
LENGTH = 20

FORBIDDEN_REWARD = -1.0
"""The reward of a forbidden action, which ends the episode; no other is below 0."""

BARE = Box(0, 1, (NUM_PAIRS,))
MASKED = Dict({"observation": BARE, "action_mask": MultiBinary(NUM_ACTIONS)})


def mines(num_envs: int) -> envs.Env:
    """Eight actions in four pairs. One of each pair ends the episode; the mask alone tells which.

    The observation is the pair, one-hot, of which an action is worth 1; all others are worth 0. An
    episode has 20 steps, so that the best return is 20, and that of random allowed actions 5 on average.
    """
    return envs.physics_env("mines", num_envs, start, step, observe, LENGTH, MASKED, Discrete(8))


def hidden_mines(num_envs: int) -> envs.Env:
    """``mines`` without masks: half of all actions end the episode, and nothing tells which."""

    def see(physics):
        return observe(physics)["observation"]

    return envs.physics_env("hidden", num_envs, start, step, see, LENGTH, BARE, Discrete(8))


def start(num: int, rng: torch.Generator) -> Tensor:
    return torch.randint(2**31, (num,), generator=rng)


def step(number: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    allowed = mask_of(number).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    reward = torch.where(allowed, (action // 2 == pair_of(number)).float(), FORBIDDEN_REWARD)
    return (number * 1103515245 + 12345) % 2**31, reward, ~allowed


def observe(number: Tensor) -> dict[str, Tensor]:
    return {
        "observation": one_hot(pair_of(number), NUM_PAIRS).float(),
        "action_mask": mask_of(number),
    }


def pair_of(number: Tensor) -> Tensor:
    return (number >> 16) % NUM_PAIRS


def mask_of(number: Tensor) -> Tensor:
    bits = (number.unsqueeze(-1) >> (20 + torch.arange(NUM_PAIRS))) % 2
    return torch.stack([bits, 1 - bits], -1).flatten(-2).bool()


class Mines(gymnasium.Env):
    """``mines`` of Gymnasium, whose masks nobody is told; refuses a forbidden action."""

    observation_space: gymnasium.Space = BARE
    action_space = Discrete(NUM_ACTIONS, start=3)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.number, self.time = start(1, torch.Generator().manual_seed(seed or 0)), 0
        return self.shown(), self.info()

    def step(self, action):
        action = torch.tensor([action - 3])
        assert mask_of(self.number)[0, action], f"forbidden: {action}"
        self.number, reward, _ = step(self.number, action)
        self.time += 1
        return self.shown(), reward.item(), False, self.time == LENGTH, self.info()

    def shown(self):
        return observe(self.number)["observation"][0].numpy()

    def info(self):
        return {}

    def flags(self):
        return mask_of(self.number)[0].numpy()


class InfoMines(Mines):
    """Tells masks in its info, as integers."""

    def info(self):
        return {"action_mask": self.flags().astype(np.int8)}


class MethodMines(Mines):
    """Tells masks by a method."""

    def action_masks(self):
        return self.flags()


class KeyMines(Mines):
    """Tells masks in its observations."""

    observation_space = MASKED

    def shown(self):
        return {"observation": super().shown(), "action_mask": self.flags().astype(np.int8)}


SOURCES = {"info": InfoMines, "method": MethodMines, "key": KeyMines}


ON = {"num_steps": 32, "hidden": (8, 8)}
OFF = {"num_steps": 8, "capacity": 4_000, "batch_size": 16, "start_steps": 500, "hidden": (8, 8)}
OFF |= {"update_ratio": 0.05}
CONFIGS = {
    "ppo": a.PPO(**ON, num_minibatches=2, num_epochs=2),
    "a2c": a.A2C(**ON),
    "vpg": a.VPG(**ON),
    "impala": a.Impala(**ON, normalize=True),
    "pqn": a.PQN(**ON, num_minibatches=2, num_epochs=2, exploration_updates=60),
    "recurrent_pqn": a.PQN(**ON, num_minibatches=2, num_epochs=2, exploration_updates=60),
    "recurrent_ppo": a.PPO(**ON, num_minibatches=2, num_epochs=2),
    "recurrent_impala": a.Impala(**ON),
    "dqn": a.DQN(**OFF, exploration_updates=60),
    "double_dqn": a.DQN(**OFF, exploration_updates=60),
    "rainbow": a.Rainbow(**OFF, num_atoms=11, lowest=0.0, highest=20.0),
    "sac": a.SAC(**OFF),
    "r2d2": a.R2D2(
        num_steps=16, length=8, period=8, burn_in=2, hidden=(8, 8), start_steps=500, capacity=400
    ),
}
"""Recipes of discrete actions."""


def masked_recipe(name: str, env: envs.Env | None = None, **changes: object) -> Recipe:
    """A small recipe in ``mines``; changes of what it has not are left out."""
    known = {key: x for key, x in changes.items() if hasattr(CONFIGS[name], key)}
    return a.RECIPES[name](env or mines(8), replace(CONFIGS[name], **known))


def altered(change: Callable[[Tensor], Tensor], num_envs: int = 2) -> envs.Env:
    """``mines`` whose masks are changed by a function."""
    env = mines(num_envs)

    def see(physics):
        x = observe(physics)
        return x | {"action_mask": change(x["action_mask"])}

    spaces = env.observation_space, env.action_space
    return envs.physics_env("altered", num_envs, start, step, see, LENGTH, *spaces)

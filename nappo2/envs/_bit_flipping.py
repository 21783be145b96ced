"""Bits to be flipped until they are those of a goal, in torch."""

import torch
from gymnasium.spaces import Box, Dict, Discrete

from nappo2.checks import checked, explained
from nappo2.envs.env import Env
from nappo2.envs.physics import physics_env
from nappo2.saving.calls import remembering


@remembering
@checked
def bit_flipping(num_envs: int, num_bits: int = 20) -> Env:
    """Bits to be flipped until they equal a goal (Andrychowicz et al., https://arxiv.org/abs/1707.01495).

    Observations are ``observation``, ``achieved_goal`` (both the bits, 0 or 1) and
    ``desired_goal``, each [B, num_bits]. An action flips a bit. A step is worth -1, and 0 when
    the goal is reached, which ends the episode; otherwise it is cut off after ``num_bits`` steps.
    Of each episode it tells ``is_success``.

    Example:
        >>> sorted(envs.bit_flipping(4, num_bits=5).observation_space)
        ['achieved_goal', 'desired_goal', 'observation']
    """

    def start(num, rng):
        return torch.randint(2, (num, 2, num_bits), generator=rng)

    def step(physics, action):
        bits, goal = physics.unbind(1)
        bits = bits ^ torch.nn.functional.one_hot(action, num_bits)
        is_equal = (bits == goal).all(-1)
        return torch.stack([bits, goal], 1), is_equal.float() - 1, is_equal

    def observe(physics):
        bits, goal = physics.float().unbind(1)
        return {"observation": bits, "achieved_goal": bits, "desired_goal": goal}

    def info(physics):
        return {"is_success": bits_reached(*physics.unbind(1))}

    bits = Box(0, 1, (num_bits,))
    space = Dict({"observation": bits, "achieved_goal": bits, "desired_goal": bits})
    spaces = space, Discrete(num_bits)
    functions = start, step, observe
    return physics_env("bit_flipping", num_envs, *functions, num_bits, *spaces, info=info)


@explained
def bits_reward(achieved: torch.Tensor, desired: torch.Tensor) -> torch.Tensor:
    """The reward [...] float32 of a step to ``achieved`` [..., num_bits]: 0 at the goal, else -1.

    Example:
        >>> envs.bits_reward(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([-1.])
    """
    return bits_reached(achieved, desired).float() - 1


@explained
def bits_reached(achieved: torch.Tensor, desired: torch.Tensor) -> torch.Tensor:
    """Tests whether all bits equal those of the goal: [...] bool of two [..., num_bits].

    Example:
        >>> envs.bits_reached(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([True])
    """
    return (achieved == desired).all(-1)

"""Atari games, in the C++ vector of ale-py, which is an extra because of its licence (GPL)."""

import re
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from nappo2.checks import checked, installs
from nappo2.envs.emulators import Emulators, RemoteEmulators
from nappo2.envs.env import Env, EpisodeCount, Transition
from nappo2.envs.processes import Processes, check_processes
from nappo2.pipeline import positive
from nappo2.saving.calls import remembering
from nappo2.seeds import split

ID = re.compile(r"ALE/(?P<new>\w+)-v5|(?P<old>\w+)NoFrameskip-v(?P<version>[04])")
STICKY = 0.25  # with which actions are repeated in v0 and v5 (Machado et al., 2018)
PICTURES = 4 * 84 * 84  # bytes of an observation
FIRE = 1  # where a game needs it to begin, it is its second action


class AtariState(NamedTuple):
    envs: Emulators | RemoteEmulators  # which are alive
    lives: np.ndarray  # [B], that are left
    lost: np.ndarray  # [B], whether a life was just lost
    settings: str  # with which they were made


@remembering
@checked
def atari(
    env_id: str,
    num_envs: int = 1,
    *,
    noop_max: int = 30,
    fire: bool = True,
    threads: int = 1,
    processes: int = 0,
    deadline: float = 300.0,
) -> Env:
    """Atari games with the preprocessing of Mnih et al. (https://doi.org/10.1038/nature14236).

    A step is four frames with one action, whose last two are joined by their maximum, in grey and
    84 x 84; observations are the last four of these, [B, 4, 84, 84] bytes, black before an
    episode. Rewards are signs. A lost life terminates an episode and is no reset; it is the game
    that is reset, after up to ``noop_max`` frames of doing nothing. Returns are reported of whole
    games, unclipped. What is saved of a game is its seed and its actions: ``load`` plays it again.

    Args:
        env_id: ``ALE/Pong-v5``, where each frame's action is the one before with a probability of
            1/4, or ``PongNoFrameskip-v4``, which has only the starts for randomness.
        num_envs: B.
        noop_max: frames, of which each game starts with a random number.
        fire: whether the environment begins each game and life by pressing fire, where there is
            such a button. In the first step of a further life that is done instead of the action.
        threads: in which the emulators of a process run.
        processes: that step the emulators, each a share; 0 for this process.
        deadline: seconds after which a process that gives no answer is replaced.

    Returns:
        The environment, with observations [B, 4, 84, 84] uint8.

    Raises:
        ValueError: if there is no such game, ale-py is not installed, or there are more processes
            than environments.
    """
    positive(num_envs=num_envs, threads=threads)
    check_processes(processes, num_envs)
    game, sticky = game_of(env_id)
    make = partial(
        Emulators,
        game,
        threads,
        repeat_action_probability=sticky,
        noop_max=noop_max,
        use_fire_reset=fire,
        episodic_life=False,  # which would reset the game
        reward_clipping=False,
    )
    probe = make().begin(1)
    actions = probe.ale.get_action_set()
    probe.close()
    fires = fire and len(actions) > 2 and actions[FIRE].name == "FIRE"

    def emulators():
        if not processes:
            return make()
        memory = num_envs * 3 * PICTURES  # two observations each, and numbers
        return RemoteEmulators(Processes(env_id, make, num_envs, processes, deadline, memory))

    def reset(seed):
        envs = emulators()
        try:
            first = envs.reset([s % 2**31 for s in split(seed, num_envs)])
        except BaseException:
            envs.close()
            raise
        settings = f"{env_id}, {noop_max}, {fire}"
        state = AtariState(envs, first.lives, np.zeros(num_envs, bool), settings)
        return state, torch.from_numpy(first.observation)

    def step(state, action):
        actions = action.numpy()
        if fires and state.lost.any():
            actions = np.where(state.lost, FIRE, actions)
        frames = state.envs.step(actions)
        ended = frames.terminated | frames.truncated
        lost = (frames.lives < state.lives) & ~ended
        reward = torch.from_numpy(frames.reward).float()
        flags = torch.from_numpy(frames.terminated | lost), torch.from_numpy(frames.truncated)
        game = EpisodeCount(reward, torch.from_numpy(ended))
        transition = Transition(torch.from_numpy(frames.last), reward.sign(), *flags, game)
        state = state._replace(lives=frames.lives, lost=lost)
        return state, torch.from_numpy(frames.observation), transition

    def save(state):
        rows = {"settings": state.settings, "lives": state.lives, "lost": state.lost}
        return rows | {"games": state.envs.save()}

    def load(state, saved):
        if saved["settings"] != state.settings:
            raise ValueError(f"it was saved of {saved['settings']}, and this is {state.settings}")
        if len(saved["lives"]) != num_envs:
            raise ValueError(f"{len(saved['lives'])} games were saved, and here are {num_envs}")
        state.envs.load(saved["games"])
        return state._replace(lives=saved["lives"], lost=saved["lost"])

    spaces = Box(0, 255, (4, 84, 84), "uint8"), Discrete(len(actions))
    return Env(
        reset,
        step,
        *spaces,
        num_envs,
        env_id,
        close=lambda state: state.envs.close(),
        save=save,
        load=load,
        restarts=lambda state: state.envs.restarts,
    )


def is_atari(env_id: str) -> bool:
    """Tests whether an id is that of an Atari game."""
    return isinstance(env_id, str) and ID.fullmatch(env_id) is not None


def game_of(env_id: str) -> tuple[str, float]:
    """The name of a game's ROM, and the probability with which actions are repeated.

    Raises:
        ValueError: if there is none, or ale-py is not installed.
    """
    match = ID.fullmatch(env_id)
    if match is None:
        raise ValueError(
            f"Atari's environments are called ALE/Pong-v5 or PongNoFrameskip-v4, not {env_id!r}"
        )
    try:
        from ale_py.roms import get_all_rom_ids
    except ImportError as error:
        raise ValueError(
            f"{env_id} is played by ale-py, which is GPL and not installed: {installs('atari')}"
        ) from error
    roms = {rom.replace("_", ""): rom for rom in get_all_rom_ids()}
    name = match["new"] or match["old"]
    if name.lower() not in roms:
        raise ValueError(f"ale-py has no game {name!r} for {env_id}; it has {', '.join(roms)}")
    return roms[name.lower()], 0.0 if match["version"] == "4" else STICKY

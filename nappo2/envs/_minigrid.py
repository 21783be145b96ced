"""The grid worlds of MiniGrid and BabyAI."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, MultiBinary, Space
from gymnasium.wrappers import TransformObservation

from nappo2.checks import checked, installs
from nappo2.envs.env import Env
from nappo2.envs.gym import from_gym
from nappo2.saving.calls import remembering

STEPS = np.array([25, 51, 127], np.uint8)  # of 11 objects, 6 colours and 3 states, within a byte
PREFIXES = "MiniGrid-", "BabyAI-"
BABYAI = """a after and ball behind blue box door front go green grey in key left next object of on
open pick purple put red right the then to up yellow you your"""
"""The words of BabyAI's missions (Chevalier-Boisvert et al., https://arxiv.org/abs/1810.08272)."""


@remembering
@checked
def minigrid(env_id: str, num_envs: int = 1, **kwargs: Any) -> Env:
    """MiniGrid and BabyAI: the 7 x 7 cells ahead as images [B, 3, 7, 7] of objects, colours and states.

    Their numbers are spread over a byte, as networks scale bytes to [0, 1]. Where missions differ from
    episode to episode, as in all of BabyAI, observations are dictionaries of ``image`` and ``mission``,
    a bag of words: [B, V] bool says which of V words are in it, in the order of the alphabet. For
    another view, give ``from_gym`` a function that makes it, such as
    ``lambda: minigrid.wrappers.FlatObsWrapper(gymnasium.make(env_id))``.

    Raises:
        ValueError: if there is none of this id, or minigrid is not installed.
    """
    try:
        import minigrid  # noqa: F401, which registers its environments
    except ImportError as error:
        raise ValueError(
            f"{env_id} is of minigrid, which is not installed: {installs('minigrid')}"
        ) from error
    return from_gym(env_id, num_envs, wrappers=(visible, *kwargs.pop("wrappers", ())), **kwargs)


def visible(env: gymnasium.Env) -> gymnasium.Env:
    """Observations of the image alone, or with the mission where there are several."""
    words = words_of(env.observation_space["mission"])
    return image_and_mission(env, words) if words else image_only(env)


def words_of(space: Space) -> list[str]:
    """The words of the missions of a space, in order; none if all missions are the same."""
    if type(space).__name__ == "BabyAIMissionSpace":  # which draws from a grammar
        return BABYAI.split()
    choices = space.ordered_placeholders
    if not choices:
        return []
    first = [words[0] for words in choices]
    each = [
        [*first[:i], word, *first[i + 1 :]] for i, words in enumerate(choices) for word in words
    ]
    missions = {space.mission_func(*words) for words in each}
    return sorted({word for mission in missions for word in split_words(mission)})


def split_words(mission: str) -> list[str]:
    """The words of a mission, without commas."""
    return re.findall(r"[a-z]+", mission.lower())


def image_only(env: gymnasium.Env) -> gymnasium.Env:
    """Replaces the dictionaries of MiniGrid by their image, bytes [3, 7, 7]."""
    return TransformObservation(env, image_of, image_space(env))


def image_and_mission(env: gymnasium.Env, words: Sequence[str]) -> gymnasium.Env:
    """Replaces the dictionaries of MiniGrid by their image and the words of their mission."""
    column = {word: i for i, word in enumerate(words)}
    space = Dict(image=image_space(env), mission=MultiBinary(len(words)))
    return TransformObservation(env, partial(with_words, column), space)


def image_space(env: gymnasium.Env) -> Box:
    """The space of ``image_of`` an environment's observations."""
    shape = np.roll(env.observation_space["image"].shape, 1)
    return Box(0, 255, tuple(shape), np.uint8)


def image_of(observation: Mapping[str, Any]) -> np.ndarray:
    """The image of an observation, bytes [3, 7, 7]."""
    return np.moveaxis(observation["image"] * STEPS, -1, 0)


def with_words(column: Mapping[str, int], observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The image of an observation, and its mission as a bag of words.

    Args:
        column: of each word.
        observation: of MiniGrid.

    Returns:
        ``image``, bytes [3, 7, 7], and ``mission``, [V] of 0 and 1.

    Raises:
        ValueError: if a word is none of these.
    """
    words, bag = split_words(observation["mission"]), np.zeros(len(column), np.int8)
    for word in words:
        if word not in column:
            raise ValueError(
                f"the mission {observation['mission']!r} has the word {word!r}, which is none of "
                f"{', '.join(column)}"
            )
        bag[column[word]] = 1
    return {"image": image_of(observation), "mission": bag}

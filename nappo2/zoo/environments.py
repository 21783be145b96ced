"""Wrappers and other arguments of rl-zoo3's environments, as arguments of ``envs.make``."""

from collections.abc import Mapping
from typing import Any

from nappo2.envs._atari import is_atari
from nappo2.zoo.entry import Entry, Misfit, Rule, count_in, only
from nappo2.zoo.literals import mapping
from nappo2.zoo.networks import IMAGES

WRAPPER, VECTOR_WRAPPER, STACK, KWARGS = (
    "env_wrapper",
    "vec_env_wrapper",
    "frame_stack",
    "env_kwargs",
)
ATARI_WRAPPER = "AtariWrapper"
ATARI_STACK = 4
OPTION_OF = {
    "TimeFeatureWrapper": ("time_feature", None),
    "FrameSkip": ("frame_skip", "skip"),
    "VecFrameStack": ("frame_stack", "n_stack"),
    "TimeLimit": ("max_episode_steps", "max_episode_steps"),
}
"""By the class of a wrapper: what it is here, and the name of its only argument."""

CHECKS = (
    only("callback", None, reason="callbacks are the body of a Learner's loop here"),
    only("monitor_kwargs", None, reason="they are arguments of envs.make here"),
)
KEYS = (WRAPPER, VECTOR_WRAPPER, STACK, KWARGS)


def arguments_of(entry: Entry) -> dict[str, Any]:
    """The arguments of ``envs.make`` that an entry's wrappers and arguments are.

    Raises:
        Misfit: if a wrapper is none of them.
    """
    found = _kwargs(entry)
    for key in (WRAPPER, VECTOR_WRAPPER):
        for name, given in _wrappers(entry, key):
            found |= _option(entry, key, name, given)
    if (stack := count_in(entry, STACK)) != 1:
        found["frame_stack"] = stack
    steps = found.pop("max_episode_steps", None)
    if steps is not None:
        found["env_kwargs"] = {**found.get("env_kwargs", {}), "max_episode_steps": steps}
    return _of_atari(entry, found) if is_atari(entry.env_id) else found


ARGUMENTS = Rule(KEYS, arguments_of)


def _kwargs(entry: Entry) -> dict[str, Any]:
    try:
        given = dict(mapping(entry[KWARGS], KWARGS))
    except ValueError as error:
        raise Misfit(KWARGS, str(error)) from error
    return {"env_kwargs": given} if given else {}


def _wrappers(entry: Entry, key: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The classes of wrappers and their arguments, of a name, a mapping of one, or a list of these."""
    given = entry[key] or []
    pairs = []
    for wrapper in given if isinstance(given, list) else [given]:
        items = list(wrapper.items()) if isinstance(wrapper, dict) else [(wrapper, {})]
        if len(items) != 1 or not isinstance(items[0][0], str):
            raise Misfit(
                key, f"it has names of classes, with arguments or without, not {wrapper!r}"
            )
        name, arguments = items[0]
        if not isinstance(arguments or {}, dict):
            raise Misfit(key, f"{name} has arguments by name, not {arguments!r}")
        pairs.append((name, arguments or {}))
    return pairs


def _option(entry: Entry, key: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    kind = name.rpartition(".")[2]
    if kind == ATARI_WRAPPER and is_atari(entry.env_id) and not given:
        return {}  # games have it here
    if kind not in OPTION_OF:
        raise Misfit(
            key,
            f"envs.make has no option for {kind}; from_gym takes a function that makes an "
            "environment in any wrapper",
        )
    option, argument = OPTION_OF[kind]
    if argument is None and not given:
        return {option: True}
    if argument is None or set(given) != {argument} or type(given[argument]) is not int:
        takes = f"{argument} and nothing else" if argument else "no argument"
        raise Misfit(key, f"{kind} takes {takes} here, not {dict(given)!r}")
    return {option: given[argument]}


def _of_atari(entry: Entry, found: dict[str, Any]) -> dict[str, Any]:
    names = [name.rpartition(".")[2] for name, _ in _wrappers(entry, WRAPPER)]
    if ATARI_WRAPPER not in names or found.pop("frame_stack", 1) != ATARI_STACK:
        raise Misfit(WRAPPER, f"games have {ATARI_WRAPPER} and a frame_stack of 4 here")
    return found


def normalizes(on_policy: bool) -> Rule:
    """Whether observations are normalised; on policy rewards are scaled as well.

    Args:
        on_policy: whether it is of a recipe that scales rewards.
    """

    def value(entry: Entry) -> bool:
        parts = _normalized(entry["normalize"])
        if entry["policy"] == IMAGES and on_policy:
            return _one_of(parts, {(False, False): False, (False, True): True})
        second = on_policy
        return _one_of(parts, {(False, False): False, (True, second): True})

    return Rule(("normalize", "policy"), value)


def _one_of(parts: tuple[bool, bool], known: Mapping[tuple[bool, bool], bool]) -> bool:
    if parts not in known:
        observations, rewards = next(pair for pair, is_on in known.items() if is_on)
        raise Misfit(
            "normalize",
            f"what can be normalised here are observations {observations} and rewards {rewards} "
            f"together, not {parts[0]} and {parts[1]}",
        )
    return known[parts]


def _normalized(given: Any) -> tuple[bool, bool]:
    """Whether observations are normalised, and rewards."""
    if isinstance(given, bool):
        return given, given
    try:
        found = {"norm_obs": True, "norm_reward": True, **mapping(given, "normalize")}
    except ValueError as error:
        raise Misfit("normalize", str(error)) from error
    parts = found["norm_obs"], found["norm_reward"]
    if len(found) > 2 or not all(isinstance(part, bool) for part in parts):
        raise Misfit("normalize", f"norm_obs and norm_reward are its options here, not {found!r}")
    return parts

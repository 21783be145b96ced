"""Checks of an environment with random actions, before an agent learns from it."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs import Env, make
from nappo2.envs.gym import from_gym
from nappo2.show.env_bounds import bounds
from nappo2.show.env_fits import fitting_recipes, masks, told_of_episodes
from nappo2.show.env_report import BAD, GOOD, NOTE, EnvReport, Finding
from nappo2.show.trials import Episode, Stuck, play, within_deadline
from nappo2.trees import leaves

DEADLINE = 10.0  # seconds for any single reset or step


@checked
def check_env(
    env: Env | str | Callable | gymnasium.Env, num_steps: int = 1_000, deadline: float = DEADLINE
) -> EnvReport:
    """Checks spaces, dtypes, seeds, bounds, flags, infos and speed of an environment with random actions.

    It also says which recipes go with its spaces, and what is wrong with masks of actions.

    Args:
        env: an ``Env``, an id, a Gymnasium environment, of which others are made, or a function
            that makes one.
        num_steps: vector steps to take.
        deadline: seconds after which a reset or step counts as stuck; it is left behind in a thread.

    Returns:
        A finding for each check; an error of the environment is one as well.

    Example:
        >>> report = check_env("CartPole-v1", num_steps=50)
        >>> report.ok
        True
    """
    findings: list[Finding] = []
    try:
        vector = within_deadline(lambda: _as_env(env), deadline)
        findings.append(Finding("spaces", GOOD, _spaces(vector)))
        findings.append(fitting_recipes(vector))
        findings += run_checks(vector, num_steps, deadline)
    except Stuck as error:
        findings.append(Finding("hanging", BAD, str(error)))
    except Exception as error:  # of the environment, to be reported
        findings.append(Finding("an error", BAD, f"{type(error).__name__}: {error}"))
    return EnvReport(_name(env), tuple(findings))


def _name(env: Any) -> str:
    if isinstance(env, gymnasium.Env):
        return env.spec.id if env.spec else type(env.unwrapped).__name__
    return (
        env if isinstance(env, str) else getattr(env, "name", getattr(env, "__name__", repr(env)))
    )


def _as_env(env: Any) -> Env:
    if isinstance(env, str):
        return make(env)
    if isinstance(env, gymnasium.Env):
        return from_gym(partial(_another, env))
    return env if hasattr(env, "observation_space") and hasattr(env, "num_envs") else from_gym(env)


def _another(env: gymnasium.Env) -> gymnasium.Env:
    """One more of an environment: made of its registered id and wrappers, or else a copy.

    Raises:
        ValueError: if it can neither be made again nor copied.
    """
    try:
        return gymnasium.make(env.spec)
    except Exception:  # it is not registered, or wrapped by what cannot be made again
        try:
            return deepcopy(env)
        except Exception as error:
            raise ValueError(
                f"more of it are needed, and it cannot be copied ({error}); give the function that made it"
            ) from error


def _spaces(env: Env) -> str:
    spaces = " ".join(f"{env.observation_space} -> {env.action_space}".split())
    return f"{spaces}: {env.observation_spec.kind}, {env.action_spec.kind} actions"


def run_checks(env: Env, num_steps: int, deadline: float) -> Iterator[Finding]:
    """Runs all checks of an environment.

    Args:
        env: the environment.
        num_steps: vector steps to take.
        deadline: seconds for any single reset or step.

    Returns:
        The findings, each as soon as it is made.
    """
    episode = play(env, 0, num_steps, deadline)
    again = play(env, 0, min(num_steps, 100), deadline)
    other = play(env, 1, 1, deadline)
    yield from shapes(env, episode)
    yield numbers(episode)
    yield from bounds(env, episode)
    yield from overwrites(env, min(num_steps, 20), deadline)
    yield seeds(episode, again, other)
    yield endings(episode)
    yield from masks(env, episode)
    yield from told_of_episodes(episode)
    yield speed(env, episode)


def shapes(env: Env, episode: Episode) -> Iterator[Finding]:
    """Checks shapes and dtypes of what a step returns."""
    transition, wrong = episode.transitions[0], []
    for name, dtype in (
        ("reward", torch.float32),
        ("terminated", torch.bool),
        ("truncated", torch.bool),
    ):
        x = getattr(transition, name)
        if tuple(x.shape) != (env.num_envs,) or x.dtype != dtype:
            wrong.append(f"{name} is {_kind(x)}, and is to be {str(dtype)[6:]} [{env.num_envs}]")
    for x, y in zip(leaves(episode.observations[0]), leaves(transition.observation), strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            wrong.append(f"reset gives observations {_kind(x)}, and step {_kind(y)}")
    kinds = ", ".join(map(_kind, leaves(transition.observation)))
    yield Finding("dtypes", BAD if wrong else GOOD, "; ".join(wrong) or f"observations {kinds}")


def _kind(x: Tensor) -> str:
    return f"{str(x.dtype)[6:]} {list(x.shape)}"


def numbers(episode: Episode) -> Finding:
    """Checks that observations and rewards are finite."""
    for t, transition in enumerate(episode.transitions):
        for name, x in (
            ("an observation", transition.observation),
            ("a reward", transition.reward),
        ):
            if not all(torch.isfinite(leaf.float()).all() for leaf in leaves(x)):
                return Finding("finite", BAD, f"step {t} gave {name} that is not finite")
    rewards = torch.stack([transition.reward for transition in episode.transitions])
    return Finding("finite", GOOD, f"rewards in [{rewards.min():.3g}, {rewards.max():.3g}]")


def overwrites(env: Env, num_steps: int, deadline: float) -> Iterator[Finding]:
    """Checks that a step does not write into its action or into tensors that earlier steps returned.

    Args:
        env: the environment.
        num_steps: vector steps to take.
        deadline: seconds for any single reset or step.

    Returns:
        A finding if it does; a rollout would keep the overwritten tensors.
    """
    copies: list[tuple[str, Tensor, Tensor]] = []  # with a copy of each tensor

    def keep(name, *tensors):
        copies.extend((name, x, x.clone()) for x in tensors)

    def reset(seed):
        state, observation = env.reset(seed)
        keep("the observation of reset", *leaves(observation))
        return state, observation

    def step(state, action):
        keep("the action that a step was given", *leaves(action))
        state, observation, transition = env.step(state, action)
        keep("an observation", *leaves(observation), *leaves(transition.observation))
        keep("a reward", transition.reward, *(transition.game or ())[:1])
        keep("a flag", transition.terminated, transition.truncated, *(transition.game or ())[1:2])
        return state, observation, transition

    play(env._replace(reset=reset, step=step), 0, num_steps, deadline)
    wrong = dict.fromkeys(name for name, x, copy in copies if not _is_equal(x, copy))
    if wrong:
        message = f"step writes into {', '.join(wrong)}; it is to return new tensors each time"
        yield Finding("overwriting", BAD, message)


def seeds(episode: Episode, again: Episode, other: Episode) -> Finding:
    """Checks that the same seed gives the same episode, and another seed another one.

    Args:
        episode: with a seed.
        again: with the same seed.
        other: with another seed.

    Returns:
        The finding.
    """
    for t, (x, y) in enumerate(zip(again.observations, episode.observations, strict=False)):
        if not all(map(_is_equal, leaves(x), leaves(y))):
            message = f"the same seed and actions gave another observation at step {t}"
            return Finding(
                "seeds", BAD, f"{message}; reset(seed=...) is to seed all that is random"
            )
    if all(map(torch.equal, leaves(episode.observations[0]), leaves(other.observations[0]))):
        return Finding("seeds", NOTE, "the same seed, the same episode; other seeds begin alike")
    return Finding("seeds", GOOD, "the same seed, the same episode; another one, another")


def _is_equal(x: Tensor, y: Tensor) -> bool:
    return torch.equal(torch.nan_to_num(x.float()), torch.nan_to_num(y.float()))


def endings(episode: Episode) -> Finding:
    """Counts terminated and truncated episodes."""
    terminated, truncated = (
        torch.stack([getattr(transition, name) for transition in episode.transitions])
        for name in ("terminated", "truncated")
    )
    both, num = int((terminated & truncated).sum()), len(episode.transitions)
    counts = f"{int(terminated.sum())} terminated, {int(truncated.sum())} truncated in {num} steps"
    if both:
        message = (
            f"{counts}, of which {both} both; truncated says that something would have followed"
        )
        return Finding("endings", NOTE, message)
    if not (terminated | truncated).any():
        return Finding(
            "endings", NOTE, f"no episode ended in {num} steps; a time limit truncates them"
        )
    return Finding("endings", GOOD, counts)


def speed(env: Env, episode: Episode) -> Finding:
    """Measures steps per second, and the slowest step."""
    seconds = np.array(episode.seconds)
    rate = env.num_envs * len(seconds) / seconds.sum()
    message = f"{rate:,.0f} steps/s; the slowest took {1000 * seconds.max():.3g} ms"
    return Finding("speed", GOOD if rate > 100 else NOTE, message)

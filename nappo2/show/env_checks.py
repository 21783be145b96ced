"""What an environment does, looked at before anything learns from it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs import Env, make
from nappo2.envs.gym import from_gym
from nappo2.show.env_report import BAD, GOOD, NOTE, EnvReport, Finding
from nappo2.show.trials import Episode, Stuck, play, timely
from nappo2.trees import leaves

DEADLINE = 10.0  # seconds for any single reset or step


@checked
def check_env(
    env: Env | str | Callable, num_steps: int = 1_000, deadline: float = DEADLINE
) -> EnvReport:
    """What an environment does with random actions: its spaces, dtypes, seeds, bounds, flags and speed.

    Args:
        env: an ``Env``, an id, or a function that makes a Gymnasium environment.
        num_steps: vector steps to take.
        deadline: seconds after which a reset or step counts as stuck; it is left behind in a thread.
    """
    name = (
        env if isinstance(env, str) else getattr(env, "name", getattr(env, "__name__", repr(env)))
    )
    findings: list[Finding] = []
    try:
        made = timely(lambda: _made(env), deadline)
        findings.append(Finding("spaces", GOOD, _spaces(made)))
        findings += looked_at(made, num_steps, deadline)
    except Stuck as error:
        findings.append(Finding("hanging", BAD, str(error)))
    except Exception as error:  # of anybody's code, to be reported
        findings.append(Finding("an error", BAD, f"{type(error).__name__}: {error}"))
    return EnvReport(name, tuple(findings))


def _made(env: Any) -> Env:
    if isinstance(env, str):
        return make(env)
    return env if hasattr(env, "observation_space") and hasattr(env, "num_envs") else from_gym(env)


def _spaces(env: Env) -> str:
    spaces = " ".join(f"{env.observation_space} -> {env.action_space}".split())
    return f"{spaces}: {env.observation_spec.kind}, {env.action_spec.kind} actions"


def looked_at(env: Env, num_steps: int, deadline: float) -> Iterator[Finding]:
    """One finding after the other."""
    played = play(env, 0, num_steps, deadline)
    again = play(env, 0, min(num_steps, 100), deadline)
    other = play(env, 1, 1, deadline)
    yield from shapes(env, played)
    yield numbers(played)
    yield from bounds(env, played)
    yield from overwritten(env, min(num_steps, 20), deadline)
    yield seeds(played, again, other)
    yield endings(played)
    yield speed(env, played)


def shapes(env: Env, played: Episode) -> Iterator[Finding]:
    """Of what a step gives."""
    outcome, wrong = played.outcomes[0], []
    for name, dtype in (
        ("reward", torch.float32),
        ("terminated", torch.bool),
        ("truncated", torch.bool),
    ):
        x = getattr(outcome, name)
        if tuple(x.shape) != (env.num_envs,) or x.dtype != dtype:
            wrong.append(f"{name} is {_kind(x)}, and is to be {str(dtype)[6:]} [{env.num_envs}]")
    for x, y in zip(leaves(played.observations[0]), leaves(outcome.observation), strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            wrong.append(f"reset gives observations {_kind(x)}, and step {_kind(y)}")
    seen = ", ".join(map(_kind, leaves(outcome.observation)))
    yield Finding("dtypes", BAD if wrong else GOOD, "; ".join(wrong) or f"observations {seen}")


def _kind(x: Tensor) -> str:
    return f"{str(x.dtype)[6:]} {list(x.shape)}"


def numbers(played: Episode) -> Finding:
    """Whether all is finite."""
    for t, outcome in enumerate(played.outcomes):
        for what, x in (("an observation", outcome.observation), ("a reward", outcome.reward)):
            if not all(torch.isfinite(leaf.float()).all() for leaf in leaves(x)):
                return Finding("finite", BAD, f"step {t} gave {what} that is not finite")
    rewards = torch.stack([outcome.reward for outcome in played.outcomes])
    return Finding("finite", GOOD, f"rewards in [{rewards.min():.3g}, {rewards.max():.3g}]")


def bounds(env: Env, played: Episode) -> Iterator[Finding]:
    """Whether observations are within their space."""
    space = env.observation_space
    if not hasattr(space, "low"):
        return
    low, high = (torch.from_numpy(np.asarray(x, np.float64)) for x in (space.low, space.high))
    seen = torch.stack([outcome.observation for outcome in played.outcomes]).double()
    out = (seen < low - 1e-5) | (seen > high + 1e-5)
    if out.any():
        t, b, *index = out.nonzero()[0].tolist()
        said = f"{tuple(index)} was {seen[(t, b, *index)]:.4g} at step {t}, and its space says otherwise"
        yield Finding("bounds", NOTE, f"observation {said}")
    else:
        yield Finding("bounds", GOOD, f"observations in [{seen.min():.3g}, {seen.max():.3g}]")


def overwritten(env: Env, num_steps: int, deadline: float) -> Iterator[Finding]:
    """Whether a step writes into its action, or into what earlier ones gave; a rollout keeps these."""
    kept: list[tuple[str, Tensor, Tensor]] = []  # with a copy

    def keep(what, *tensors):
        kept.extend((what, x, x.clone()) for x in tensors)

    def reset(seed):
        state, observation = env.reset(seed)
        keep("the observation of reset", *leaves(observation))
        return state, observation

    def step(state, action):
        keep("the action that a step was given", action)
        state, observation, outcome = env.step(state, action)
        keep("an observation", *leaves(observation), *leaves(outcome.observation))
        keep("a reward", outcome.reward, *(outcome.game or ())[:1])
        keep("a flag", outcome.terminated, outcome.truncated, *(outcome.game or ())[1:2])
        return state, observation, outcome

    play(env._replace(reset=reset, step=step), 0, num_steps, deadline)
    wrong = dict.fromkeys(what for what, x, copy in kept if not _alike(x, copy))
    if wrong:
        said = f"step writes into {', '.join(wrong)}; it is to return new tensors each time"
        yield Finding("overwriting", BAD, said)


def seeds(played: Episode, again: Episode, other: Episode) -> Finding:
    """Whether the same seed gives the same episode, and another one another."""
    for t, (x, y) in enumerate(zip(again.observations, played.observations, strict=False)):
        if not all(map(_alike, leaves(x), leaves(y))):
            said = f"the same seed and actions gave another observation at step {t}"
            return Finding("seeds", BAD, f"{said}; reset(seed=...) is to seed all that is random")
    if all(map(torch.equal, leaves(played.observations[0]), leaves(other.observations[0]))):
        return Finding("seeds", NOTE, "the same seed, the same episode; other seeds begin alike")
    return Finding("seeds", GOOD, "the same seed, the same episode; another one, another")


def _alike(x: Tensor, y: Tensor) -> bool:
    return torch.equal(torch.nan_to_num(x.float()), torch.nan_to_num(y.float()))


def endings(played: Episode) -> Finding:
    """How episodes end."""
    terminated, truncated = (
        torch.stack([getattr(outcome, name) for outcome in played.outcomes])
        for name in ("terminated", "truncated")
    )
    both, num = int((terminated & truncated).sum()), len(played.outcomes)
    counts = f"{int(terminated.sum())} terminated, {int(truncated.sum())} truncated in {num} steps"
    if both:
        said = f"{counts}, of which {both} both; truncated says that something would have followed"
        return Finding("endings", NOTE, said)
    if not (terminated | truncated).any():
        return Finding(
            "endings", NOTE, f"no episode ended in {num} steps; a time limit truncates them"
        )
    return Finding("endings", GOOD, counts)


def speed(env: Env, played: Episode) -> Finding:
    """Steps per second, and whether some take much longer."""
    seconds = np.array(played.seconds)
    rate = env.num_envs * len(seconds) / seconds.sum()
    said = f"{rate:,.0f} steps/s; the slowest took {1000 * seconds.max():.3g} ms"
    return Finding("speed", GOOD if rate > 100 else NOTE, said)

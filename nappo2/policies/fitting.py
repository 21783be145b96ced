"""Checks that a policy can act in an environment with certain params."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import Env
from nappo2.envs.actions import ActionSpec
from nappo2.policies.policy import Policy, action_of
from nappo2.seeds import generator


@torch.no_grad()
def check_acts(env: Env, policy: Policy, params: Mapping, observation: Any, memory: Any) -> None:
    """Refuses params with which a policy cannot act in an environment.

    The policy acts on zeros, with a generator made for this check.

    Args:
        env: in which the policy is to act.
        policy: to be checked.
        params: of the policy.
        observation: a tree of tensors [B, ...] of the right shapes.
        memory: of the policy.

    Raises:
        ValueError: if acting fails, or the actions are not the environment's.
    """
    zeros = trees.map(torch.zeros_like, observation)
    first_act(env, policy, params, zeros, memory, generator(0))


def first_act(
    env: Env, policy: Policy, params: Mapping, observation: Any, memory: Any, rng: torch.Generator
) -> tuple[Any, Any]:
    """Calls ``policy.act``, and explains its errors; for the first step in an environment.

    Args:
        env: in which the policy acts.
        policy: which acts.
        params: of the policy.
        observation: a tree of tensors [B, ...].
        memory: of the policy.
        rng: of which the policy draws.

    Returns:
        The action [B, ...], or a ``Decision``, and the memory.

    Raises:
        ValueError: if acting fails, or the actions are not the environment's.
    """
    try:
        decision, memory = policy.act(params, observation, memory, rng)
        action = action_of(decision)
    except Exception as error:  # a user's network may raise anything
        space = " ".join(str(env.observation_space).split())
        raise ValueError(
            f"with these params the policy cannot act on observations of {env.name}, in {space}: "
            f"{error}"
        ) from error
    if not env.action_spec.fits(action, env.num_envs):
        raise ValueError(_misfit(env, action))
    return decision, memory


def _misfit(env: Env, action: Any) -> str:
    return (
        f"with these params the policy gives {described(action)} for actions; "
        f"{env.num_envs} of {env.name} take actions in {env.action_space}"
    )


def as_actions(env: Env, actions: Any) -> Any:
    """The actions of a rollout ``[T, B, *shape]``, in the dtypes of those of the environment.

    A policy of one's own may give bools for choices, or numbers in float64. An environment in torch looks
    at no action, so that choices which there are not are refused here.

    Raises:
        ValueError: if they are of another shape, numbers in place of choices or the reverse, or choices
            that there are not.
    """
    flat = trees.map(lambda x: x.flatten(0, 1), actions)
    num = len(trees.leaves(flat)[0])
    if not env.action_spec.fits(flat, num):
        raise ValueError(_misfit(env, trees.map(lambda x: x[0], actions)))
    _check_choices(env, env.action_spec, actions)
    return _of_dtypes(env.action_spec, actions)


def _of_dtypes(spec: ActionSpec, actions: Any) -> Any:
    if spec.is_tree:
        return {name: _of_dtypes(part, actions[name]) for name, part in spec.parts.items()}
    return actions.to(spec.dtype)


def _check_choices(env: Env, spec: ActionSpec, actions: Any) -> None:
    if spec.is_tree:
        for name, part in spec.parts.items():
            _check_choices(env, part, actions[name])
    elif spec.sizes:
        sizes = torch.tensor(spec.sizes).reshape(spec.shape)
        wrong = (actions < 0) | (actions >= sizes)
        if wrong.any():
            t, b, *_ = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"with these params the policy gives the action {actions[wrong][0].item()} at step {t} "
                f"of a rollout, in environment {b} of {env.name}, whose choices are from 0 to "
                f"{(sizes - 1).tolist()}"
            )


def described(action: Any) -> str:
    """Actions in words, such as ``numbers of shape (2, 3)``; of several tensors, by name."""
    if isinstance(action, Mapping):
        return f"{{{', '.join(f'{name}: {described(x)}' for name, x in action.items())}}}"
    if not isinstance(action, Tensor):
        return type(action).__name__
    kind = "numbers" if action.is_floating_point() else "integers"
    return f"{kind} of shape {tuple(action.shape)}"

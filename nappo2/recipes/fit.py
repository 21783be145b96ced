"""Checks that a recipe fits actions, observations, agent and networks.

Each recipe declares what it supports in a ``Compatibility``, mostly ``ON_POLICY`` or ``OFF_POLICY`` with
changes. ``check_fit`` then tries the networks, the recipe's or a user's.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from nappo2.envs import Env
from nappo2.envs.masks import check_space, without_mask
from nappo2.params import Params
from nappo2.stages.compatibility import SCHEMES, Compatibility, check_compatible

ON_POLICY = Compatibility(
    observations=("vectors", "images", "goals", "dictionaries"),
    agent=("Agent",),
    storage=("minibatches", "sequences"),
    scheme=SCHEMES,
    reasons={"storage": "its advantages are of whole rollouts and the newest params"},
)
"""On-policy recipes that correct for older params."""

OFF_POLICY = Compatibility(
    observations=("vectors", "images", "goals", "dictionaries"),
    agent=("ActorCritics",),
    storage=("replay",),
    scheme=SCHEMES,
    reasons={"storage": "it learns from transitions with what they led to"},
)
"""Recipes that learn from a replay."""

SQUASHED = OFF_POLICY._replace(
    actions=("continuous",),
    reasons={**OFF_POLICY.reasons, "actions": "its actor is squashed into bounds"},
)
"""Recipes that learn from a replay, with actions within bounds."""


def check_env(recipe: str, compatible: Compatibility, env: Env) -> None:
    """Refuses an environment whose observations or actions a recipe does not support.

    Args:
        recipe: name of the recipe.
        compatible: what the recipe supports.
        env: where it is to learn.

    Raises:
        NotImplementedError: if no recipe supports them.
        ValueError: if other recipes do, or its masks do not fit its actions.
    """
    kind, actions = without_mask(env).observation_spec.kind, env.action_spec.kind
    check_space(env)
    check_compatible(recipe, compatible, repr(env), actions=actions, observations=kind)


def check_agent(recipe: str, compatible: Compatibility, agent: Any) -> None:
    """Refuses an agent of a class that a recipe does not support.

    Args:
        recipe: name of the recipe.
        compatible: what the recipe supports.
        agent: to be checked.

    Raises:
        ValueError: if the recipe does not support agents of this class.
    """
    check_compatible(recipe, compatible, agent=type(agent).__name__)


def check_fit(
    recipe: str,
    env: Env,
    params: Params,
    networks: Mapping[str, tuple[Callable[..., Any], tuple[int, ...]]],
) -> None:
    """Refuses networks that do not take an environment's observations, or do not fit its actions.

    Args:
        recipe: name of the recipe.
        env: where the networks are to act.
        params: of the networks.
        networks: by name, ``(params, observation) -> outputs``, a tensor or several, and the shape
            that each is to have for one observation.

    Raises:
        ValueError: if a network raises, or its outputs for two observations have another shape.
    """
    spec, plain = env.observation_spec, params.to_dict()
    for name, (apply, shape) in networks.items():
        try:
            with torch.no_grad():
                outputs = apply(plain, spec.zeros(2))
        except Exception as error:  # a user's network may raise anything
            raise ValueError(
                f"the {name} of {recipe} cannot see observations {spec.shapes} of "
                f"{env.name}: {error}"
            ) from error
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            if tuple(output.shape) != (2, *shape):
                raise ValueError(
                    f"for two observations the {name} of {recipe} gives outputs of shape "
                    f"{tuple(output.shape)}; for {env.action_space} of {env.name} they are "
                    f"{(2, *shape)}"
                )

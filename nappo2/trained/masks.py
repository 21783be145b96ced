"""Observations with the masks of actions that a trained agent is given beside them."""

from collections.abc import Callable, Mapping
from typing import Any

from nappo2.envs import Env
from nappo2.envs.masks import has_mask
from nappo2.maths.masks import MASK
from nappo2.stages.collecting.forbidden import allows
from nappo2.trained.batching import batching_of


def masked_batching_of(env: Env) -> Callable[[Any, Any], tuple[Any, bool]]:
    """``(observation, action_mask) -> (batch [B, *shape], whether it was a single one)``.

    Raises:
        ValueError: in a call, as ``batching_of`` does, without a mask where the environment has some, with
            one where it has none, or if a mask forbids everything.
    """
    batching, masked, sizes = (
        batching_of(env.observation_spec),
        has_mask(env),
        env.action_spec.sizes,
    )

    def without(observation: Any, action_mask: Any) -> tuple[Any, bool]:
        if action_mask is not None:
            raise ValueError(f"{env.name} has no {MASK}, and one was given")
        return batching(observation)

    def beside(observation: Any, action_mask: Any) -> tuple[Any, bool]:
        batch, single = batching(with_mask(env, observation, action_mask))
        if not allows(sizes, batch[MASK]).all():
            raise ValueError(
                f"the {MASK} forbids every action of {env.name}; it allows at least one"
            )
        return batch, single

    return beside if masked else without


def with_mask(env: Env, observation: Any, action_mask: Any) -> Any:
    """An observation with its mask.

    Args:
        env: with masks.
        observation: ``[*shape]`` or ``[B, *shape]``, with its mask or without.
        action_mask: [n] or [B, n], or None.

    Returns:
        A dictionary with the key ``action_mask``.

    Raises:
        ValueError: if there is no mask.
    """
    named = isinstance(observation, Mapping)
    if action_mask is not None:
        parts = observation if named else {"observation": observation}
        return {**parts, MASK: action_mask}
    if named and MASK in observation:
        return observation
    raise ValueError(
        f"{env.name} has an {MASK}, which is missing; it is given as act(observation, {MASK}=...)"
    )

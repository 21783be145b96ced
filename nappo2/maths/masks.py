"""Invalid action masking: which actions are allowed, as a part of what is observed.

An observation with a mask is a mapping with the key ``action_mask``, [..., n] bool, True where an action
is allowed. Beside it stands ``observation``, whatever that is without a mask, or the other keys of a
dictionary. Networks get the observation without its mask. Their outputs for forbidden actions become
``FORBIDDEN``, so that these have a probability of 0, and are never the best (Huang and Ontañón,
https://arxiv.org/abs/2006.14171).
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

MASK = "action_mask"
"""The key of the mask in an observation."""

FORBIDDEN = -1e8
"""The logit, or value, of a forbidden action: finite, so that its product with a probability of 0 is 0."""


def mask_of(observation: Any) -> Tensor | None:
    """The mask of an observation, [..., n] bool; None if it has none."""
    if isinstance(observation, Tensor) or MASK not in observation.keys():
        return None
    return observation[MASK]


def unmasked(observation: Any) -> Any:
    """The observation [...] without its mask, as networks get it."""
    if mask_of(observation) is None:
        return observation
    rest = {key: x for key, x in observation.items() if key != MASK}
    return rest["observation"] if rest.keys() == {"observation"} else rest


def beside_mask(x: Tensor, observation: Any) -> Tensor | Mapping:
    """``x`` [...] in place of an observation, beside its mask; ``x`` itself if there is none.

    Policies with a memory hand on a memory in this way.
    """
    mask = mask_of(observation)
    return x if mask is None else {"observation": x, MASK: mask}


def allowed_only(outputs: Tensor, mask: Tensor) -> Tensor:
    """Makes the outputs of forbidden actions ``FORBIDDEN``.

    Args:
        outputs: logits or values of actions, [..., n] float32.
        mask: [..., n] bool.

    Returns:
        The outputs [..., n], whose gradient is 0 where an action is forbidden.

    Raises:
        ValueError: if the mask has another shape, or is no bool.
    """
    if mask.dtype != torch.bool or mask.shape != outputs.shape:
        raise ValueError(
            f"an action_mask is of bools of the shape of the outputs, {tuple(outputs.shape)}, and "
            f"this one is of {mask.dtype} and {tuple(mask.shape)}"
        )
    return torch.where(mask, outputs, FORBIDDEN)


def any_allowed(mask: Tensor, noise: Tensor) -> Tensor:
    """The allowed action of greatest noise: any of them, with the same chance.

    Args:
        mask: [..., n] bool.
        noise: uniform in [0, 1), [..., n].

    Returns:
        Actions, [...] int64.
    """
    return torch.where(mask, noise, -1.0).argmax(-1)


def entropy_share(observation: Any) -> Tensor | float:
    """The largest entropy of allowed actions, as a share of that of all: ``log k / log n``.

    Args:
        observation: with or without a mask [..., n].

    Returns:
        Shares [...] float32; 1 without a mask.
    """
    mask = mask_of(observation)
    if mask is None or mask.shape[-1] < 2:
        return 1.0
    return mask.sum(-1).clamp(min=1).log() / math.log(mask.shape[-1])

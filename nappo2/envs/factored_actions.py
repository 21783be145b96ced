"""Action specs of spaces with several parts: MultiDiscrete, MultiBinary, Tuple and Dict, also nested.

Parts are independent given the outputs of a network, so that their log-probabilities add up. A
batch is a tensor [B, k] int64 where all parts are choices, [B, A] float32 where all are numbers, and
a dictionary of the parts' batches otherwise. The parts of a Tuple are called ``"0"``, ``"1"``, ...
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Dict, MultiBinary, MultiDiscrete, Space, Tuple

from nappo2.checks import explained
from nappo2.envs.actions import ActionSpec, action_spec
from nappo2.maths.distributions import normal
from nappo2.maths.factored import Factor, factored, multi_categorical

NUMBERS = ("continuous", "unbounded")

Parts = Mapping[str, ActionSpec]
Gather = Callable[[tuple], Any]
"""``actions of all parts -> action`` of the space, of one environment."""


@action_spec.register
def _(space: MultiDiscrete) -> ActionSpec:
    """Integers from 0 in a batch, from ``start`` in the environment."""
    return choices(space, space.nvec, space.start)


@action_spec.register
def _(space: MultiBinary) -> ActionSpec:
    """A choice between 0 and 1 for each of its numbers, with a logit for each of both."""
    return choices(space, np.full(space.shape, 2), np.zeros(space.shape))


def choices(space: Space, sizes: np.ndarray, start: np.ndarray) -> ActionSpec:
    """The spec of arrays of choices, which are [B, k] int64 in a batch.

    Args:
        space: of the actions.
        sizes: among how many each choice is, ``[*shape]``.
        start: the first one of each, ``[*shape]``.

    Returns:
        The spec.

    Raises:
        NotImplementedError: if the space has no numbers.
    """
    shape, dtype = sizes.shape, space.dtype
    check_numbers(space, sizes.size)
    each = tuple(sizes.flatten().tolist())
    first = torch.from_numpy(start.astype(dtype))
    return ActionSpec(
        kind="multi-discrete",
        size=sum(each),
        shape=(len(each),),
        dtype=torch.int64,
        distribution=multi_categorical(each),
        uniform=lambda num_envs, rng: torch.stack(
            [torch.randint(n, (num_envs,), generator=rng) for n in each], -1
        ),
        to_env=lambda actions: actions.numpy().reshape(-1, *shape).astype(dtype) + first.numpy(),
        in_space=lambda actions: actions.reshape(-1, *shape).to(first.dtype) + first,
        sizes=each,
    )


def check_numbers(space: Space, num: int) -> None:
    """Refuses a space without numbers.

    Raises:
        NotImplementedError: names the space.
    """
    if not num:
        raise NotImplementedError(f"actions in {space}, which has no numbers at all")


@action_spec.register
def _(space: Tuple) -> ActionSpec:
    """Independent parts, in order."""
    return joint(space, {str(i): action_spec(x) for i, x in enumerate(space.spaces)}, tuple)


@action_spec.register
def _(space: Dict) -> ActionSpec:
    """Independent parts by name, in the order of the space."""
    keys = tuple(space.spaces)
    parts = {str(key): action_spec(x) for key, x in space.spaces.items()}
    return joint(space, parts, lambda row: dict(zip(keys, row, strict=True)))


def joint(space: Space, parts: Parts, gather: Gather) -> ActionSpec:
    """The spec of actions with several parts.

    Args:
        space: of the actions.
        parts: their specs by name.
        gather: makes an action of the space of the parts'.

    Returns:
        The spec.

    Raises:
        NotImplementedError: if there is no part.
    """
    specs = list(parts.values())
    check_numbers(space, len(specs))
    if all(part.sizes and not part.is_tree for part in specs):
        return in_one_tensor("multi-discrete", parts, gather)
    if all(part.kind in NUMBERS for part in specs):
        bounded = all(part.kind == "continuous" for part in specs)
        return in_one_tensor("continuous" if bounded else "unbounded", parts, gather)
    return hybrid(parts, gather)


def in_one_tensor(kind: str, parts: Parts, gather: Gather) -> ActionSpec:
    """The spec of actions whose parts are all choices or all numbers, which stand side by side.

    Args:
        kind: of the actions.
        parts: their specs by name.
        gather: makes an action of the space of the parts'.

    Returns:
        The spec, whose actions are [B, n].
    """
    specs = list(parts.values())
    widths = [math.prod(part.shape) for part in specs]
    sizes = tuple(size for part in specs for size in part.sizes)

    def split(actions):
        columns = zip(actions.split(widths, -1), specs, strict=True)
        return [x.reshape(-1, *part.shape) for x, part in columns]

    def uniform(num_envs, rng):
        return torch.cat([part.uniform(num_envs, rng).view(num_envs, -1) for part in specs], -1)

    return ActionSpec(
        kind=kind,
        size=sum(part.size for part in specs),
        shape=(sum(widths),),
        dtype=specs[0].dtype,
        distribution=multi_categorical(sizes) if sizes else normal(),
        uniform=uniform,
        to_env=lambda actions: gathered(specs, split(actions), gather),
        in_space=lambda actions: in_spaces(parts, split(actions)),
        within=lambda actions: torch.cat(
            [
                part.within(x).reshape(len(x), -1)
                for x, part in zip(split(actions), specs, strict=True)
            ],
            -1,
        ),
        log_stds=sum(part.log_stds for part in specs),
        sizes=sizes,
        parts=parts,
    )


def hybrid(parts: Parts, gather: Gather) -> ActionSpec:
    """The spec of actions with choices and numbers, which are a dictionary of the parts' actions.

    Args:
        parts: their specs by name.
        gather: makes an action of the space of the parts'.

    Returns:
        The spec.
    """
    specs = list(parts.values())
    factors = {name: Factor(x.distribution, x.size, x.log_stds) for name, x in parts.items()}

    def columns(actions):
        return [actions[name] for name in parts]

    return ActionSpec(
        kind="hybrid",
        size=sum(part.size for part in specs),
        shape={name: part.shape for name, part in parts.items()},
        dtype={name: part.dtype for name, part in parts.items()},
        distribution=factored(factors),
        uniform=lambda num_envs, rng: {name: x.uniform(num_envs, rng) for name, x in parts.items()},
        to_env=lambda actions: gathered(specs, columns(actions), gather),
        in_space=lambda actions: in_spaces(parts, columns(actions)),
        within=lambda actions: {name: part.within(actions[name]) for name, part in parts.items()},
        log_stds=sum(part.log_stds for part in specs),
        sizes=tuple(size for part in specs for size in part.sizes),
        parts=parts,
    )


def gathered(specs: Sequence[ActionSpec], columns: Sequence[Any], gather: Gather) -> list:
    """Actions of the space, one for each environment, of the batches of their parts.

    Args:
        specs: of the parts.
        columns: the batch of each part, [B, ...].
        gather: makes an action of the space of the parts'.

    Returns:
        B actions.
    """
    rows = (part.to_env(x) for part, x in zip(specs, columns, strict=True))
    return [gather(row) for row in zip(*rows, strict=True)]


@explained
def batched(actions: Any) -> Any:
    """B actions of a space as one: an array [B, ...], or a tuple or dictionary of such.

    ``actions`` is a list or an array of them. The result is an action of
    ``gymnasium.vector.utils.batch_space(space, B)``.

    Example:
        >>> import numpy as np
        >>> turns = envs.batched([(0, np.array([0.5])), (2, np.array([-0.5]))])
        >>> turns[0].tolist(), turns[1].tolist()
        ([0, 2], [[0.5], [-0.5]])
    """
    first = actions[0] if len(actions) else None
    if isinstance(first, Mapping):
        return {key: batched([action[key] for action in actions]) for key in first}
    if isinstance(first, tuple):
        return tuple(batched(column) for column in zip(*actions, strict=True))
    return np.asarray(actions)


def in_spaces(parts: Parts, columns: Sequence[Any]) -> dict[str, Any]:
    """Tensors [B, ...] of the spaces of the parts, by name, of the batches of the parts."""
    pairs = zip(parts.items(), columns, strict=True)
    return {name: part.in_space(x) for (name, part), x in pairs}

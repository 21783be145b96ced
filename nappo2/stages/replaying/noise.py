"""Random numbers that a loss needs, as keys of its batches, so that losses are pure functions."""

from collections.abc import Callable

import torch
from tensordict import TensorDict

from nappo2 import trees
from nappo2.checks import checked
from nappo2.params import device_of
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.seeds import Seeds, fold_in_each, generator, split_each


@stage
def noise(
    draw_noise: Callable[[TensorDict, torch.Generator], dict[str, torch.Tensor]],
    name: str = "noise",
) -> Transform:
    """Adds random keys to each batch, such as ``normal_noise("action_noise", size=2)`` draws.

    ``draw_noise(batch, generator)`` returns a dictionary of tensors [N, ...]. It is drawn on the CPU, so
    that it is the same on all devices. ``name`` is that of the stage's state.

    Example:
        >>> from nappo2.stages import normal_noise
        >>> recipe = sac(envs.pendulum(4), SAC(num_steps=4, hidden=(8,)))
        >>> pipe = collect_of(recipe) | replay(1_000, batch_size=8) | noise(normal_noise("noise", size=1))
        >>> first(pipe, recipe.init(0)).item["noise"].shape
        torch.Size([8, 1])
    """

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {name: fold_in_each(seed, name)}

        def step(params, state):
            inner, batch, report = source.step(params, state)
            if is_empty(batch):
                return inner | {name: state[name]}, batch, report
            seed, key = split_each(state[name])
            device = device_of(batch)
            keys = {k: x.to(device) for k, x in drawn(draw_noise, batch, key).items()}
            return inner | {name: seed}, batch.copy().update(keys), report

        return Pipeline(init, step)

    return transform


def drawn(draw_noise: Callable, batch: TensorDict, seed: Seeds) -> dict[str, torch.Tensor]:
    """Draws the keys of a batch.

    Args:
        draw_noise: as for ``noise``.
        batch: [N], or [n, N] of members.
        seed: of one run, or of each of n members.

    Returns:
        Tensors [N, ...]; of members [n, N, ...], of which each draws those of its own batch.
    """
    if not isinstance(seed, tuple):
        return draw_noise(batch, generator(seed))
    pairs = zip(batch.unbind(0), seed, strict=True)
    return trees.stack([draw_noise(part, generator(key)) for part, key in pairs])


@checked
def normal_noise(
    *names: str, size: int, length: int | None = None
) -> Callable[[TensorDict, torch.Generator], dict]:
    """Draws standard normal noise for ``noise``, under each name.

    Args:
        *names: keys of a batch.
        size: of the noise of a transition.
        length: steps L of each of the batch's sequences; None for transitions.

    Returns:
        ``(batch [N], generator) -> noise`` [N, size] float32 by name; of sequences [N, length, size].

    Example:
        >>> from tensordict import TensorDict
        >>> from nappo2.stages import normal_noise
        >>> draw = normal_noise("noise", size=2)
        >>> draw(TensorDict({}, [3]), generator(0))["noise"].shape
        torch.Size([3, 2])
    """
    shape = (size,) if length is None else (length, size)

    def draw_noise(batch, rng):
        return {name: torch.randn(len(batch), *shape, generator=rng) for name in names}

    return draw_noise


@checked
def chosen_critics(
    num_critics: int, num_chosen: int
) -> Callable[[TensorDict, torch.Generator], dict]:
    """Draws ``chosen`` [N, num_chosen] int64 for ``losses.least_chosen``: the same critics for a whole batch.

    Raises:
        ValueError: if more critics are to be chosen than there are.

    Example:
        >>> from tensordict import TensorDict
        >>> from nappo2.stages import chosen_critics
        >>> chosen = chosen_critics(10, 2)(TensorDict({}, [3]), generator(0))["chosen"]
        >>> chosen.shape, bool((chosen == chosen[0]).all())
        (torch.Size([3, 2]), True)
    """
    if num_chosen > num_critics:
        raise ValueError(
            f"num_chosen is at most num_critics, which is {num_critics}, not {num_chosen}"
        )

    def draw_noise(batch, rng):
        order = torch.randperm(num_critics, generator=rng)
        return {"chosen": order[:num_chosen].repeat(len(batch), 1)}

    return draw_noise


@checked
def kept_units(dropout: float, size: int) -> Callable[[TensorDict, torch.Generator], dict]:
    """Draws ``kept`` [N, size] bool for ``losses.with_dropout``, False with the probability ``dropout``.

    Example:
        >>> from tensordict import TensorDict
        >>> from nappo2.stages import kept_units
        >>> kept_units(0.0, size=4)(TensorDict({}, [1]), generator(0))["kept"]  # without dropout
        tensor([[True, True, True, True]])
    """

    def draw_noise(batch, rng):
        kept = torch.empty(len(batch), size, dtype=torch.bool)
        return {"kept": kept.bernoulli_(1 - dropout, generator=rng)}

    return draw_noise

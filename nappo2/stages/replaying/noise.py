"""Random numbers that a loss needs, as keys of its batches, so that losses are pure functions."""

from collections.abc import Callable

import torch
from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.params import device_of
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.seeds import fold_in, generator, split


@stage
def noise(
    draw_noise: Callable[[TensorDict, torch.Generator], dict[str, torch.Tensor]],
    name: str = "noise",
) -> Transform:
    """Adds random keys to each batch, such as ``normal_noise("action_noise", size=2)`` draws.

    ``draw_noise(batch, generator)`` returns a dictionary of tensors [N, ...]. It is drawn on the CPU, so
    that it is the same on all devices. ``name`` is that of the stage's state.
    """

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {name: fold_in(seed, name)}

        def step(params, state):
            inner, batch, report = source.step(params, state)
            if is_empty(batch):
                return inner | {name: state[name]}, batch, report
            seed, key = split(state[name])
            device = device_of(batch)
            keys = {k: x.to(device) for k, x in draw_noise(batch, generator(key)).items()}
            return inner | {name: seed}, batch.copy().update(keys), report

        return Pipeline(init, step)

    return transform


@checked
def normal_noise(*names: str, size: int) -> Callable[[TensorDict, torch.Generator], dict]:
    """Draws standard normal noise, [N, size] float32, under each name, for ``noise``."""

    def draw_noise(batch, rng):
        return {name: torch.randn(len(batch), size, generator=rng) for name in names}

    return draw_noise

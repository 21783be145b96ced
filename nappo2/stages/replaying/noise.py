"""What a loss needs at random, as data."""

from collections.abc import Callable

import torch
from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.params import device_of
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.seeds import fold_in, generator, split


@stage
def noise(
    draw: Callable[[TensorDict, torch.Generator], dict[str, torch.Tensor]], name: str = "noise"
) -> Transform:
    """Adds to each batch the keys that ``draw: (batch, generator) -> keys`` makes."""

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {name: fold_in(seed, name)}

        def step(params, state):
            inner, batch, report = source.step(params, state)
            if is_empty(batch):
                return inner | {name: state[name]}, batch, report
            seed, key = split(state[name])
            device = device_of(batch)
            drawn = {key: x.to(device) for key, x in draw(batch, generator(key)).items()}
            return inner | {name: seed}, batch.copy().update(drawn), report

        return Pipeline(init, step)

    return transform


@checked
def normal_noise(*names: str, size: int) -> Callable[[TensorDict, torch.Generator], dict]:
    """Draws standard normal noise [N, size] under each name."""

    def draw(batch, rng):
        return {name: torch.randn(len(batch), size, generator=rng) for name in names}

    return draw

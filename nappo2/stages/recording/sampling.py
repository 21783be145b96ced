"""Samples of a dataset, which ``replay`` draws where a source yields recorded data."""

import torch
from tensordict import TensorDict

from nappo2.batch import take
from nappo2.params import Params
from nappo2.pipeline import Pipeline, is_recorded
from nappo2.seeds import generator

AT_ONCE = 100
"""Batches of a dataset in one item of the fused line, and updates of a row of metrics."""


def check_collected(name: str, source: Pipeline) -> None:
    """Refuses a source of recorded data, left of the stage called ``name``.

    Raises:
        ValueError: names both stages.
    """
    if is_recorded(source):
        raise ValueError(
            f"{name} does not stand right of recorded, whose items are all transitions of a dataset: "
            "replay samples batches of them"
        )


def of_version(params: Params, dataset: TensorDict) -> TensorDict:
    """The dataset [N] with the ``params_version`` of these params: no params of a run collected it."""
    version = params["version"].cpu().expand(len(dataset))
    return dataset.copy().update({"params_version": version})


def sampled(dataset: TensorDict, batch_size: int, seed: int) -> TensorDict:
    """Draws a batch of a dataset, with replacement.

    Args:
        dataset: transitions [N].
        batch_size: of the batch.
        seed: of the draw.

    Returns:
        A batch [batch_size].
    """
    index = torch.randint(len(dataset), (batch_size,), generator=generator(seed))
    return take(dataset, index)

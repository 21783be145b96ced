"""Losses of batches whose observations are normalised by the running statistics of params."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.maths.masks import beside_mask, unmasked
from nappo2.maths.moments import normalize_parts


def normalized_view(params: Mapping, observation: Any) -> Any:
    """An observation ``[..., *shape]`` normalised by ``params["normalizer"]``; its mask stays as it is."""
    return beside_mask(normalize_parts(params["normalizer"], unmasked(observation)), observation)


@checked
def with_normalized_observations(loss: Loss) -> Loss:
    """The loss of a batch [N] in which observations and next observations are normalised.

    A replay keeps observations as they were; they are normalised by the newest statistics.
    """

    def normalized(params: Mapping, batch: Mapping) -> tuple[Tensor, dict[str, Tensor]]:
        after = batch["next"]
        after = {**after, "observation": normalized_view(params, after["observation"])}
        observation = normalized_view(params, batch["observation"])
        return loss(params, {**batch, "observation": observation, "next": after})

    return normalized

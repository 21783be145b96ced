"""Losses of batches whose observations are normalised by the running statistics of params."""

from collections.abc import Mapping
from typing import Any

import torch
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


@checked
def after_first_statistics(loss: Loss) -> Loss:
    """The loss, and 0 of no gradient while statistics in ``params["normalizer"]`` have counted nothing.

    What is learnt from numbers that are not normalised yet is wrong once they are: the first rollout
    only counts, as in random network distillation (Burda et al., https://arxiv.org/abs/1810.12894).
    ``optim.apply_if_any`` keeps the state of an optimiser meanwhile.
    """

    def counted(params: Mapping, batch: Mapping) -> tuple[Tensor, dict[str, Tensor]]:
        value, means = loss(params, batch)
        known = [x["moments"].any() for x in params["normalizer"].values() if "moments" in x.keys()]
        return value * torch.stack(known).all() if known else value, means

    return counted

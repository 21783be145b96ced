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

    Example:
        >>> def loss(params, batch):
        ...     return batch["observation"].mean(), {"next": batch["next"]["observation"].mean()}
        >>> statistics = {"mean": torch.tensor([1.0]), "std": torch.tensor([2.0])}
        >>> batch = {"observation": torch.tensor([[5.0]]), "next": {"observation": torch.tensor([[7.0]])}}
        >>> losses.with_normalized_observations(loss)({"normalizer": {"observation": statistics}}, batch)
        (tensor(2.), {'next': tensor(3.)})
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

    Example:
        >>> from nappo2.maths.moments import absorb, moments, no_moments
        >>> loss = losses.after_first_statistics(lambda params, batch: (torch.tensor(5.0), {}))
        >>> before = no_moments(observation=(1,))
        >>> after = absorb(before, {"observation": moments(torch.ones(1, 2, 1))})
        >>> loss({"normalizer": before}, {}), loss({"normalizer": after}, {})
        ((tensor(0.), {}), (tensor(5.), {}))
    """

    def counted(params: Mapping, batch: Mapping) -> tuple[Tensor, dict[str, Tensor]]:
        value, means = loss(params, batch)
        known = [x["moments"].any() for x in params["normalizer"].values() if "moments" in x.keys()]
        return value * torch.stack(known).all() if known else value, means

    return counted

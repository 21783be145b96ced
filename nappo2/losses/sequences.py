"""Losses of sequences in a replay: time first, the burn-in left out, and means of what is learnt."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.maths.surrogates import weighted_mean

OF_MEMORY = ("memory", "is_init", "padding")
"""Keys of a batch of sequences that say with which memory a step begins."""


@checked
def over_sequences(loss: Loss, burn_in: int) -> Loss:
    """A loss of transitions, as one of sequences with a memory and its burn-in (R2D2, https://openreview.net/forum?id=r1lyTjAqYX).

    Reads, of a batch [N] of tensors [N, L, ...] made by ``rolling_windows``, what the loss reads, and
    ``memory``, ``is_init``, ``learnt`` and ``padding`` (optional). The loss gets time first, [L - burn_in, N,
    ...], without the burn-in. In place of observations it gets sequences, which an agent's
    ``of_sequences(burn_in)`` takes, and its means are of ``learnt`` steps.

    Args:
        loss: whose means are those of ``mean_of_learnt`` and ``critic_loss``, such as ``losses.sac``.
        burn_in: as given to ``rolling_windows``.

    Example:
        >>> def loss(params, batch):
        ...     return batch["next"]["reward"].mean(), {}
        >>> x, reward = torch.zeros(1, 3, 4), torch.tensor([[9.0, 1.0, 3.0]])  # a sequence of three steps
        >>> batch = {"observation": x, "memory": torch.zeros(1, 2, 5), "is_init": torch.zeros(1, 3).bool()}
        >>> batch["next"] = {"observation": x, "reward": reward}
        >>> losses.over_sequences(loss, burn_in=1)({}, batch)
        (tensor(2.), {})
    """

    def of_sequences(params: Mapping, batch: Mapping) -> tuple[Tensor, dict[str, Tensor]]:
        batch = in_time(batch)
        memory = {key: batch.pop(key) for key in OF_MEMORY if key in batch}
        sequence = {"observation": batch.pop("observation"), **memory}
        after = trees.map(lambda x: x[burn_in:], batch.pop("next"))
        after["observation"] = {**sequence, "next": after["observation"]}
        rest = {key: x if key == "importance" else x[burn_in:] for key, x in batch.items()}
        return loss(params, {**rest, "observation": sequence, "next": after})

    return of_sequences


def in_time(batch: Mapping) -> dict:
    """A batch of sequences [N, L, ...] with time first, [L, N, ...]; ``importance`` stays [N]."""

    def time_first(name: str, x: Any) -> Any:
        if name == "importance":
            return x
        return x.transpose(0, 1) if isinstance(x, Tensor) else in_time(x)  # of a TensorDict as well

    return {name: time_first(name, x) for name, x in batch.items()}


def mean_of_learnt(x: Tensor, batch: Mapping) -> Tensor:
    """The mean of ``x`` [N], or of sequences [L, N] that of the steps that are ``learnt``, []."""
    return weighted_mean(x, learnt_share(batch))


def learnt_share(batch: Mapping) -> Tensor | None:
    """Weights [L, N] of mean 1 of the steps of sequences that are ``learnt``, else 0; None if all are."""
    learnt = batch.get("learnt", None)
    if learnt is None:
        return None
    learnt = learnt.float()
    return learnt / learnt.mean().clamp(min=1 / learnt.numel())


def step_weight(batch: Mapping) -> Tensor | None:
    """The weight of each error, [N] or [L, N]: ``importance`` of what is ``learnt``; None for equal ones."""
    share, importance = learnt_share(batch), batch.get("importance", None)
    if share is None or importance is None:
        return importance if share is None else share
    return share * importance

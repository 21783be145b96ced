"""Q-learning of sequences."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.maths.returns import lambda_return
from nappo2.maths.values import of_action
from nappo2.networks import RecurrentQ


def as_it_is(params: Mapping, observation: Tensor) -> Tensor:
    """All of an observation."""
    return observation


@checked
def recurrent_double_dqn(
    q: RecurrentQ,
    *,
    burn_in: int,
    lambda_: float = 0.0,
    view: Callable[[Mapping, Tensor], Tensor] = as_it_is,
) -> Loss:
    """Double Q-learning of sequences from replay (R2D2, https://openreview.net/forum?id=r1lyTjAqYX).

    Reads, of a batch [N] of tensors [N, L, ...] made by ``windows``, ``observation``, ``action``,
    ``memory``, ``is_init``, ``learnt``, ``padding`` (without it there is none) and ``next``; of
    params ``target`` and ``gamma``. Online and target networks begin with the recorded memory,
    unroll ``burn_in`` steps without gradient, and then the rest, whose Huber errors are averaged.
    Where these steps are padding, the rest begins with the memory recorded there. (No rescaling
    of values; returns are lambda's rather than those of five steps.)

    Args:
        burn_in: as given to ``windows``.
        lambda_: of the targets, 0 for one step.
        view: ``(params, observation) -> observation``, what is seen of it.
    """

    def loss(params, batch):
        batch = in_time(batch)
        batch["observation"] = view(params, batch["observation"])
        batch["next"]["observation"] = view(params, batch["next"]["observation"])
        weights, target = params["weights"]["q"], params["target"]["q"]
        memories = unrolled(q, weights, batch, burn_in)
        part = {name: x[burn_in:] for name, x in batch.items() if isinstance(x, Tensor)}
        reached = {name: x[burn_in:] for name, x in batch["next"].items()}
        with torch.no_grad():
            following = q.step(weights, memories, reached["observation"])
            best = q.values(weights, following).argmax(-1)
            theirs = unrolled(q, target, batch, burn_in)
            theirs = q.step(target, theirs, reached["observation"])
            ends = reached["done"].clone()
            ends[:-1] |= ~part["learnt"][1:]  # what is masked is followed no further
            y = lambda_return(
                reached["reward"],
                of_action(q.values(target, theirs), best),
                reached["terminated"],
                ends,
                params["hyper"]["gamma"],
                lambda_,
            )
        value = of_action(q.values(weights, memories), part["action"])
        error = smooth_l1_loss(value, y, reduction="none") * part["learnt"]
        return sequence_mean(error, part["learnt"], batch), {"value": value.mean()}

    return loss


def in_time(batch: Mapping) -> dict:
    """A batch of sequences [N, L, ...] as [L, N, ...]; importance weights [N] stay."""

    def turned(name, x):
        if name == "importance":
            return x
        return x.transpose(0, 1) if isinstance(x, Tensor) else in_time(x)

    return {name: turned(name, x) for name, x in batch.items()}


def unrolled(q: RecurrentQ, weights: Mapping, batch: Mapping, burn_in: int) -> Tensor:
    """The memories after each step behind ``burn_in``."""
    memory, seen, is_init = batch["memory"][0], batch["observation"], batch["is_init"]
    if burn_in:
        with torch.no_grad():
            memory = q.unroll(weights, memory, seen[:burn_in], is_init[:burn_in])[-1]
        if "padding" in batch:
            recorded = batch["padding"][0].unsqueeze(-1)
            memory = torch.where(recorded, batch["memory"][burn_in], memory)
    return q.unroll(weights, memory, seen[burn_in:], is_init[burn_in:])


def sequence_mean(error: Tensor, learnt: Tensor, batch: Mapping) -> Tensor:
    """The mean over what is learnt; with prioritised replay, that of ``importance * error``."""
    weighted = error * batch["importance"] if "importance" in batch else error
    return weighted.sum() / learnt.sum().clamp(min=1)

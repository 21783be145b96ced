"""Recurrent Q-learning from sequences of a replay."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from nappo2 import trees
from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.losses.sequences import in_time, mean_of_learnt
from nappo2.maths.masks import allowed_only, mask_of, unmasked
from nappo2.maths.rescaling import Rescaling, unscaled
from nappo2.maths.returns import lambda_return
from nappo2.maths.values import of_action
from nappo2.networks import RecurrentQ
from nappo2.networks.cell import after_burn_in


def raw_observation(params: Mapping, observation: Tensor) -> Tensor:
    """An observation as it is, ``[..., *shape]``, but for a mask.

    Example:
        >>> x = {"observation": torch.ones(1, 2), "action_mask": torch.tensor([[True, False]])}
        >>> losses.raw_observation({}, x)
        tensor([[1., 1.]])
    """
    return unmasked(observation)


@checked
def recurrent_double_dqn(
    q: RecurrentQ,
    *,
    burn_in: int,
    lambda_: float = 0.0,
    view: Callable[[Mapping, Tensor], Tensor] = raw_observation,
    rescaling: Rescaling = unscaled(),
) -> Loss:
    """Double Q-learning from sequences (R2D2, https://openreview.net/forum?id=r1lyTjAqYX).

    Reads, of a batch [N] of tensors [N, L, ...] made by ``rolling_windows``, ``observation``, ``action``,
    ``memory``, ``is_init``, ``learnt``, ``padding`` (optional) and ``next``; of params ``target`` and
    ``gamma``. Online and target networks begin with the recorded memory, unroll ``burn_in`` steps
    without gradient, and then the rest, whose Huber errors are averaged. Where the burn-in is
    padding, the rest begins with the memory recorded there: ``memory`` [N, 2, memory_size] has both.
    Of next actions, those that an ``action_mask`` forbids do not count. With ``rescaling=hyperbolic()``
    the network learns rescaled returns, as in the paper; unlike there, targets are lambda-returns rather
    than returns of five steps.

    Args:
        q: a Q-function with a memory.
        burn_in: as given to ``rolling_windows``.
        lambda_: of the targets; 0 for one step.
        view: ``(params, observation) -> observation`` without a mask, such as a normalisation.
        rescaling: of the returns that the network learns.

    Returns:
        The loss, with the means ``value`` and ``value_target``, which are of learnt steps and not rescaled.

    Example:
        >>> q = networks.RecurrentQ(networks.gru(3, 4), mlp(4, 2))  # an input of 0 gives 0
        >>> params = {"weights": {"q": q.init(0)}, "target": {"q": q.init(1)}, "hyper": {"gamma": 0.9}}
        >>> x, no, memory = torch.zeros(1, 2, 3), torch.tensor([[False, False]]), torch.zeros(1, 2, 4)
        >>> after = {"observation": x, "reward": torch.tensor([[9.0, 1.0]]), "terminated": no, "done": no}
        >>> batch = {"observation": x, "action": torch.tensor([[0, 1]]), "memory": memory, "is_init": no}
        >>> batch |= {"learnt": ~no, "next": after}
        >>> loss, means = losses.recurrent_double_dqn(q, burn_in=1)(params, batch)
        >>> loss, means["value_target"]  # of the second step: huber(0 - 1)
        (tensor(0.5000), tensor(1.))
    """

    def loss(params, batch):
        batch = in_time(batch)
        next_mask = mask_of(batch["next"]["observation"])
        batch["observation"] = view(params, batch["observation"])
        batch["next"]["observation"] = view(params, batch["next"]["observation"])
        weights, target = params["weights"]["q"], params["target"]["q"]
        memories = after_burn_in(partial(q.unroll, weights), batch, burn_in)
        part = {name: batch[name][burn_in:] for name in ("action", "learnt")}
        after = trees.map(lambda x: x[burn_in:], batch["next"])
        with torch.no_grad():
            next_memories = q.step(weights, memories, after["observation"])
            next_values = q.values(weights, next_memories)
            if next_mask is not None:
                next_values = allowed_only(next_values, next_mask[burn_in:])
            best = next_values.argmax(-1)
            target_memories = after_burn_in(partial(q.unroll, target), batch, burn_in)
            target_memories = q.step(target, target_memories, after["observation"])
            ends = after["done"].clone()
            ends[:-1] |= ~part["learnt"][1:]  # returns end before masked steps
            y = lambda_return(
                after["reward"],
                rescaling.invert(of_action(q.values(target, target_memories), best)),
                after["terminated"],
                ends,
                params["hyper"]["gamma"],
                lambda_,
            )
        value = of_action(q.values(weights, memories), part["action"])
        error = smooth_l1_loss(value, rescaling.apply(y), reduction="none") * part["learnt"]
        means = {"value": rescaling.invert(value), "value_target": y}
        means = {name: mean_of_learnt(x, part) for name, x in means.items()}
        return sequence_mean(error, part["learnt"], batch), means

    return loss


def sequence_mean(error: Tensor, learnt: Tensor, batch: Mapping) -> Tensor:
    """The mean error of learnt steps; with prioritised replay, of ``importance * error``.

    Args:
        error: [L, N], 0 where a step is not learnt.
        learnt: [L, N] bool.
        batch: whose ``importance`` [N], if there is one, weights the errors.

    Returns:
        The mean, [].
    """
    weighted = error * batch["importance"] if "importance" in batch else error
    return weighted.sum() / learnt.sum().clamp(min=1)

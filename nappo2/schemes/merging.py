"""How a cut merges the items of its workers.

Rollouts [T, B] are joined along B, gradients and params [] averaged.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import valid
from nappo2.checks import explained


@explained
def merge(items: Sequence[TensorDict]) -> TensorDict:
    """Joins rollouts along B, and averages gradients and params.

    Gradients that come of different amounts of ``samples`` are weighted by these. Rollouts that
    were cut short are padded to the longest, and masked.

    Example:
        >>> from nappo2.schemes import merge
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> rollout = first(collect_of(recipe), recipe.init(0)).item
        >>> merge([rollout, rollout]).batch_size
        torch.Size([8, 8])
    """
    items = [item for item in items if 0 not in item.batch_size] or items[:1]  # some wait
    if len(items) == 1:
        return items[0]
    if items[0].batch_dims:
        return torch.cat(padded(items) if items[0].batch_dims == 2 else list(items), -1)
    if "samples" in items[0].keys():
        return averaged_gradients(items)
    return items[0].apply(lambda *leaves: average(leaves), *items[1:])


def average(leaves: Sequence[Tensor]) -> Tensor:
    """Averages leaves [...]: equal ones are kept exactly, floats averaged, integers maximised."""
    if all(torch.equal(leaf, leaves[0]) for leaf in leaves[1:]):
        return leaves[0]
    if leaves[0].is_floating_point():
        return reduce(torch.add, leaves) / len(leaves)
    return reduce(torch.maximum, leaves)


def averaged_gradients(items: Sequence[TensorDict]) -> TensorDict:
    """The mean gradient, weighted by samples, with the oldest version, whose lag is the largest."""
    weights, samples = zip(*((item["weights"], item["samples"]) for item in items), strict=True)
    return TensorDict(
        weights=weighted_sum(weights, samples) / weighted_size(samples),
        version=reduce(torch.minimum, [item["version"] for item in items]),
        samples=reduce(torch.add, samples),
    )


def weighted_sum(grads: Sequence[Tensor], samples: Sequence[Tensor]) -> Tensor:
    """The sum of gradients [P], each times its samples [] unless all have as many."""
    if all(torch.equal(n, samples[0]) for n in samples[1:]):
        return reduce(torch.add, grads)  # unrounded, so that equal amounts are a plain mean
    return reduce(torch.add, [x * n for x, n in zip(grads, samples, strict=True)])


def weighted_size(samples: Sequence[Tensor]) -> Tensor | int:
    """The divisor of ``weighted_sum``: the number of gradients, or of all samples []."""
    if all(torch.equal(n, samples[0]) for n in samples[1:]):
        return len(samples)
    return reduce(torch.add, samples)


def padded(rollouts: Sequence[TensorDict]) -> list[TensorDict]:
    """Rollouts [T, B], padded to one length: shorter ones are truncated where they end, and masked."""
    longest = max(len(rollout) for rollout in rollouts)
    if not any(valid(rollout) is not None or len(rollout) < longest for rollout in rollouts):
        return list(rollouts)
    return [_padded(rollout, longest - len(rollout)) for rollout in rollouts]


def _padded(rollout: TensorDict, missing: int) -> TensorDict:
    rollout = rollout.copy().update({"mask": torch.ones_like(rollout["next", "done"])})
    if not missing:
        return rollout
    rollout["next"] = _truncated(rollout["next"])
    padding = rollout[-1:].expand(missing, *rollout.batch_size[1:]).clone()
    padding["mask"] = torch.zeros_like(padding["mask"])
    return torch.cat([rollout, padding])


def _truncated(transition: TensorDict) -> TensorDict:
    """A copy whose episodes end at its last row, though its states still have a value there."""
    flags = {key: transition[key].clone() for key in ("truncated", "done")}
    flags["truncated"][-1] = ~transition["terminated"][-1]
    flags["done"][-1] = True
    return transition.copy().update(flags)

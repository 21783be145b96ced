"""Distributions of actions that have several parts, which are independent given a network's outputs.

Log-probabilities and entropies of independent parts add up.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import torch

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution, categorical, sampling


@checked
def multi_categorical(sizes: Sequence[int]) -> Distribution:
    """Independent categorical distributions over n_1, ..., n_k choices: actions [..., k] int64.

    Outputs are all logits, one distribution after the other, [..., n_1 + ... + n_k].

    Raises:
        ValueError: if there is no distribution, or one has no choice.

    Example:
        >>> from nappo2.maths.factored import multi_categorical
        >>> dist = multi_categorical([2, 3])
        >>> dist.num_outputs(2), dist.mode(torch.tensor([[0.0, 1.0, 5.0, 0.0, 0.0]]))
        (2, tensor([[1, 0]]))
    """
    if not sizes:
        raise ValueError("sizes has the number of choices of each distribution, and is empty")
    one, runs = categorical(), [(len(list(equal)), n) for n, equal in groupby(sizes)]
    widths, counts = [k * n for k, n in runs], [k for k, _ in runs]

    def tables(x):
        """Logits or noise as one table [..., k, n] for each run of k equal sizes n."""
        return [
            part.unflatten(-1, run) for part, run in zip(x.split(widths, -1), runs, strict=True)
        ]

    def each(function, *columns):
        """Results [..., k] of a function of tables and of further columns, side by side."""
        return torch.cat([function(*row) for row in zip(*columns, strict=True)], -1)

    def sample_from_noise(logits, noise):
        return each(one.sample_from_noise, tables(logits), tables(noise))

    def mode(logits):
        return each(one.mode, tables(logits))

    def log_prob(logits, action):
        return each(one.log_prob, tables(logits), action.split(counts, -1)).sum(-1)

    def entropy(logits):
        return each(one.entropy, tables(logits)).sum(-1)

    sample = sampling(one.draw_noise, sample_from_noise)
    return one._replace(
        sample=sample,
        mode=mode,
        log_prob=log_prob,
        entropy=entropy,
        sample_from_noise=sample_from_noise,
    )


class Factor(NamedTuple):
    """A part of a factored distribution.

    Attributes:
        dist: of the part's outputs [..., size + log_stds].
        size: number of the network's outputs for the part.
        log_stds: number of log standard deviations for the part.
    """

    dist: Distribution
    size: int
    log_stds: int = 0


@checked
def factored(factors: Mapping[str, Factor]) -> Distribution:
    """Independent distributions by name: actions are dictionaries of theirs.

    Log-probabilities and entropies are sums of theirs::

        log pi(a) = sum_i log pi_i(a_i),   H(pi) = sum_i H(pi_i)

    Outputs are the network's outputs for all parts and behind these all log standard deviations,
    [..., sum of sizes + sum of log_stds]. Noise is a tuple of theirs.

    Raises:
        ValueError: if there is no part.
    """
    if not factors:
        raise ValueError("a factored distribution has at least one part")
    dists = {name: factor.dist for name, factor in factors.items()}
    sizes, log_stds = ([getattr(x, key) for x in factors.values()] for key in ("size", "log_stds"))

    def outputs_of(outputs):
        pieces = outputs.split([*sizes, *log_stds], -1)
        pairs = zip(pieces[: len(sizes)], pieces[len(sizes) :], strict=True)
        rows = [torch.cat(pair, -1) if pair[1].shape[-1] else pair[0] for pair in pairs]
        return dict(zip(dists, rows, strict=True))

    def sample(outputs, generator):
        return {name: dists[name].sample(x, generator) for name, x in outputs_of(outputs).items()}

    def mode(outputs):
        return {name: dists[name].mode(x) for name, x in outputs_of(outputs).items()}

    def log_prob(outputs, action):
        rows = outputs_of(outputs).items()
        return sum(dists[name].log_prob(x, action[name]) for name, x in rows)

    def entropy(outputs):
        return sum(dists[name].entropy(x) for name, x in outputs_of(outputs).items())

    def draw_noise(shape, generator):
        widths = [sum(pair) for pair in zip(sizes, log_stds, strict=True)]
        pairs = zip(dists.values(), widths, strict=True)
        return tuple(dist.draw_noise((*shape[:-1], n), generator) for dist, n in pairs)

    def sample_from_noise(outputs, noise):
        rows = zip(outputs_of(outputs).items(), noise, strict=True)
        return {name: dists[name].sample_from_noise(x, part) for (name, x), part in rows}

    def num_outputs(size):
        return size + sum(log_stds)

    fixed = all(dist.sample_from_noise for dist in dists.values())
    noise = (draw_noise, sample_from_noise) if fixed else (None, None)
    return Distribution(sample, mode, log_prob, entropy, num_outputs, *noise)

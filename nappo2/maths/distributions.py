"""Action distributions, as functions of a network's outputs [..., num_outputs].

Sampling takes an explicit generator. Log-probabilities and entropies are in nats, summed over the
dimensions and factors of an action.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nappo2.checks import checked
from nappo2.maths.traced import is_compiled


@checked
class Distribution(NamedTuple):
    """Functions of a network's outputs, [..., num_outputs]; actions and noise are trees of tensors.

    Attributes:
        sample: ``(outputs, generator) -> action``.
        mode: ``outputs -> action``, the most probable one.
        log_prob: ``(outputs, action) -> log_prob``, [...].
        entropy: ``outputs -> entropy``, in nats, [...].
        num_outputs: ``size -> int``: number of outputs for ``size`` actions to choose from, or for
            actions of ``size`` dimensions.
        draw_noise: ``(shape of outputs, generator) -> noise``: the random part of ``sample``, which can
            be drawn for a whole rollout; None where it depends on outputs.
        sample_from_noise: ``(outputs, noise) -> action``: the rest of ``sample``.
    """

    sample: Callable[[Tensor, torch.Generator], Any]
    mode: Callable[[Tensor], Any]
    log_prob: Callable[[Tensor, Any], Tensor]
    entropy: Callable[[Tensor], Tensor]
    num_outputs: Callable[[int], int]
    draw_noise: Callable[[Sequence[int], torch.Generator], Any] | None = None
    sample_from_noise: Callable[[Tensor, Any], Any] | None = None


def sampling(
    draw_noise: Callable, sample_from_noise: Callable
) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Makes ``sample`` of two functions: one draws noise [...], the other makes an action of it."""

    def sample(outputs, generator):
        noise = draw_noise(outputs.shape, generator)  # on the CPU, as generators are
        return sample_from_noise(outputs, noise if outputs.is_cpu else noise.to(outputs.device))

    return sample


def categorical() -> Distribution:
    """A categorical distribution over n actions, int64 [...]; outputs are logits [..., n].

    Example:
        >>> from nappo2.maths.distributions import categorical
        >>> dist, logits = categorical(), torch.tensor([[0.0, 2.0]])
        >>> dist.mode(logits), dist.log_prob(logits, torch.tensor([1])), dist.num_outputs(2)
        (tensor([1]), tensor([-0.1269]), 2)
    """

    def draw_noise(shape, generator):
        return torch.empty(shape).exponential_(generator=generator)

    def sample_from_noise(logits, noise):
        # the largest of log-probabilities with Gumbel noise: half the price of torch.multinomial
        return (logits - noise.log()).argmax(-1)

    def mode(logits):
        return logits.argmax(-1)

    def log_prob(logits, action):
        return logits.log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)

    def entropy(logits):
        return discrete_entropy(logits.log_softmax(-1))

    sample = sampling(draw_noise, sample_from_noise)
    return Distribution(
        sample, mode, log_prob, entropy, lambda size: size, draw_noise, sample_from_noise
    )


def discrete_entropy(log_probs: Tensor) -> Tensor:
    """The entropy ``-sum p log p`` [...] of log-probabilities [..., n]; an impossible action adds 0.

    Example:
        >>> from nappo2.maths.distributions import discrete_entropy
        >>> discrete_entropy(torch.tensor([[0.5, 0.5]]).log())
        tensor([0.6931])
    """
    probs = log_probs.exp()
    return -(probs * torch.where(probs > 0, log_probs, 0.0)).sum(-1)


def normal() -> Distribution:
    """A diagonal normal of actions [..., A]; outputs are means and log standard deviations [..., 2A].

    Example:
        >>> from nappo2.maths.distributions import normal
        >>> dist, outputs = normal(), torch.zeros(1, 2)         # a mean and a log standard deviation
        >>> dist.mode(outputs), dist.log_prob(outputs, torch.zeros(1, 1)), dist.num_outputs(1)
        (tensor([[0.]]), tensor([-0.9189]), 2)
    """

    def draw_noise(shape, generator):
        return torch.randn((*shape[:-1], shape[-1] // 2), generator=generator)

    def sample_from_noise(outputs, noise):
        mean, log_std = outputs.chunk(2, -1)
        return torch.addcmul(mean, log_std.exp(), noise)

    def mode(outputs):
        return outputs.chunk(2, -1)[0]

    def log_prob(outputs, action):
        mean, log_std = outputs.chunk(2, -1)
        return normal_log_prob((action - mean) * (-log_std).exp(), log_std)

    def entropy(outputs):
        return (outputs.chunk(2, -1)[1] + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    sample = sampling(draw_noise, sample_from_noise)
    return Distribution(
        sample, mode, log_prob, entropy, lambda size: 2 * size, draw_noise, sample_from_noise
    )


def clipped(dist: Distribution) -> Distribution:
    """A distribution whose samples are clipped to [-1, 1], as environments do it.

    So a replay has the actions that were done. Log-probabilities are those of ``dist``.
    """

    def within(sample):
        return sample and (lambda outputs, source: sample(outputs, source).clamp(-1, 1))

    return dist._replace(
        sample=within(dist.sample), sample_from_noise=within(dist.sample_from_noise)
    )


MIN_LOG_STD, MAX_LOG_STD = -20.0, 2.0  # of a tanh-normal, as in SAC


@checked
def tanh_normal(limit: float = 1 - 1e-6) -> Distribution:
    """A diagonal normal, squashed to (-1, 1) (Haarnoja et al., https://arxiv.org/abs/1812.05905, C).

    Log standard deviations are clamped to [-20, 2]; actions to ``limit``, so that their
    log-probability is finite: ``log N(atanh(a)) - sum log(1 - a^2)``. The entropy is that of the normal,
    an upper bound.

    Example:
        >>> from nappo2.maths.distributions import tanh_normal
        >>> dist, outputs = tanh_normal(), torch.tensor([[5.0, 0.0]])
        >>> dist.mode(outputs), bool(dist.sample(outputs, generator(0)).abs() <= 1)
        (tensor([[0.9999]]), True)
    """
    unsquashed = normal()

    def sample_from_noise(outputs, noise):
        return squashed(unsquashed.sample_from_noise(bounded(outputs), noise))

    def mode(outputs):
        return squashed(unsquashed.mode(outputs))

    def log_prob(outputs, action):
        pre_tanh = action.clamp(-limit, limit).atanh()
        return unsquashed.log_prob(bounded(outputs), pre_tanh) - log_slope(pre_tanh).sum(-1)

    def entropy(outputs):
        return unsquashed.entropy(bounded(outputs))

    draw_noise, num_outputs = unsquashed.draw_noise, unsquashed.num_outputs
    return Distribution(
        sampling(draw_noise, sample_from_noise),
        mode,
        log_prob,
        entropy,
        num_outputs,
        draw_noise,
        sample_from_noise,
    )


@checked
def state_dependent(dist: Distribution, num_features: int) -> Distribution:
    """``dist`` of outputs that are followed by ``num_features`` features of ``networks.state_dependent``.

    Example:
        >>> from nappo2.maths.distributions import state_dependent
        >>> dist = state_dependent(distributions.normal(), num_features=4)
        >>> dist.num_outputs(2)
        8
    """

    def read(fn):
        return lambda outputs, *rest: fn(outputs[..., :-num_features], *rest)

    functions = (dist.sample, dist.mode, dist.log_prob, dist.entropy)
    return Distribution(*map(read, functions), lambda size: dist.num_outputs(size) + num_features)


def bounded(outputs: Tensor) -> Tensor:
    """Clamps the log standard deviations in outputs [..., 2A] of a tanh-normal.

    Example:
        >>> from nappo2.maths.distributions import bounded
        >>> bounded(torch.tensor([-100.0, 0.0, 100.0]))
        tensor([-100.,    0.,    2.])
    """
    mean, log_std = outputs.chunk(2, -1)
    return torch.cat([mean, log_std.clamp(MIN_LOG_STD, MAX_LOG_STD)], -1)


def squashed(x: Tensor) -> Tensor:
    """``tanh(x)`` [...], as exact in compiled code, as log-probabilities are of ``1 - tanh(x)^2``.

    Example:
        >>> from nappo2.maths.distributions import squashed
        >>> squashed(torch.tensor([0.0, 100.0]))
        tensor([0., 1.])
    """
    return x.double().tanh().to(x.dtype) if is_compiled() else x.tanh()


def squash(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The action of a tanh-normal as a function of outputs [..., 2A] and normal noise [..., A].

    Returns:
        The action [..., A], through which gradients flow, and its log-probability [...].

    Example:
        >>> from nappo2.maths.distributions import squash
        >>> action, log_prob = squash(torch.zeros(1, 2), torch.zeros(1, 1))
        >>> action
        tensor([[0.]])
    """
    mean, log_std = bounded(outputs).chunk(2, -1)
    pre_tanh = mean + log_std.exp() * noise
    return squashed(pre_tanh), normal_log_prob(noise, log_std) - log_slope(pre_tanh).sum(-1)


def normal_log_prob(noise: Tensor, log_std: Tensor) -> Tensor:
    """The log-density [...] of ``mean + exp(log_std) * noise``; noise and log_std are [..., A].

    Example:
        >>> from nappo2.maths.distributions import normal_log_prob
        >>> normal_log_prob(torch.zeros(1, 1), torch.zeros(1, 1))
        tensor([-0.9189])
    """
    total = torch.addcmul(log_std, noise, noise, value=0.5).sum(-1)
    return -0.5 * math.log(2 * math.pi) * noise.shape[-1] - total


def log_slope(x: Tensor) -> Tensor:
    """``log(1 - tanh(x)^2)`` of ``x`` [...], without cancellation.

    Example:
        >>> from nappo2.maths.distributions import log_slope
        >>> log_slope(torch.zeros(1))
        tensor([0.])
    """
    return 2 * (math.log(2) - x - softplus(-2 * x))

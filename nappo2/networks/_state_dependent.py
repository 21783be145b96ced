"""Actors with state-dependent exploration (gSDE: Raffin et al., https://arxiv.org/abs/2005.05719)."""

import math

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.nn.functional import linear

from nappo2.checks import checked
from nappo2.networks._mlp import orthogonal
from nappo2.networks.network import Network
from nappo2.seeds import split


@checked
def state_dependent(
    torso: Network,
    num_features: int,
    action_size: int,
    *,
    initial: float = -2.0,
    mean_limit: float = math.inf,
    gain: float = 0.01,
    learn_features: bool = False,
) -> Network:
    """An actor of normal actions whose variance depends on the observation::

        variance = features^2 @ std^2

    The outputs are means and log standard deviations of A actions, as of a diagonal normal, and
    then the F features; ``distributions.state_dependent`` and ``policies.gsde`` read them.

    Args:
        torso: of observations, to features [..., F] after the last activation.
        num_features: F.
        action_size: A.
        initial: first log standard deviation of each entry of the exploration matrix [F, A].
        mean_limit: bound on the absolute means; infinite by default.
        gain: of the weights of the means' layer.
        learn_features: whether the gradient of the variance reaches the torso, as in
            Stable-Baselines3's SAC; it does not in that library's PPO.

    Returns:
        A network of observations to [..., 2A + F] float32.

    Example:
        >>> network = networks.state_dependent(mlp(3, 4), num_features=4, action_size=2)
        >>> network.apply(network.init(0), torch.ones(5, 3)).shape  # 2 means, 2 deviations, 4 features
        torch.Size([5, 8])
    """

    def init(seed):
        first, second = split(seed)
        return TensorDict(
            torso=torso.init(first),
            weight=orthogonal((action_size, num_features), gain, second),
            bias=torch.zeros(action_size),
            log_std=torch.full((num_features, action_size), float(initial)),
        )

    def apply(weights, x):
        features = torso.apply(weights["torso"], x)
        mean = linear(features, weights["weight"], weights["bias"]).clamp(-mean_limit, mean_limit)
        features = features if learn_features else features.detach()
        log_std = marginal_log_std(features, weights["log_std"])
        return torch.cat([mean, log_std, features], -1)

    return Network(init, apply)


def marginal_log_std(features: Tensor, log_std: Tensor) -> Tensor:
    """Log standard deviations of ``features @ noise`` (equation 10 of https://arxiv.org/abs/2005.05719)::

        log sqrt(features^2 @ exp(log_std)^2 + 1e-6)

    Features are [..., F], the noise [F, A] is normal with deviations exp(log_std), the result [..., A].
    """
    return 0.5 * (features.square() @ (2 * log_std).exp() + 1e-6).log()

"""An actor whose noise depends on the state (gSDE: Raffin et al., https://arxiv.org/abs/2005.05719)."""

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
    """An actor of normal actions, whose variances are ``features^2 @ std^2``.

    Its outputs are means and log standard deviations of A actions, as a diagonal normal has them,
    and behind these the F features of which the noise is made, [..., 2A + F]; what reads them is
    ``distributions.state_dependent`` and ``policies.gsde``.

    Args:
        torso: of features [..., F], as they are after their last activation.
        num_features: F.
        action_size: A.
        initial: the first log standard deviations, of an exploration matrix [F, A].
        mean_limit: to which means are clipped.
        gain: of the layer that makes the means.
        learn_features: whether the gradient of the variance reaches the torso, as in
            Stable-Baselines3's SAC, and not in its PPO.
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
    """Of ``features @ noise``, where the noise [F, A] is normal with these deviations (their eq. 10)."""
    return 0.5 * (features.square() @ (2 * log_std).exp() + 1e-6).log()

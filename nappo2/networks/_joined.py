"""Networks of the parts of an observation, side by side."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.networks.network import Network
from nappo2.seeds import split


@checked
def joined(torsos: Mapping[str, Network | Callable[[Any], Tensor]]) -> Network:
    """Joins the features of the parts of an observation, each seen by a network of its own.

    Weights have the names of the parts. Parts without a torso are not seen.

    Args:
        torsos: by the name of a part, a network or a function without weights, of the part
            ``[..., *shape]`` to features [..., F].

    Returns:
        A network of dictionaries to the features of all, side by side in the order of ``torsos``.

    Raises:
        ValueError: if there is no torso.

    Example:
        >>> network = networks.joined({"angle": mlp(1, 8), "speed": mlp(2, 8)})
        >>> parts = {"angle": torch.ones(5, 1), "speed": torch.ones(5, 2)}
        >>> network.apply(network.init(0), parts).shape
        torch.Size([5, 16])
    """
    if not torsos:
        raise ValueError("at least one part of an observation has a torso, as nothing is seen else")
    networks = {key: torso for key, torso in torsos.items() if isinstance(torso, Network)}

    def init(seed):
        seeds = zip(networks.items(), split(seed, max(1, len(networks))), strict=False)
        return TensorDict({key: network.init(part_seed) for (key, network), part_seed in seeds})

    def apply(weights, observation):
        features = [
            torso.apply(weights[key], observation[key])
            if key in networks
            else torso(observation[key])
            for key, torso in torsos.items()
        ]
        return torch.cat(features, -1)

    return Network(init, apply)

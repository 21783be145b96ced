"""What perceptrons see of an observation: one row of numbers."""

import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor

from nappo2.envs import Env
from nappo2.networks import Network, unchanged, with_view


def vector_view(env: Env) -> Callable[[Any], Tensor]:
    """``observation [..., *shape] -> [..., n]``: all numbers of one as a row, in floats.

    Bytes are seen in [0, 1]. Where an observation may have been meant as an image, a warning says
    that it is not seen as one.
    """
    spec = env.observation_spec
    if spec.warning:
        warnings.warn(f"{env.name} has observations {spec.warning}", stacklevel=2)
    return spec.row


def of_rows(network: Network, env: Env) -> Network:
    """A network of rows, for an environment's observations."""
    view = vector_view(env)
    return network if view is unchanged else with_view(network, view)

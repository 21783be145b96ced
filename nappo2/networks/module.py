"""Any torch.nn.Module as a network."""

from collections.abc import Callable
from copy import deepcopy

import torch
from tensordict import TensorDict
from torch.func import functional_call
from torch.nn import Module

from nappo2.networks.network import Network


def from_module(module: Module | Callable[[], Module]) -> Network:
    """A module, or a function that makes one, as a network.

    Of a module, the first weights are its present ones, whatever the seed. A function is called
    under each seed, so different seeds give different weights. Buffers (masks, tables, statistics
    of batch norm) and parameters that require no gradient are constants: not optimised, and the
    same for every seed. The module runs in evaluation mode, without dropout.

    Args:
        module: of one tensor, to one tensor.

    Raises:
        ValueError: if ``module`` is neither a module nor a function that makes one.

    Example:
        >>> from torch import nn
        >>> network = from_module(lambda: nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 2)))
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """
    skeleton = deepcopy(module if isinstance(module, Module) else _made(module, 0)).eval()
    make = (lambda: skeleton) if isinstance(module, Module) else module
    constants = {name: p for name, p in skeleton.named_parameters() if not p.requires_grad}
    constants |= dict(skeleton.named_buffers())
    names = [name for name, p in skeleton.named_parameters() if p.requires_grad]

    def init(seed):
        params = dict(_made(make, seed).named_parameters())
        return TensorDict({tuple(name.split(".")): params[name].detach().clone() for name in names})

    def apply(weights, x):
        flat = {name: _leaf(weights, name.split(".")) for name in names}
        there = {name: constant.to(x.device) for name, constant in constants.items()}
        return functional_call(skeleton, flat | there, (x,))

    return Network(init, apply)


def _made(make: Callable[[], Module], seed: int) -> Module:
    """The module that ``make`` makes under ``seed``; torch's global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = make() if callable(make) else None
    if not isinstance(module, Module):
        raise ValueError(
            f"from_module takes a torch.nn.Module, or a function that makes one, not {module or make!r}"
        )
    return module


def _leaf(tree, path):
    for name in path:
        tree = tree[name]
    return tree

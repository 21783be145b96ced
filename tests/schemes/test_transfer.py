"""Trees of tensors as arrays, as they travel between processes."""

import numpy as np
import pytest
import torch

from nappo2.schemes.transfer import Transfer, Vector, pack_params, unpack
from tests.makers.comparing import equal
from tests.makers.recipes import CARTPOLE_PPO, REPLAYED


def placed_at(offset, values):
    """An array whose first byte is so many behind a multiple of 64, as small ones may arrive."""
    memory = np.empty(64 + values.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    array = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array


@pytest.mark.parametrize("offset", [0, 4, 16, 32])
def test_what_arrives_lies_where_torch_puts_its_own_tensors(offset):
    """In a multiple of 64 bytes, on which the last bits of products depend; else it is not copied."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    array, weights = placed_at(offset, values), placed_at(offset, values.reshape(-1))
    vector = Vector(weights, (("actor", "weight"),), (torch.Size([3, 4]),))
    rollout = unpack(Transfer((3,), {"observation": array, "weights": vector}))
    for x in (rollout["observation"], rollout["weights", "actor", "weight"]):
        assert x.data_ptr() % 64 == 0 and equal(x, torch.from_numpy(values))
        assert np.shares_memory(x.numpy(), array) or np.shares_memory(x.numpy(), weights) or offset


@pytest.mark.parametrize("recipe", [CARTPOLE_PPO, REPLAYED["td3"]()])
def test_params_arrive_as_they_were_sent_in_the_same_order(recipe):
    """With and without targets: what is packed for a file does not depend on where they have been."""
    params = recipe.init(0)
    arrived = unpack(pack_params(params))
    assert equal(arrived, params) and list(arrived.keys()) == list(params.keys())

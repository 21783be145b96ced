"""Environments of which less is seen."""

import pytest
import torch

from nappo2 import envs


def test_masked_cartpole_is_cartpole_without_its_velocities():
    """Position and angle, of what is acted on and of what was reached; all else is equal."""
    whole, part = envs.cartpole(3), envs.make("torch/MaskedCartPole-v1", 3)
    (state, seen), (masked, found) = whole.reset(0), part.reset(0)
    assert part.observation_space.shape == (2,) and part.name == "masked cartpole"
    for t in range(60):
        assert torch.equal(found, seen[:, [0, 2]])
        action = torch.full((3,), t % 3 == 0).long()
        state, seen, outcome = whole.step(state, action)
        masked, found, theirs = part.step(masked, action)
        assert torch.equal(theirs.observation, outcome.observation[:, [0, 2]])
        assert torch.equal(theirs.terminated, outcome.terminated)
    low, high = whole.observation_space.low, whole.observation_space.high
    assert (part.observation_space.low == low[[0, 2]]).all()
    assert (part.observation_space.high == high[[0, 2]]).all()


def test_what_cannot_be_seen_is_refused():
    with pytest.raises(
        ValueError, match=r"observations of cartpole have entries 0 to 3, not \(4,\)"
    ):
        envs.observing(envs.cartpole(1), (4,))
    with pytest.raises(ValueError, match="observing takes vectors"):
        envs.observing(envs.bit_flipping(1, 4), (0,))
    assert envs.observing(envs.pendulum(1), (0, 1)).name == "pendulum seen at [0, 1]"

"""Contexts that change the arithmetic of a process for a while."""

import pytest
import torch

from nappo2.machine.threads import without_denormals
from tests.makers.denormals import STUCK


def test_a_denormal_number_times_nine_tenths_is_itself_and_without_denormals_it_is_zero():
    x = torch.full((16,), STUCK)
    assert ((x * 0.9) == x).all() and (x != 0).all()
    with without_denormals():
        assert (x * 0.9 == 0).all()
    assert ((x * 0.9) == x).all()


def test_normal_numbers_are_what_they_are():
    """2^-126 is the smallest of them."""
    x = torch.tensor([2.0**-126, 1.0, -3e38])
    with without_denormals():
        assert (x * 1.0).tolist() == x.tolist()


def test_whoever_has_no_denormals_has_none_afterwards():
    with without_denormals():
        with without_denormals():
            pass
        assert torch.tensor(STUCK) * 1.0 == 0
    assert torch.tensor(STUCK) * 1.0 != 0


def test_denormals_are_back_after_an_error():
    with pytest.raises(ZeroDivisionError), without_denormals():
        raise ZeroDivisionError
    assert torch.tensor(STUCK) * 1.0 != 0

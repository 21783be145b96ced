"""The formulas of PPO, by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nappo2.maths.surrogates import (
    approx_kl,
    clip_fraction,
    clipped_squared_error,
    clipped_surrogate,
    explained_variance,
    squared_error,
    standardize,
    with_finite_ratio,
)


def t(*values):
    return torch.tensor(values)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.0, 3.0, 3.0),  # no change
        (1.1, 3.0, 3.3),  # within
        (2.0, 3.0, 3.6),  # no more than 1.2 is earned
        (0.5, 3.0, 1.5),  # but all is lost
        (0.5, -3.0, -2.4),  # no less than 0.8 is avoided
        (2.0, -3.0, -6.0),
    ],
)
def test_the_clipped_surrogate_by_hand(ratio, advantage, expected):
    """Kept within 0.8 and 1.2 where that is to the agent's advantage."""
    found = clipped_surrogate(t(math.log(ratio)), t(advantage), 0.2)
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize(("ratio", "advantage", "slope"), [(2.0, 3.0, 0.0), (2.0, -3.0, -6.0)])
def test_what_is_clipped_pulls_no_more(ratio, advantage, slope):
    """The slope in log ratio is ratio x advantage, or 0."""
    log_ratio = t(math.log(ratio)).requires_grad_()
    clipped_surrogate(log_ratio, t(advantage), 0.2).backward()
    assert log_ratio.grad.item() == pytest.approx(slope)


def test_the_surrogate_exactly_at_the_clip_is_its_bound():
    """1.5 and 0.5 are exact in binary, so the bound and the ratio are one number."""
    log_ratio = t(1.5, 0.5).double().log()
    found = clipped_surrogate(log_ratio, t(2.0, 4.0).double(), 0.5)
    assert found.item() == pytest.approx((1.5 * 2 + 0.5 * 4) / 2, abs=1e-15)
    assert clip_fraction(t(0.0), 0.0).item() == 0  # at the bound is not beyond it


@given(st.floats(-2, 2), st.floats(-5, 5), st.floats(0.01, 0.9))
def test_the_surrogate_is_a_pessimistic_bound(log_ratio, advantage, clip_eps):
    log_ratio, advantage = t(log_ratio).double(), t(advantage).double()
    found = clipped_surrogate(log_ratio, advantage, clip_eps)
    assert found <= log_ratio.exp() * advantage


def test_squared_error_by_hand():
    assert squared_error(t(1.0, 2.0), t(3.0, 2.0)).item() == (2**2 / 2 + 0) / 2


@pytest.mark.parametrize(
    ("value", "old_value", "target", "expected"),
    [
        (3.0, 1.0, 1.0, 2.0),  # far from old and target: the unclipped error, 2^2 / 2
        (3.0, 1.0, 3.0, 1.125),  # on target, but far from old: 1 + 1/2 is off by 3/2
        (1.25, 1.0, 2.0, 0.28125),  # near the old one: both are the same, (3/4)^2 / 2
    ],
)
def test_the_clipped_value_loss_by_hand(value, old_value, target, expected):
    """Values move from the old one by 1/2 at most."""
    assert clipped_squared_error(t(value), t(old_value), t(target), 0.5).item() == expected


def test_the_clipped_value_loss_is_the_larger_error_of_each_entry():
    """Not the larger of two means."""
    value, old, target = t(3.0, 3.0), t(1.0, 1.0), t(1.0, 3.0)
    assert clipped_squared_error(value, old, target, 0.5).item() == (2 + 1.125) / 2


def test_standardize_by_hand():
    """1, 2, 3 have mean 2 and unbiased standard deviation 1."""
    torch.testing.assert_close(standardize(t(1.0, 2.0, 3.0)), t(-1.0, 0.0, 1.0))


@given(st.floats(0.1, 10), st.floats(-10, 10))
def test_standardize_forgets_scale_and_shift(scale, shift):
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(standardize(scale * x + shift), standardize(x), rtol=1e-5, atol=1e-5)


def test_equal_numbers_have_no_spread():
    assert (standardize(torch.full((4,), 3.0)) == 0).all()


def test_approx_kl_is_zero_where_nothing_changed():
    assert approx_kl(torch.zeros(5)).item() == 0


def test_approx_kl_by_hand():
    """A ratio of 2: 2 - 1 - log 2."""
    assert approx_kl(t(math.log(2))).item() == pytest.approx(1 - math.log(2))


@given(st.floats(-5, 5))
def test_approx_kl_is_never_negative(log_ratio):
    assert approx_kl(t(log_ratio).double()).item() >= -1e-15


def test_approx_kl_is_the_kl_on_average():
    """Over actions as probable as the old policy has them, 1/4 and 3/4 under old, 1/2 under new."""
    old, new = t(0.25, 0.75).double(), t(0.5, 0.5).double()
    log_ratio = (new / old).log()
    drawn = log_ratio[[0, 1, 1, 1]]
    assert approx_kl(drawn).item() == pytest.approx((old * (old / new).log()).sum().item())


def test_clip_fraction_by_hand():
    """Of the ratios 1, 1.1, 1.3 and 0.7 two are outside of 0.8 to 1.2."""
    assert clip_fraction(t(1.0, 1.1, 1.3, 0.7).log(), 0.2).item() == 0.5


@pytest.mark.parametrize("shape", [(1,), (1, 1), ()])
def test_one_number_has_no_deviation_and_stays(shape):
    x = torch.full(shape, 3.0, requires_grad=True)
    assert torch.equal(standardize(x), x)
    pair = t(3.0, 5.0)
    assert torch.equal(standardize(pair, pair[:1]), pair)
    assert torch.equal(standardize(pair, pair[:0]), pair)


FAR = [88.0, 88.8, 89.0, 100.0, 710.0, 1e30, math.inf]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("log_ratio", FAR)
def test_a_clipped_ratio_beyond_all_numbers_earns_the_bound_and_pulls_no_more(log_ratio, dtype):
    """Of advantages 2 and 0 the bounds are 1.2 x 2 and 0; the third, within, has its own slope."""
    log_ratios = torch.tensor([log_ratio, log_ratio, 0.0], dtype=dtype, requires_grad=True)
    found = clipped_surrogate(log_ratios, torch.tensor([2.0, 0.0, 3.0], dtype=dtype), 0.2)
    found.backward()
    assert found.item() == pytest.approx((2.4 + 0 + 3) / 3)
    assert log_ratios.grad.tolist() == pytest.approx([0, 0, 1])


@pytest.mark.parametrize("log_ratio", [-math.inf, -1e30, -200.0, *FAR])
def test_what_is_told_of_ratios_is_never_no_number(log_ratio):
    """A ratio that is infinite or 0 is beyond any bound."""
    found = t(log_ratio)
    assert approx_kl(found) > 100 and clip_fraction(found, 0.2) == 1


@given(st.floats(-88, 88, width=32))
def test_log_ratios_whose_ratios_are_numbers_stay(log_ratio):
    assert torch.equal(with_finite_ratio(t(log_ratio)), t(log_ratio))


def test_a_critic_that_knows_half_of_the_spread_explains_three_quarters_of_the_variance():
    """Targets -2, 0, 2 less values -1, 0, 1 leave -1, 0, 1: a quarter of the variance."""
    assert float(explained_variance(t(-1.0, 0.0, 1.0), t(-2.0, 0.0, 2.0))) == pytest.approx(0.75)


def test_what_is_masked_explains_nothing():
    """Of the first three, all; the fourth is not finite."""
    counted = t(True, True, True, False)
    value, target = t(1.0, 2.0, 3.0, 0.0), t(1.0, 2.0, 3.0, math.nan)
    assert float(explained_variance(value, target, counted)) == 1.0


def test_where_nothing_varies_nothing_is_explained():
    assert float(explained_variance(t(1.0, 2.0), t(3.0, 3.0))) == 0.0

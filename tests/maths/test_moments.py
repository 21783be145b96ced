"""Running moments: that they add up, and what is done with them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nappo2.maths.moments import (
    absorb,
    absorb_if,
    frozen,
    moments,
    no_moments,
    normalize,
    scale_reward,
    statistics,
)
from tests.makers.tensors import randn


def test_moments_by_hand():
    """1, 2, 3 and 4: four numbers, which sum to 10, and their squares to 30."""
    assert moments(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist() == [4, 10, 30]


@given(st.integers(0, 2**32), st.integers(2, 20), st.integers(2, 8), st.integers(1, 99))
@settings(deadline=None)
def test_moments_of_parts_add_up_to_those_of_the_whole(seed, num_steps, num_envs, cut):
    """Cut in time, as rollouts are, and in environments, as workers are."""
    x = randn(num_steps, num_envs, 3, seed=seed)
    whole = moments(x)
    for parts in (x.tensor_split([cut % num_steps]), x.tensor_split([cut % num_envs], dim=1)):
        torch.testing.assert_close(sum(map(moments, parts)), whole, rtol=1e-12, atol=1e-12)


def test_statistics_are_torchs_mean_and_std():
    """Also where the mean is far from 0: a thousand numbers each around 1, 100 and -1000."""
    x = randn(100, 10, 3) + torch.tensor([1.0, 100.0, -1000.0])
    result = statistics(moments(x))
    flat = x.double().reshape(-1, 3)
    torch.testing.assert_close(result["mean"], flat.mean(0).float())
    torch.testing.assert_close(result["std"], flat.std(0, correction=0).float())
    normal = normalize(result, x)
    torch.testing.assert_close(normal.mean((0, 1)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(normal.std((0, 1)), torch.ones(3), atol=1e-3, rtol=0)


def test_moments_are_kept_in_float64_and_applied_in_float32():
    """2^24 ones and one more are counted, of which float32 would lose the last."""
    result = statistics(torch.tensor([2.0**24, 2.0**24, 2.0**24], dtype=torch.float64))
    result = statistics(result["moments"] + moments(torch.ones(1, 1)))
    assert result["moments"][0].item() == 2**24 + 1
    assert result["moments"].dtype == torch.float64
    assert result["mean"].dtype == result["std"].dtype == torch.float32


def test_by_a_normalizer_that_has_seen_nothing_nothing_is_changed():
    normalizer, x = no_moments(**{"observation": (3,), "return": ()}), randn(5, 2, 3)
    assert torch.equal(normalize(normalizer["observation"], x), x)
    assert torch.equal(scale_reward(normalizer, x[..., 0]), x[..., 0])
    assert normalizer["observation"]["moments"].shape == (3, 3)


def test_a_single_number_has_no_spread_to_scale_by():
    assert statistics(moments(torch.tensor([[7.0]])))["std"].item() == 1


def test_a_normalizer_absorbs_what_is_found():
    """Zeros, then twos: mean 1, standard deviation 1."""
    normalizer = no_moments(observation=(2,))
    for value in (0.0, 2.0):
        normalizer = absorb(normalizer, {"observation": moments(torch.full((4, 3, 2), value))})
    stats = normalizer["observation"]
    assert stats["mean"].tolist() == [1, 1]
    torch.testing.assert_close(stats["std"], torch.ones(2))
    assert stats["moments"][0].tolist() == [24, 24]


def test_absorbing_changes_no_argument():
    before = no_moments(observation=(2,))
    absorb(before, {"observation": moments(randn(4, 3, 2))})
    assert before["observation"]["moments"].count_nonzero() == 0


BAD = [float("nan"), float("inf"), -float("inf"), 1e200, 1e100]  # squares, or means, overflow


@given(st.integers(0, 2), st.integers(0, 1), st.sampled_from(BAD))
@settings(deadline=None)
def test_moments_that_are_not_finite_are_refused(row, column, value):
    """One of six numbers is enough; what else is found is absorbed."""
    normalizer = absorb(
        no_moments(**{"observation": (2,), "return": ()}), {"observation": moments(randn(4, 3, 2))}
    )
    batch_moments = {"observation": moments(randn(4, 3, 2)), "return": moments(randn(4, 3))}
    batch_moments["observation"][row, column] = value
    after, refused = absorb_if(torch.tensor(True), normalizer, batch_moments)
    bad = refused == 1
    assert bad or row == 0 or (row == 2 and 0 < value < 1e200)  # many, or far from each other
    for name, x in normalizer["observation"].items():
        assert torch.equal(after["observation", name], x) == bad
    assert after["return", "moments"][0] == 12
    assert all(x.isfinite().all() for x in after.flatten_keys().values())


def test_moments_that_add_up_to_infinity_are_refused(same):
    """Twice 1e308, each of which is a number."""
    batch_moments = {"observation": torch.tensor([[1e280], [0], [1e308]], dtype=torch.float64)}
    first = absorb(no_moments(observation=(1,)), batch_moments)
    assert first["observation", "moments"][2] == 1e308
    assert same(absorb(first, batch_moments), first)


def test_what_is_not_accepted_is_refused(same):
    normalizer = no_moments(observation=(2,))
    batch_moments = {"observation": moments(randn(4, 3, 2))}
    after, refused = absorb_if(torch.tensor(False), normalizer, batch_moments)
    assert same(after, normalizer) and refused == 1


def test_moments_of_a_mask_by_hand():
    """Of 1, 2, 3 and 4 without 3: three numbers, 7, 21; of all of them as without a mask."""
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert moments(x, torch.tensor([[True, True], [False, True]])).tolist() == [3, 7, 21]
    x = randn(7, 3, 2)
    assert torch.equal(moments(x, torch.ones(7, 3).bool()), moments(x))


def test_only_what_the_normalizer_names_is_absorbed():
    after = absorb(no_moments(observation=(2,)), {"return": moments(randn(4, 3))})
    assert set(after.keys()) == {"observation"}
    assert after["observation"]["moments"].count_nonzero() == 0


def test_what_is_frozen_normalises_but_does_not_move(same):
    batch_moments = {"observation": moments(randn(4, 3, 2)), "return": moments(randn(4, 3))}
    live = absorb(no_moments(**{"observation": (2,), "return": ()}), batch_moments)
    still = frozen(live)
    assert same(absorb(still, batch_moments), still)
    x = randn(5, 2, seed=1)
    assert torch.equal(normalize(still["observation"], x), normalize(live["observation"], x))
    assert "moments" in live["observation"].keys()


def test_normalize_by_hand():
    """In standard deviations of 2 from a mean of 1, but no more than 10."""
    stats = {"mean": torch.tensor(1.0), "std": torch.tensor(2.0)}
    result = normalize(stats, torch.tensor([1.0, 5.0, -1.0, 1000.0, -1000.0]))
    assert result.tolist() == [0, 2, -1, 10, -10]


def test_rewards_are_scaled_and_not_shifted():
    """By the standard deviation of returns, 2, whatever their mean, and within 10."""
    stats = {"return": {"mean": torch.tensor(100.0), "std": torch.tensor(2.0)}}
    assert scale_reward(stats, torch.tensor([0.0, 3.0, 50.0, -50.0])).tolist() == [0, 1.5, 10, -10]


@pytest.mark.parametrize("normalizer", [{}, {"observation": {}}])
def test_rewards_stay_as_they_are_where_no_returns_are_counted(normalizer):
    assert scale_reward(normalizer, torch.tensor([50.0])).tolist() == [50]

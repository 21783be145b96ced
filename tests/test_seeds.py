"""Seeds: integers, from which others are derived."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nappo2.seeds import draw_each, fold_in, fold_in_each, generator, split, split_each

seeds = st.integers(0, 2**63 - 1)
names = st.one_of(st.integers(0, 2**31), st.text(max_size=20))


@given(seeds, st.integers(1, 50))
def test_split_seeds_are_seeds_of_their_own(seed, num):
    """All different, and different from the one they were split from."""
    parts = split(seed, num)
    assert len({seed, *parts}) == num + 1
    assert all(0 <= part < 2**63 for part in parts)


@given(seeds, st.integers(1, 20), st.integers(0, 20))
def test_splitting_into_more_changes_nothing_of_the_first(seed, num, more):
    assert split(seed, num + more)[:num] == split(seed, num)


@given(seeds, seeds)
def test_different_seeds_split_differently(a, b):
    assert (a == b) == (set(split(a)) == set(split(b)))


@given(seeds)
def test_folding_in_zero_is_nothing(seed):
    assert fold_in(seed, 0) == seed


@given(seeds, names, names)
def test_what_is_folded_in_tells_seeds_apart(seed, a, b):
    assert (fold_in(seed, a) == fold_in(seed, b)) == (a == b)
    assert 0 <= fold_in(seed, a) < 2**63


@given(seeds, st.integers(1, 100), st.integers(2, 10))
def test_folding_in_is_not_splitting(seed, data, num):
    assert fold_in(seed, data) not in split(seed, num)


def test_a_number_is_not_its_name():
    assert fold_in(7, 1) != fold_in(7, "1")


def test_seeds_stay_what_they_were():
    """Written down, so that a saved run goes on as it would have."""
    assert split(0, 3) == (7896617691693857887, 6195319269190327588, 1180918054825871008)
    assert (fold_in(0, 1), fold_in(0, "collect")) == (2918264622725855778, 4393068928163756545)


@given(st.integers(0, 2**63 - 1))
def test_a_generator_repeats_itself_and_touches_no_other(seed):
    before = torch.get_rng_state()
    a, b = (torch.rand(3, generator=generator(seed)) for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bad", [-1, 1.0, 0.5, True, "1", None, torch.tensor(1)])
@pytest.mark.parametrize("data", [0, 1, "name"])
def test_a_seed_is_an_integer_of_at_least_zero(bad, data):
    """Also where an equal number was folded into before, and is remembered."""
    fold_in(1, data)
    message = "seed is an integer of at least 0"
    with pytest.raises(ValueError, match=message):
        split(bad)
    with pytest.raises(ValueError, match=message):
        fold_in(bad, data)


def test_members_have_the_seeds_that_each_has_alone():
    """Two of them: what is folded in, split and drawn is stacked."""
    seeds = (3, 5)
    assert fold_in_each(seeds, "replay") == (fold_in(3, "replay"), fold_in(5, "replay"))
    assert fold_in_each(3, "replay") == fold_in(3, "replay")
    assert split_each(seeds) == tuple(zip(split(3), split(5), strict=True))
    assert split_each(3) == split(3)
    drawn = draw_each(lambda rng: {"x": torch.rand(4, generator=rng)}, seeds)["x"]
    alone = [torch.rand(4, generator=generator(seed)) for seed in seeds]
    assert torch.equal(drawn, torch.stack(alone))
    assert torch.equal(draw_each(lambda rng: torch.rand(4, generator=rng), 3), alone[0])


@pytest.mark.parametrize("draw", [split, generator, lambda seed: fold_in(seed, 1)])
def test_who_draws_for_one_run_is_given_one_seed(draw):
    with pytest.raises(
        ValueError, match="not the seeds of 2 members of a population; fold_in_each"
    ):
        draw((3, 5))

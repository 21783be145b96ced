"""Distributions, against torch's, and by counting what they draw."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import (
    Categorical,
    Independent,
    Normal,
    TanhTransform,
    TransformedDistribution,
)

from nappo2.maths.distributions import categorical, clipped, log_slope, normal, tanh_normal
from nappo2.seeds import generator
from tests.makers.tensors import randn

MAKERS = pytest.mark.parametrize("make", [categorical, normal, tanh_normal])


def torchs(outputs):
    """Torch's diagonal normal of the same outputs."""
    mean, log_std = outputs.chunk(2, -1)
    return Independent(Normal(mean, log_std.exp()), 1)


def test_categorical_is_torchs():
    logits, action = randn(5, 3, 4), torch.randint(4, (5, 3), generator=generator(1))
    theirs = Categorical(logits=logits)
    torch.testing.assert_close(categorical().log_prob(logits, action), theirs.log_prob(action))
    torch.testing.assert_close(categorical().entropy(logits), theirs.entropy())


def test_normal_is_torchs():
    outputs, action = randn(5, 3, 4), randn(5, 3, 2, seed=1)
    theirs = torchs(outputs)
    torch.testing.assert_close(normal().log_prob(outputs, action), theirs.log_prob(action))
    torch.testing.assert_close(normal().entropy(outputs), theirs.entropy())


def test_tanh_normal_is_torchs():
    """Where actions are not yet so near to 1 that float32 could not tell."""
    outputs, action = randn(5, 3, 4), randn(5, 3, 2, seed=1).tanh()
    mean, log_std = outputs.chunk(2, -1)
    squashed = TransformedDistribution(Normal(mean, log_std.exp()), TanhTransform())
    theirs = Independent(squashed, 1).log_prob(action)
    torch.testing.assert_close(
        tanh_normal().log_prob(outputs, action), theirs, rtol=1e-4, atol=1e-4
    )


def test_a_squashed_density_integrates_to_one():
    """The midpoint rule, 10,000 points from -1 to 1, mean 0.3 and standard deviation 1/2."""
    action = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 5_000 - 1
    outputs = torch.tensor([0.3, math.log(0.5)], dtype=torch.float64).expand(10_000, 2)
    density = tanh_normal().log_prob(outputs, action[:, None]).exp()
    assert density.mean().item() * 2 == pytest.approx(1, abs=1e-5)


def test_the_slope_of_tanh_without_cancellation():
    """At 0 it is 1; at 20, where tanh is 1 to all digits, it is 4 exp(-40) nearly."""
    slope = log_slope(torch.tensor([0.0, 0.5, 20.0]))
    expected = [0, math.log(1 - math.tanh(0.5) ** 2), math.log(4) - 40]
    torch.testing.assert_close(slope, torch.tensor(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("edge", [-1.0, 1.0])
@pytest.mark.parametrize("log_std", [-30.0, 0.0, 30.0])
def test_the_log_probability_of_an_action_at_the_edge_is_finite(edge, log_std):
    """And so is its gradient, also where the standard deviation is clamped."""
    outputs = torch.tensor([0.0, log_std], requires_grad=True)
    log_prob = tanh_normal().log_prob(outputs, torch.tensor([edge]))
    log_prob.backward()
    assert log_prob.isfinite() and outputs.grad.isfinite().all()


def test_log_standard_deviations_are_clamped():
    action = torch.tensor([0.5])
    far, at_limit = torch.tensor([0.0, 9.0]), torch.tensor([0.0, 2.0])
    dist = tanh_normal()
    assert dist.log_prob(far, action) == dist.log_prob(at_limit, action)
    assert dist.entropy(far) == dist.entropy(at_limit)


def test_actions_are_drawn_as_often_as_they_are_probable():
    """Of n draws a share of p, give or take 5 standard deviations sqrt(p (1 - p) / n)."""
    n, p = 50_000, torch.tensor([0.01, 0.09, 0.3, 0.6])
    action = categorical().sample(p.log().expand(n, 4), generator(0))
    frequency = action.bincount(minlength=4) / n
    assert ((frequency - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def test_an_impossible_action_is_never_drawn():
    logits = torch.tensor([0.0, -math.inf]).expand(10_000, 2)
    assert (categorical().sample(logits, generator(0)) == 0).all()


def test_normal_draws_have_their_mean_and_standard_deviation():
    """Of n draws the mean is off by std / sqrt(n), the std by std / sqrt(2 n); 5 times that at most."""
    n, mean, std = 50_000, torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    action = normal().sample(torch.cat([mean, std.log()]).expand(n, 4), generator(0))
    assert ((action.mean(0) - mean).abs() < 5 * std / n**0.5).all()
    assert ((action.std(0) - std).abs() < 5 * std / (2 * n) ** 0.5).all()
    assert action.T.corrcoef()[0, 1].abs() < 5 / n**0.5


def test_clipped_draws_are_normal_draws_within_their_bounds():
    outputs, dist = torch.tensor([[0.5, -2.0, 1.0, 1.0]]).expand(64, 4), clipped(normal())
    drawn = normal().sample(outputs, generator(0))
    assert (dist.sample(outputs, generator(0)) == drawn.clamp(-1, 1)).all()
    noise = dist.draw_noise(outputs.shape, generator(0))
    assert (dist.sample_from_noise(outputs, noise) == drawn.clamp(-1, 1)).all()
    assert (dist.log_prob(outputs, drawn) == normal().log_prob(outputs, drawn)).all()


def test_tanh_normal_draws_are_squashed_normal_draws():
    outputs = randn(100, 4).clamp(max=2)
    drawn = tanh_normal().sample(outputs, generator(3))
    assert torch.equal(drawn, normal().sample(outputs, generator(3)).tanh())
    assert (drawn.abs() <= 1).all()


@MAKERS
def test_a_seed_decides_what_is_drawn(make):
    outputs, dist, before = randn(100, 4), make(), torch.get_rng_state()
    one, same, other = (dist.sample(outputs, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@MAKERS
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_no_action_is_more_probable_than_the_mode_of_what_is_squashed(make, seed):
    """Of a squashed normal, the mode is the squashed one: the median, as for any monotone map."""
    dist, outputs = make(), randn(50, 4, seed=seed)
    plain = normal() if make is tanh_normal else dist
    drawn = plain.sample(outputs, generator(seed))
    assert (plain.log_prob(outputs, drawn) <= plain.log_prob(outputs, plain.mode(outputs))).all()


def test_modes_by_hand():
    outputs = torch.tensor([[0.0, 3.0, 1.0, 2.0]])
    assert categorical().mode(outputs).tolist() == [1]
    assert normal().mode(outputs).tolist() == [[0, 3]]
    assert tanh_normal().mode(outputs).tolist() == torch.tensor([[0.0, 3.0]]).tanh().tolist()


@pytest.mark.parametrize(("make", "needed"), [(categorical, 3), (normal, 6), (tanh_normal, 6)])
def test_a_network_has_as_many_outputs_as_the_distribution_needs(make, needed):
    """Three choices, or three dimensions; the functions take [T, B, outputs] and give [T, B]."""
    dist = make()
    assert dist.num_outputs(3) == needed
    outputs = randn(5, 2, needed)
    action = dist.sample(outputs, generator(0))
    assert (
        action.shape == dist.mode(outputs).shape == ((5, 2) if make is categorical else (5, 2, 3))
    )
    assert dist.log_prob(outputs, action).shape == dist.entropy(outputs).shape == (5, 2)


IMPOSSIBLE = [-math.inf, torch.finfo(torch.float32).min, -1e30, -1e8, -1e4, -200.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [*IMPOSSIBLE, -1e3])
def test_an_impossible_action_has_no_entropy_and_no_gradient(logit, dtype):
    """Of (1/2, 1/2, 0) it is log 2, whatever the mask is made of; equal halves pull nowhere."""
    logits = torch.tensor([0.0, 0.0, logit], dtype=dtype, requires_grad=True)
    result = categorical().entropy(logits)
    result.backward()
    assert result.item() == pytest.approx(math.log(2)) and (logits.grad.abs() < 1e-6).all()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.integers(0, 6), st.data())
@settings(deadline=None, max_examples=40)
def test_impossible_actions_change_neither_entropy_nor_gradient(logits, num, data):
    """Wherever they stand among those that are possible."""
    few = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    order = torch.tensor(data.draw(st.permutations(range(len(logits) + num))))
    many = torch.cat([few, torch.full((num,), -math.inf, dtype=torch.float64)])[order]
    expected, actual = (categorical().entropy(x) for x in (few, many))
    torch.testing.assert_close(actual, expected)
    (ours,) = torch.autograd.grad(actual, few)
    (theirs,) = torch.autograd.grad(expected, few)
    torch.testing.assert_close(ours, theirs)


def test_logits_that_are_no_numbers_are_not_hidden():
    assert categorical().entropy(torch.tensor([0.0, math.nan])).isnan()
    assert categorical().entropy(torch.full((2,), -math.inf)).isnan()

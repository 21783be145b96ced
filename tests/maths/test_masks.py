"""Masks of actions: outputs, log-probabilities and entropies beside those of sb3-contrib."""

import math

import pytest
import torch

from nappo2 import generator
from nappo2.maths.distributions import categorical
from nappo2.maths.factored import multi_categorical
from nappo2.maths.masks import (
    FORBIDDEN,
    allowed_only,
    any_allowed,
    beside_mask,
    entropy_share,
    mask_of,
    unmasked,
)

distributions = pytest.importorskip("sb3_contrib.common.maskable.distributions")

N, SIZE = 500, 6


def drawn(size=SIZE, seed=0, scale=5.0):
    """Logits [N, size], and masks that allow at least one of them."""
    rng = generator(seed)
    mask = torch.rand(N, size, generator=rng) < 0.5
    mask[torch.arange(N), torch.randint(size, (N,), generator=rng)] = True
    return scale * torch.randn(N, size, generator=rng), mask


def test_log_probs_and_entropies_are_those_of_maskable_categorical():
    logits, mask = (x.double() if x.is_floating_point() else x for x in drawn())
    theirs = distributions.MaskableCategorical(logits=logits, masks=mask.numpy())
    ours, dist = allowed_only(logits, mask), categorical()
    for action in range(SIZE):
        actions, allowed = torch.full((N,), action), mask[:, action]
        found, expected = dist.log_prob(ours, actions), theirs.log_prob(actions)
        torch.testing.assert_close(found[allowed], expected[allowed], rtol=0, atol=1e-6)
        assert (found[~allowed].exp() == 0).all()
    torch.testing.assert_close(dist.entropy(ours), theirs.entropy(), rtol=0, atol=1e-6)


def test_several_choices_are_masked_as_sb3_contrib_masks_them():
    """The masks of choices among 2, 3 and 4 stand one after the other."""
    sizes = [2, 3, 4]
    parts = [drawn(size, seed) for seed, size in enumerate(sizes)]
    logits, mask = (torch.cat(x, -1) for x in zip(*parts, strict=True))
    logits = logits.double()
    theirs = distributions.MaskableMultiCategoricalDistribution(sizes).proba_distribution(logits)
    theirs.apply_masking(mask.numpy())
    ours, dist = allowed_only(logits, mask), multi_categorical(sizes)
    action = dist.sample(ours, generator(1))
    found, expected = dist.log_prob(ours, action), theirs.log_prob(action)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(dist.entropy(ours), theirs.entropy(), rtol=0, atol=1e-6)


def test_a_forbidden_action_is_never_drawn_nor_the_best():
    logits, mask = drawn(scale=30.0)
    for seed in range(20):
        action = categorical().sample(allowed_only(logits, mask), generator(seed))
        assert mask.gather(-1, action[:, None]).all()
    assert mask.gather(-1, categorical().mode(allowed_only(logits, mask))[:, None]).all()


def test_one_allowed_action_is_certain():
    logits = torch.tensor([[9.0, 0.0, 4.0]])
    outputs = allowed_only(logits, torch.tensor([[False, True, False]]))
    assert categorical().log_prob(outputs, torch.tensor([1])).item() == 0
    assert categorical().entropy(outputs).item() == 0


def test_gradients_of_forbidden_actions_are_zero_and_all_are_finite():
    logits, mask = drawn()
    logits.requires_grad_()
    outputs, dist = allowed_only(logits, mask), categorical()
    action = dist.sample(outputs.detach(), generator(0))
    (dist.log_prob(outputs, action) + dist.entropy(outputs)).sum().backward()
    assert logits.grad.isfinite().all() and (logits.grad[~mask] == 0).all()


def test_a_mask_that_allows_everything_changes_no_bit():
    logits, mask = drawn()
    assert torch.equal(allowed_only(logits, torch.ones_like(mask)), logits)


def test_draws_among_allowed_actions_are_uniform():
    """Of four actions, the second is forbidden; each other one has a third, within five deviations."""
    mask = torch.tensor([True, False, True, True]).expand(30_000, 4)
    action = any_allowed(mask, torch.rand(30_000, 4, generator=generator(0)))
    share = torch.bincount(action, minlength=4) / 30_000
    assert share[1] == 0
    deviation = math.sqrt(1 / 3 * 2 / 3 / 30_000)
    assert ((share[[0, 2, 3]] - 1 / 3).abs() < 5 * deviation).all()


MISFITS = {
    "floats": torch.ones(2, 3),
    "one too many": torch.ones(2, 4).bool(),
    "one for all": torch.ones(3).bool(),
}


@pytest.mark.parametrize("name", MISFITS)
def test_masks_of_another_shape_or_dtype_are_refused(name):
    """Nothing broadcasts."""
    with pytest.raises(ValueError, match=r"bools of the shape of the outputs, \(2, 3\)"):
        allowed_only(torch.zeros(2, 3), MISFITS[name])


def test_an_observation_is_seen_without_its_mask():
    x, mask = torch.zeros(2), torch.ones(3).bool()
    assert mask_of(x) is None and unmasked(x) is x and beside_mask(x, x) is x
    assert unmasked({"observation": x, "action_mask": mask}) is x
    assert unmasked({"a": x, "action_mask": mask}) == {"a": x}
    assert mask_of(beside_mask(x, {"a": x, "action_mask": mask})) is mask


def test_the_largest_entropy_is_that_of_the_allowed_actions():
    """log 4 / log 4 = 1, log 2 / log 4 = 1 / 2, log 1 = 0."""
    masks = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 0]]).bool()
    share = entropy_share({"observation": torch.zeros(3, 1), "action_mask": masks})
    torch.testing.assert_close(share, torch.tensor([1.0, 0.5, 0.0]))
    assert entropy_share(torch.zeros(3, 1)) == 1.0


def test_a_forbidden_value_times_nothing_is_nothing():
    assert FORBIDDEN * 0.0 == 0.0

"""Distributions of several parts: by hand, and against torch's and tensordict's."""

import math

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import CompositeDistribution, set_composite_lp_aggregate
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from nappo2.maths.distributions import categorical, normal
from nappo2.maths.factored import Factor, factored, multi_categorical
from nappo2.seeds import generator
from tests.makers.tensors import randn

WALK = factored({"way": Factor(categorical(), 2), "far": Factor(normal(), 1, 1)})
SIZES = (3, 2, 2, 4)
NESTED = factored(
    {
        "a": Factor(normal(), 2, 2),
        "b": Factor(multi_categorical(SIZES), sum(SIZES)),
        "c": Factor(WALK, 3, 1),
    }
)  # 16 outputs of a network, and behind these 3 log standard deviations


def test_a_hybrid_action_by_hand():
    """Ways of 1/4 and 3/4, a normal of mean 1 and deviation 2: the second way, and 3, a deviation above.

    The network's outputs come first, 0, log 3 and 1, and the log standard deviation behind them.
    """
    outputs = torch.tensor([0, math.log(3), 1, math.log(2)])
    action = {"way": torch.tensor(1), "far": torch.tensor([3.0])}
    of_far = -0.5 * math.log(2 * math.pi) - math.log(2) - 0.5
    assert WALK.log_prob(outputs, action).item() == pytest.approx(math.log(3 / 4) + of_far)
    of_way = math.log(4) - 3 / 4 * math.log(3)
    spread = 0.5 * math.log(2 * math.pi * math.e) + math.log(2)
    assert WALK.entropy(outputs).item() == pytest.approx(of_way + spread)
    assert {name: x.tolist() for name, x in WALK.mode(outputs).items()} == {"way": 1, "far": [1]}
    assert WALK.num_outputs(3) == 4


def test_several_choices_by_hand():
    """One of 2 at odds of 1 : 3, one of 3 at equal ones: 3/4 and 1/3 are 1/4."""
    dist, logits = multi_categorical((2, 3)), torch.tensor([0, math.log(3), 1, 1, 1])
    assert dist.log_prob(logits, torch.tensor([1, 2])).exp().item() == pytest.approx(1 / 4)
    expected = math.log(4) - 3 / 4 * math.log(3) + math.log(3)
    assert dist.entropy(logits).item() == pytest.approx(expected)
    assert dist.mode(logits)[0] == 1


def test_several_choices_are_torchs():
    dist, logits = multi_categorical(SIZES), randn(5, 3, sum(SIZES))
    action = dist.sample(logits, generator(1))
    theirs = [Categorical(logits=x) for x in logits.split(SIZES, -1)]
    log_prob = sum(one.log_prob(x) for one, x in zip(theirs, action.unbind(-1), strict=True))
    entropy = sum(one.entropy() for one in theirs)
    torch.testing.assert_close(dist.log_prob(logits, action), log_prob, rtol=0, atol=1e-6)
    torch.testing.assert_close(dist.entropy(logits), entropy, rtol=0, atol=1e-6)
    assert torch.equal(dist.mode(logits), torch.stack([one.mode for one in theirs], -1))


def test_choices_between_two_are_bernoullis():
    """Of the difference of both logits."""
    dist, logits = multi_categorical((2,) * 6), randn(7, 12)
    theirs = Independent(Bernoulli(logits=logits.unflatten(-1, (6, 2)).diff(dim=-1).squeeze(-1)), 1)
    action = dist.sample(logits, generator(1))
    expected = theirs.log_prob(action.float())
    torch.testing.assert_close(dist.log_prob(logits, action), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(dist.entropy(logits), theirs.entropy(), rtol=0, atol=1e-6)


def composite(a, b, way, far, log_std_a, log_std_far):
    """Tensordict's distribution of the same outputs as those of NESTED."""
    choices = b.split(SIZES, -1)
    params = TensorDict(
        {
            "a": {"loc": a, "scale": log_std_a.exp()},
            "far": {"loc": far, "scale": log_std_far.exp()},
            "way": {"logits": way},
        }
        | {f"b{i}": {"logits": x} for i, x in enumerate(choices)},
        batch_size=a.shape[:-1],
    )
    of = {"a": Normal, "far": Normal, "way": Categorical}
    of |= {f"b{i}": Categorical for i in range(len(choices))}
    return CompositeDistribution(params, of)


def test_log_probabilities_and_entropies_are_tensordicts():
    outputs = randn(5, 3, 19)
    theirs = composite(*outputs.split([2, sum(SIZES), 2, 1, 2, 1], -1))
    action = NESTED.sample(outputs, generator(1))
    flat = {"a": action["a"], **action["c"]}
    flat |= {f"b{i}": x for i, x in enumerate(action["b"].unbind(-1))}
    with set_composite_lp_aggregate(True):
        log_prob, entropy = theirs.log_prob(TensorDict(flat, batch_size=(5, 3))), theirs.entropy()
    torch.testing.assert_close(NESTED.log_prob(outputs, action), log_prob, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(NESTED.entropy(outputs), entropy, rtol=1e-6, atol=1e-6)


def test_one_choice_is_a_categorical_to_the_last_bit():
    logits, one, several = randn(6, 4), categorical(), multi_categorical((4,))
    action = one.sample(logits, generator(3))
    assert torch.equal(several.sample(logits, generator(3)), action[:, None])
    log_prob = several.log_prob(logits, action[:, None])
    assert torch.equal(log_prob, one.log_prob(logits, action))
    assert torch.equal(several.entropy(logits), one.entropy(logits))


def leaves(action):
    return [x for y in action.values() for x in (leaves(y) if isinstance(y, dict) else [y])]


def test_a_sample_is_made_of_its_noise():
    outputs = randn(6, 19)
    noise = NESTED.draw_noise(outputs.shape, generator(3))
    pairs = (
        leaves(NESTED.sample(outputs, generator(3))),
        leaves(NESTED.sample_from_noise(outputs, noise)),
    )
    assert all(torch.equal(x, y) for x, y in zip(*pairs, strict=True))


def test_each_choice_is_drawn_as_often_as_it_is_probable():
    """100,000 draws; five standard errors of a share are 0.008."""
    logits = randn(sum(SIZES)).expand(100_000, -1)
    drawn = multi_categorical(SIZES).sample(logits, generator(0))
    for column, part in zip(drawn.unbind(-1), logits[0].split(SIZES), strict=True):
        shares = column.bincount(minlength=len(part)) / len(column)
        torch.testing.assert_close(shares, part.softmax(-1), rtol=0, atol=0.008)


def test_an_impossible_choice_adds_nothing_to_the_entropy():
    """Of three, one at minus infinity: as of two."""
    logits = torch.tensor([0.0, -math.inf, 0.0, 1.0, 1.0])
    dist = multi_categorical((3, 2))
    assert dist.entropy(logits).item() == pytest.approx(2 * math.log(2))
    assert dist.log_prob(logits, torch.tensor([0, 1])).item() == pytest.approx(-2 * math.log(2))


def test_gradients_are_those_of_the_sum():
    """Those of the entropy of each part reach its own outputs."""
    outputs = randn(4).requires_grad_()
    WALK.entropy(outputs).backward()
    alone = outputs.detach()[:2].clone().requires_grad_()
    categorical().entropy(alone).backward()
    assert torch.equal(outputs.grad[:2], alone.grad) and outputs.grad[2:].tolist() == [0, 1]


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(ValueError, match=r"sizes\[1\] is an integer of at least 1, not 0"):
        multi_categorical((2, 0))
    with pytest.raises(ValueError, match=r"sizes has the number of choices .* and is empty"):
        multi_categorical(())
    with pytest.raises(ValueError, match="has at least one part"):
        factored({})


def test_a_part_without_noise_of_its_own_leaves_the_whole_without():
    fixed = categorical()._replace(sample_from_noise=None, draw_noise=None)
    dist = factored({"a": Factor(fixed, 2), "b": Factor(normal(), 1, 1)})
    assert dist.draw_noise is None and dist.sample_from_noise is None
    assert dist.sample(randn(3, 4), generator(0))["a"].shape == (3,)

"""Bonuses, their losses and their advantages, by hand: what is new is paid, and no end is a loss."""

import math

import pytest
import torch
from tensordict import TensorDict

from nappo2.losses import intrinsic_value, summed
from nappo2.maths.distributions import categorical
from nappo2.maths.moments import no_moments
from nappo2.maths.novelty import count_bonus
from nappo2.maths.returns import continuing_gae, gae
from nappo2.networks import Network
from nappo2.params import make_params, replaced
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.stages import (
    curiosity,
    intrinsic_advantages,
    intrinsic_rewards,
    normalized_sight,
    random_distillation,
    visit_counts,
)
from nappo2.stages.exploring.bonus import OBSERVATION, RETURN
from nappo2.stages.exploring.counting import VISITS

LINE = Network(lambda seed: TensorDict(w=torch.ones(1, 1)), lambda weights, x: x @ weights["w"])
"""Features of a number [..., 1], in proportion to ``w`` [1, F]."""
SIGHT = normalized_sight(lambda x: x, 1)


def column(*numbers):
    return torch.tensor(numbers)[:, None]


def rollout(before, after, action=None, done=None, **more):
    """A rollout [T, 1] of observations of one number."""
    size = len(before), 1
    done = torch.zeros(size, dtype=torch.bool) if done is None else column(*done)
    after = {
        "observation": column(*after)[..., None],
        "terminated": done,
        "done": done,
        "reward": torch.zeros(size),
    }
    columns = {"observation": column(*before)[..., None], "next": after, **more}
    if action is not None:
        columns["action"] = column(*action)
    return TensorDict(columns, batch_size=size)


def exploring_params(statistics, bonus=None, **hyper):
    """Params of a bonus with these weights, and mean 1 and deviation 2 of observations."""
    normalizer = no_moments(**statistics)
    if OBSERVATION in statistics:
        normalizer[OBSERVATION].update({"mean": torch.ones(1), "std": torch.full((1,), 2.0)})
    weights = TensorDict(exploration=TensorDict() if bonus is None else TensorDict(bonus=bonus))
    return make_params(weights, normalizer=normalizer, **hyper)


def stepped(transform, params, item, state=None):
    """The state, the item and the report of a stage behind a source of one item."""
    pipe = Pipeline(lambda p, seed: {}, lambda p, state: (state, item, Report())) | transform
    return pipe.step(params, pipe.init(params, 0) if state is None else state)


# --- random network distillation


def distilled():
    """A predictor of (x, 2 x), and a random network of (0, 4 x)."""
    bonus = random_distillation(LINE, LINE, SIGHT)
    weights = TensorDict(
        predictor=TensorDict(w=torch.tensor([[1.0, 2.0]])),
        random=TensorDict(w=torch.tensor([[0.0, 4.0]])),
    )
    return bonus, exploring_params(bonus.statistics, weights)


def test_what_cannot_be_predicted_is_new_by_hand():
    """5 is 2 deviations above the mean: (2^2 + 4^2)/2 = 10. 100 is clipped to 5: (5^2 + 10^2)/2."""
    bonus, params = distilled()
    found = bonus.reward(params.to_dict(), rollout([0.0, 0.0], [5.0, 100.0]))
    assert found[:, 0].tolist() == [10, 62.5]


@pytest.mark.parametrize(("mask", "expected"), [((1, 1), 36.25), ((1, 0), 10), ((0, 0), 0)])
def test_the_predictor_learns_from_a_share(mask, expected):
    """The mean of 10 and 62.5 is 36.25; of no transition it is 0, and so is its gradient."""
    bonus, params = distilled()
    plain = params.to_dict()
    for leaf in plain["weights"]["exploration"]["bonus"].values():
        leaf["w"].requires_grad_()
    novelty = {"observation": torch.tensor([[5.0], [100.0]]), "mask": torch.tensor(mask).bool()}
    value, means = bonus.loss(plain, {"novelty": novelty})
    assert value == expected == means["novelty_loss"]
    value.backward()
    networks = plain["weights"]["exploration"]["bonus"]
    assert networks["random"]["w"].grad is None
    assert networks["predictor"]["w"].grad.any() == (expected > 0)


def test_the_gradient_of_the_predictor_by_hand():
    """Of ((x w1)^2 + (x w2 - 4 x)^2)/2 with x = 2: x^2 (w1, w2 - 4) = (4, -8)."""
    bonus, params = distilled()
    plain = params.to_dict()
    w = plain["weights"]["exploration"]["bonus"]["predictor"]["w"].requires_grad_()
    bonus.loss(plain, {"novelty": {"observation": torch.tensor([[5.0]])}})[0].backward()
    assert w.grad.tolist() == [[4, -8]]


# --- intrinsic rewards


def plain_bonus():
    """A bonus of what is observed."""
    bonus, _ = distilled()
    return bonus._replace(
        reward=lambda params, rollout: rollout["next"]["observation"].squeeze(-1),
        count=lambda rollout: {},
        statistics={},
    )


def test_bonuses_are_divided_by_the_deviation_of_their_returns_which_no_end_cuts():
    """Bonuses of 2, discount 1/2: sums of 2, 3, 7/2, though episodes end; then 15/4, 31/8, 63/16."""
    params = exploring_params({RETURN: ()}, intrinsic_gamma=0.5)
    item = rollout([0.0] * 3, [2.0] * 3, done=(False, True, True))
    transform = intrinsic_rewards(plain_bonus())
    state, found, report = stepped(transform, params, item)
    std = math.sqrt((4 + 9 + 12.25) / 3 - (8.5 / 3) ** 2)
    expected = torch.full((3, 1), 2 / std)
    torch.testing.assert_close(found["next", "reward_intrinsic"], expected, rtol=1e-6, atol=0)
    assert report.moments[RETURN].tolist() == [3, 8.5, 25.25]
    assert state["intrinsic_rewards"].running.tolist() == [3.5]
    state, _, report = stepped(transform, params, item, state)
    assert report.moments[RETURN][1] == 3.75 + 3.875 + 3.9375
    assert state["intrinsic_rewards"].running.tolist() == [3.9375]


def test_bonuses_without_statistics_of_returns_stay_as_they_are():
    params = exploring_params({}, intrinsic_gamma=0.5)
    _, found, report = stepped(intrinsic_rewards(plain_bonus()), params, rollout([0.0], [2.0]))
    assert found["next", "reward_intrinsic"].tolist() == [[2]] and not report.moments
    assert found["novelty", "observation"].tolist() == [[[2]]]
    assert "mask" not in found["novelty"].keys()


def test_masked_transitions_have_no_bonus_and_count_nothing():
    params = exploring_params({RETURN: (), OBSERVATION: (1,)}, intrinsic_gamma=0.5)
    bonus = plain_bonus()._replace(count=SIGHT.count)
    masked = rollout([0.0] * 2, [2.0, 9.0], mask=column(True, False))
    _, found, report = stepped(intrinsic_rewards(bonus), params, masked)
    assert found["next", "reward_intrinsic"][1] == 0
    assert report.moments[OBSERVATION][:, 0].tolist() == [1, 2, 4]
    assert report.moments[RETURN].tolist() == [1, 2, 4]


def test_a_share_is_drawn_anew_for_each_rollout():
    params = exploring_params({}, intrinsic_gamma=0.5)
    item = rollout([0.0] * 1000, [0.0] * 1000)
    transform = intrinsic_rewards(plain_bonus(), 0.25)
    state, first, _ = stepped(transform, params, item)
    _, second, _ = stepped(transform, params, item, state)
    first, second = first["novelty", "mask"], second["novelty", "mask"]
    assert 200 < first.sum() < 300 and 20 < (first & second).sum() < 110


def test_a_share_is_above_0_and_at_most_1():
    with pytest.raises(ValueError, match="novelty_share is above 0 and at most 1, not 0"):
        intrinsic_rewards(plain_bonus(), 0.0)


# --- counts


def test_a_bonus_falls_with_the_root_of_visits_by_hand():
    """With a beta of 6: state 1 was reached four times, 6/2; state 2 once, 6; then state 2 four times, 3."""
    bonus = visit_counts(lambda x: x.squeeze(-1).long(), 3, lambda x: x, beta=6.0)
    params = exploring_params(bonus.statistics, intrinsic_gamma=0.5)
    first = rollout([0.0] * 5, [1.0, 1.0, 2.0, 1.0, 1.0])
    _, found, report = stepped(intrinsic_rewards(bonus), params, first)
    assert found["next", "reward_intrinsic"][:, 0].tolist() == [3, 3, 6, 3, 3]
    assert report.moments[VISITS][1].tolist() == [0, 4, 1]
    before = no_moments(**bonus.statistics)
    before[VISITS]["moments"] += report.moments[VISITS]
    again = rollout([0.0] * 3, [2.0] * 3)
    _, found, _ = stepped(intrinsic_rewards(bonus), replaced(params, normalizer=before), again)
    assert found["next", "reward_intrinsic"][:, 0].tolist() == [3, 3, 3]


def test_a_count_bonus_is_that_of_strehl_and_littman():
    found = count_bonus(torch.tensor([1, 4, 100]), 0.05)
    assert found.tolist() == pytest.approx([0.05, 0.025, 0.005])


# --- the intrinsic curiosity module


def curious(beta=0.2, eta=2.0):
    """Features 3 x; an inverse model without an opinion; a forward model of phi(s) + a, which is 0 or 1."""
    inverse = Network(lambda seed: TensorDict(), lambda w, x: torch.zeros(*x.shape[:-1], 2))
    forward = Network(lambda seed: TensorDict(), lambda w, x: x.sum(-1, keepdim=True))
    bonus = curiosity(
        LINE, inverse, forward, SIGHT, categorical(), lambda a: a[..., None].float(),
        beta=beta, eta=eta,
    )  # fmt: skip
    weights = bonus.init(0)
    weights["features", "w"] *= 3
    params = exploring_params(bonus.statistics, intrinsic_gamma=0.5).to_dict()
    params["weights"]["exploration"]["bonus"] = {**weights.to_dict(), "inverse": {}, "forward": {}}
    return bonus, params


def test_what_a_model_of_actions_cannot_predict_is_new_by_hand():
    """Seen as 0 and 1, their features are 0 and 3. After action 1 a feature of 1 is predicted, not 3."""
    bonus, params = curious()
    found = bonus.reward(params, rollout([1.0, 1.0], [3.0, 3.0], action=(1, 0)))
    assert found[:, 0].tolist() == [2 * (3 - 1) ** 2 / 2, 2 * 3**2 / 2]


def test_the_loss_of_icm_weighs_its_models_by_hand():
    """0.8 log 2, as both actions seem alike, and 0.2 of the mean of 2 and 9/2."""
    bonus, params = curious()
    batch = {
        "observation": torch.ones(2, 1),
        "action": torch.tensor([1, 0]),
        "novelty": {"observation": torch.full((2, 1), 3.0)},
    }
    value, means = bonus.loss(params, batch)
    assert value.item() == pytest.approx(0.8 * math.log(2) + 0.2 * 3.25)
    assert means["forward_loss"] == 3.25
    assert means["inverse_loss"].item() == pytest.approx(math.log(2))


def test_a_beta_of_icm_is_within_0_and_1():
    with pytest.raises(ValueError, match="beta is within 0 and 1, not 2"):
        curious(beta=2.0)


# --- advantages


def test_a_return_that_goes_on_is_a_geometric_sum_whatever_ends():
    """Rewards of 1, values of 0, lambda 1: after the last row nothing, so (1 - gamma^k)/(1 - gamma)."""
    zeros, gamma, T = torch.zeros(6, 2), 0.9, 6
    found = continuing_gae(torch.ones(6, 2), zeros, zeros, None, gamma, 1.0)
    expected = torch.tensor([(1 - gamma**k) / (1 - gamma) for k in range(T, 0, -1)])
    torch.testing.assert_close(found, expected[:, None].expand(-1, 2))


def test_a_perfect_critic_of_a_return_that_goes_on_is_never_surprised_by_an_end():
    """V = 1/(1 - gamma) everywhere, and 0 where an episode ended, which is not read within a rollout."""
    value, ended = torch.full((5, 1), 10.0), column(10.0, 0.0, 10.0, 0.0, 10.0)
    found = continuing_gae(torch.ones(5, 1), value, ended, None, 0.9, 0.95)
    torch.testing.assert_close(found, torch.zeros(5, 1), rtol=0, atol=1e-5)


def test_without_ends_a_return_that_goes_on_is_a_plain_one():
    rng = torch.Generator().manual_seed(0)
    reward, value, last = (torch.randn(*size, generator=rng) for size in ((9, 3), (9, 3), (1, 3)))
    following, never = torch.cat([value[1:], last]), torch.zeros(9, 3, dtype=torch.bool)
    expected = gae(reward, value, following, never, never, 0.9, 0.8)
    found = continuing_gae(reward, value, following, None, 0.9, 0.8)
    torch.testing.assert_close(found, expected)


def test_a_return_that_goes_on_stops_where_a_rollout_was_cut_short():
    """Rows 0 and 1 count: 1 + 1/2 8 = 5 in the second, and 1 + 5/2 in the first, with values of 0."""
    counted = column(True, True, False)
    zeros, following = torch.zeros(3, 1), column(7.0, 8.0, 9.0)
    found = continuing_gae(torch.ones(3, 1), zeros, following, counted, 0.5, 1.0)
    assert found[:2, 0].tolist() == [3.5, 5]


def advantages(episodic):
    """Bonuses 1, 1, 1, an end after the second, values of 10 times what is observed; 2 A + 3 A'."""
    params = make_params(
        TensorDict(one=torch.ones(1)), intrinsic_gamma=0.5, extrinsic_coef=2.0, intrinsic_coef=3.0
    )
    item = rollout([0.1, 0.2, 0.3], [0.2, 0.9, 0.4], done=(False, True, False))
    item["next", "reward_intrinsic"] = torch.ones(3, 1)
    item["advantage"] = column(1.0, 2.0, 3.0)
    item["novelty"] = TensorDict(batch_size=(3, 1))
    critic = lambda params, x: 10 * x.squeeze(-1)
    _, found, _ = stepped(intrinsic_advantages(critic, 0.0, episodic), params, item)
    return found["advantage"][:, 0], found["novelty", "value_target"][:, 0]


def test_advantages_are_summed_with_their_coefficients_across_an_end():
    """One-step errors 1 + 2/2 - 1, 1 + 3/2 - 2 and 1 + 4/2 - 3: 1, 1/2 and 0. The terminal 9 is not read."""
    total, target = advantages(episodic=False)
    assert total.tolist() == pytest.approx([2 + 3, 4 + 1.5, 6])
    assert target.tolist() == pytest.approx([2, 2.5, 3])


def test_an_episodic_return_of_bonuses_ends_with_its_episode():
    """The second error is 1 - 2, as nothing follows."""
    total, target = advantages(episodic=True)
    assert total.tolist() == pytest.approx([2 + 3, 4 - 3, 6])
    assert target.tolist() == pytest.approx([2, 1, 3])


# --- losses


def test_the_loss_of_the_critic_of_bonuses_by_hand():
    """Values of 1 and 5, targets of 3 and 4: (4/2 + 1/2)/2; with a mask 4/2."""
    loss = intrinsic_value(lambda params, x: x)
    batch = {
        "observation": torch.tensor([1.0, 5.0]),
        "novelty": {"value_target": torch.tensor([3.0, 4.0])},
    }
    assert loss({}, batch)[0] == 1.25
    assert loss({}, batch | {"mask": torch.tensor([True, False])})[0] == 2


def test_losses_are_summed_with_the_means_of_each():
    one = lambda params, batch: (torch.tensor(1.0), {"a": torch.tensor(3.0)})
    two = lambda params, batch: (torch.tensor(2.0), {"b": torch.tensor(4.0)})
    assert summed(one, two)({}, {}) == (3, {"a": 3, "b": 4})

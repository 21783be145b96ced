"""Losses of distributions of returns, by hand and against TorchRL's and sb3-contrib's, on one batch."""

import math

import pytest
import torch
from sb3_contrib.common.utils import quantile_huber_loss
from tensordict import TensorDict
from torch import nn
from torchrl.modules import DistributionalQValueActor
from torchrl.objectives import DistributionalDQNLoss

from nappo2 import losses
from nappo2.interop import to_torchrl
from nappo2.losses import DistributionalQ, best_of_online, best_of_target
from nappo2.maths.drawn import NOISE
from nappo2.networks import from_module
from nappo2.recipes import categorical_returns, expected, quantiles
from tests.losses.test_off_policy_losses import (
    ACTIONS,
    GAMMA,
    INPUTS,
    NEAR,
    TWO,
    a_batch,
    by_hand,
    discrete,
    our_gradient,
    perceptron,
    table,
)

pytestmark = pytest.mark.filterwarnings("ignore:No target network updater")

K = 5
SUPPORT = torch.linspace(-3, 3, K)


def q_of(apply, returns):
    """The Q-function of a network with K outputs for each of three actions."""

    def outputs(weights, x):
        return apply(weights, x).unflatten(-1, (ACTIONS, returns.num_outputs))

    return DistributionalQ(outputs, lambda outputs, x: returns.values(outputs))


def two(num_outputs=K):
    torch.manual_seed(0)
    return [perceptron(INPUTS, ACTIONS * num_outputs) for _ in range(2)]


class Atoms(nn.Module):
    """Log-probabilities [N, K, n] of a module's logits [N, n * K], as TorchRL has them."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, observation):
        return self.inner(observation).unflatten(-1, (ACTIONS, K)).log_softmax(-1).mT


def test_c51_and_its_gradient_are_torchrls():
    """The online network chooses, as in Rainbow; some returns are outside of the support."""
    online, slow = two()
    batch, network = a_batch(discrete), from_module(online)
    q = q_of(network.apply, categorical_returns(K, -3.0, 3.0))
    loss = losses.categorical_dqn(q, SUPPORT, following=best_of_online)
    grads, means = our_gradient(loss, network.init(0), from_module(slow).init(0), batch)

    def actor(module):
        return DistributionalQValueActor(
            Atoms(module), SUPPORT, in_keys=["observation"], action_space="categorical"
        )

    theirs = DistributionalDQNLoss(actor(online), gamma=GAMMA)
    slow_weights = TensorDict.from_module(actor(slow))
    theirs.target_value_network_params.data.update_(slow_weights.data)
    found = theirs(to_torchrl(batch))["loss"]
    expected_grads = torch.autograd.grad(found, list(online.parameters()))
    flat = torch.cat([grad.flatten() for grad in expected_grads])
    assert flat.norm() > 0.01
    torch.testing.assert_close(means["loss"], found.detach(), **NEAR)
    torch.testing.assert_close(grads, flat, **NEAR)


@pytest.mark.parametrize("following", [best_of_target, best_of_online])
def test_qr_dqn_is_sb3_contribs_quantile_huber_of_the_same_targets(following):
    """QRDQN.train of sb3-contrib, whose target network chooses, written with its own function."""
    online, slow = two()
    batch, network = a_batch(discrete), from_module(online)
    loss = losses.quantile_dqn(q_of(network.apply, quantiles(K)), following=following)
    grads, means = our_gradient(loss, network.init(0), from_module(slow).init(0), batch)

    after, rows = batch["next"], torch.arange(len(batch))
    with torch.no_grad():
        slow_next, online_next = (
            module(after["observation"]).unflatten(-1, (ACTIONS, K)) for module in (slow, online)
        )
        chooses = slow_next if following is best_of_target else online_next
        best = slow_next[rows, chooses.mean(-1).argmax(-1)]
        y = after["reward"][:, None] + ~after["terminated"][:, None] * GAMMA * best
    current = online(batch["observation"]).unflatten(-1, (ACTIONS, K))[rows, batch["action"]]
    found = quantile_huber_loss(current, y, sum_over_quantiles=True)
    flat = torch.cat([g.flatten() for g in torch.autograd.grad(found, list(online.parameters()))])
    assert flat.norm() > 0.1
    torch.testing.assert_close(means["loss"], found.detach(), **NEAR)
    torch.testing.assert_close(grads, flat, **NEAR)


@pytest.mark.parametrize(
    ("make", "following"), [(losses.dqn, best_of_target), (losses.double_dqn, best_of_online)]
)
def test_of_one_output_for_each_action_it_is_dqn_or_double_dqn(make, following):
    online, slow = (from_module(module) for module in two(1))
    batch, weights, target = a_batch(discrete), online.init(0), slow.init(0)
    loss = expected().loss(q_of(online.apply, expected()), following)
    found = our_gradient(loss, weights, target, batch)
    theirs = our_gradient(make(online.apply), weights, target, batch)
    torch.testing.assert_close(found, theirs, rtol=1e-6, atol=1e-7)


def test_c51_by_hand():
    """Three atoms at 0, 1 and 2, all as probable: 1 + z/2 is 1, 3/2 or 2, so a half each at 1 and 2.

    Where the episode terminated all of it is at 1. With equal logits both cross-entropies are log 3.
    """
    support = torch.tensor([0.0, 1.0, 2.0])
    q = DistributionalQ(
        lambda weights, x: weights["logits"].expand(len(x), 1, -1),
        lambda outputs, x: (outputs.softmax(-1) * support).sum(-1),
    )
    params = by_hand({"logits": torch.zeros(3)}, {"logits": torch.zeros(3)})
    batch = {**TWO, "action": torch.tensor([0, 0])}
    loss, means = losses.categorical_dqn(q, support)(params, batch)
    assert loss.item() == pytest.approx(math.log(3)) and means["value"].item() == 1
    params["weights"] = {"logits": torch.tensor([0.0, math.log(2), 0.0])}  # 1/4, 1/2, 1/4
    errors = losses.categorical_dqn_error(q, support)(params, batch)
    assert errors.tolist() == pytest.approx([1.5 * math.log(2), math.log(2)])


def test_targets_of_three_steps_are_discounted_by_three():
    """A reward of 1 and 8/8 of what follows, with a discount of 1/2: the median is 2 already."""
    q = DistributionalQ(
        lambda weights, x: weights["values"].expand(len(x), 1, 1), lambda out, x: out.mean(-1)
    )
    params = by_hand({"values": torch.tensor(2.0)}, {"values": torch.tensor(8.0)})
    after = TWO["next"] | {"steps": torch.tensor([3.0, 3.0])}
    batch = {**TWO, "action": torch.tensor([0, 0]), "next": after}
    assert losses.quantile_dqn_error(q)(params, batch).tolist() == [0, 0.25]  # the second ended


def test_munchausen_by_hand():
    """A temperature of 1, alpha 1/2: the target's values are equal, so log pi is -log 2.

    It is clipped to -1/2: y is 1 - 1/4 + log(2)/2, and 3/4 where it ended; values are 4.
    """
    weights, target = {"values": torch.tensor([4.0, 3.0])}, {"values": torch.zeros(2)}
    batch = {**TWO, "action": torch.tensor([0, 0])}
    loss = losses.munchausen_dqn(table, alpha=0.5, temperature=1.0, lowest=-0.5)
    total, _ = loss(by_hand(weights, target), batch)
    errors = 4 - (0.75 + math.log(2) / 2), 4 - 0.75
    assert total.item() == pytest.approx(sum(errors) / 2 - 0.5)  # Huber's, beyond 1
    unclipped = losses.munchausen_dqn(table, alpha=0.5, temperature=1.0, lowest=-9.0)
    log2 = math.log(2)
    errors = 4 - (1 - log2 / 2 + log2 / 2), 4 - (1 - log2 / 2)
    total, _ = unclipped(by_hand(weights, target), batch)
    assert total.item() == pytest.approx(sum(errors) / 2 - 0.5)


def test_a_bound_above_all_log_probabilities_is_refused():
    """It would make every bonus 0: dqn with a soft maximum, without a word."""
    with pytest.raises(
        ValueError, match=r"lowest is at most 0, as log-probabilities are, not 1\.0"
    ):
        losses.munchausen_dqn(lambda weights, x: x, lowest=1.0)


def test_without_its_bonus_and_temperature_munchausen_is_dqn():
    online, slow = (from_module(module) for module in two(1))
    batch, weights, target = a_batch(discrete), online.init(0), slow.init(0)
    loss = losses.munchausen_dqn(online.apply, alpha=0.0, temperature=1e-5)
    found = our_gradient(loss, weights, target, batch)
    theirs = our_gradient(losses.dqn(online.apply), weights, target, batch)
    torch.testing.assert_close(found, theirs, rtol=1e-3, atol=1e-3)


def test_networks_get_the_noise_of_the_batch_and_fractions_are_those_that_were_drawn():
    """Quantiles are the noise itself: errors at fractions 1/2 and 1, of a target of 1 + 2/2 = 2, or 1."""
    q = DistributionalQ(lambda weights, x: x[NOISE].unsqueeze(-2), lambda out, x: out.mean(-1))
    drawn = {"noise": torch.tensor([[0.5, 1.0]] * 2), "next_noise": torch.full((2, 2), 2.0)}
    batch = {**TWO, **drawn, "action": torch.tensor([0, 0])}
    loss = losses.with_network_noise(losses.quantile_dqn(q, tau=losses.drawn_tau))
    total, _ = loss(by_hand({}, {}), batch)
    first, second = 0.5 * (1.5 - 0.5) + 1.0 * 0.5, 0.5 * 0.125
    assert total.item() == pytest.approx((first + second) / 2)
    assert set(batch) == {*TWO, *drawn, "action"}  # the batch is as it was

"""Losses for recorded data: by hand, and against TorchRL's on the same batch."""

import math

import pytest
import torch
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.modules import TanhNormal
from torchrl.objectives import IQLLoss
from torchrl.objectives.td3_bc import TD3BCLoss

from nappo2 import losses
from nappo2.interop import to_torchrl
from nappo2.maths import distributions
from nappo2.maths.values import expectile_error
from nappo2.networks import ActorCritics, actor_critic, actor_critics, from_module, mlp
from nappo2.params import make_params
from tests.losses.test_off_policy_losses import (
    GAMMA,
    INPUTS,
    NEAR,
    SIZE,
    N,
    Soft,
    a_batch,
    aimed,
    assert_agree,
    continuous,
    modules,
    of_both,
    our_gradient,
    perceptron,
    soft_policy,
    their_gradient,
    weights_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:No target network updater")


def test_an_expectile_weights_errors_by_their_sign():
    """At 0.9 an error of 2 counts 0.9 * 4, and one of -2 counts 0.1 * 4."""
    error = expectile_error(torch.tensor([2.0, -2.0, 0.0]), 0.9)
    assert error.tolist() == pytest.approx([3.6, 0.4, 0.0])


def test_cloning_is_the_negative_log_likelihood_of_all_actions():
    """Two actions of even odds are worth log 2, whatever was recorded."""
    agent = actor_critic(mlp(2, 2), mlp(2, 1))
    params = make_params(agent.init(0).apply(torch.zeros_like))
    batch = {"observation": torch.randn(4, 2), "action": torch.tensor([0, 1, 1, 0])}
    value, means = losses.clone(agent, distributions.categorical())(params, batch)
    assert value.item() == pytest.approx(math.log(2)) == means["entropy"].item()
    loss = losses.clone(agent, distributions.categorical(), entropy_coef=0.5)
    assert loss(params, batch)[0].item() == pytest.approx(math.log(2) / 2)


def test_masked_transitions_are_not_cloned():
    agent = actor_critic(mlp(1, 2), mlp(1, 1))
    params = make_params(agent.init(0))
    batch = {"observation": torch.randn(3, 1), "action": torch.tensor([0, 1, 1])}
    loss = losses.clone(agent, distributions.categorical())
    masked = batch | {"mask": torch.tensor([True, True, False])}
    first = {key: x[:2] for key, x in batch.items()}
    assert loss(params, masked)[0].item() == pytest.approx(loss(params, first)[0].item())


def test_td3_bc_and_its_gradient_are_torchrls(monkeypatch):
    """Their squared error lacks our half. They are given our noise, much of which is clipped."""
    online, slow = (modules(seed, SIZE, INPUTS + SIZE, 1, nn.Tanh()) for seed in (0, 1))
    batch = a_batch(continuous)
    agent = actor_critics(from_module(online.actor), from_module(online.critics[0]))
    loss = losses.td3_bc(agent, alpha=2.5, noise_std=0.4, noise_limit=0.5)
    ours = our_gradient(loss, weights_of(online), weights_of(slow), batch)

    theirs = TD3BCLoss(
        TensorDictModule(online.actor, ["observation"], ["action"]),
        of_both(online.critics),
        bounds=(-1.0, 1.0),
        policy_noise=0.4,
        noise_clip=0.5,
        alpha=2.5,
        loss_function="l2",
    )
    target_actor = TensorDictModule(slow.actor, ["observation"], ["action"])
    aimed(theirs, actor=target_actor, qvalue=of_both(slow.critics))
    monkeypatch.setattr(torch, "randn_like", lambda action: batch["next_noise"])
    found = theirs(to_torchrl(batch))
    assert_agree(ours, theirs, found, found["loss_actor"] + found["loss_qvalue"] / 2)
    torch.testing.assert_close(ours[1]["cloning_loss"], found["bc_loss"].detach(), **NEAR)


def test_td3_bc_without_its_value_is_a_regression():
    agent = actor_critics(mlp(INPUTS, SIZE), mlp(INPUTS + SIZE, 1))
    batch = a_batch(lambda rng: torch.zeros(N, SIZE))
    weights = agent.init(0)
    params = make_params(weights, target=weights, gamma=GAMMA)
    _, means = losses.td3_bc(agent, alpha=0.0)(params, batch)
    action = agent.actor(params, batch["observation"])
    assert means["actor_loss"].item() == pytest.approx(action.square().mean().item())


def test_iql_and_its_gradient_are_torchrls():
    """Their squared error lacks our half."""
    online, slow = (modules(seed, 2 * SIZE, INPUTS + SIZE, 1) for seed in (0, 1))
    module = perceptron(INPUTS, 1)
    batch, network = a_batch(lambda rng: 0.9 * continuous(rng)), from_module(module)
    agent = actor_critics(from_module(online.actor), from_module(online.critics[0]))
    loss = losses.iql(
        agent,
        lambda weights, x: network.apply(weights, x).squeeze(-1),
        distributions.tanh_normal(),
        expectile=0.7,
        temperature=1.5,
    )
    weights = weights_of(online).update({"value": network.init(0)})
    ours = our_gradient(loss, weights, weights_of(slow).select("critics"), batch)

    theirs = IQLLoss(
        soft_policy(Soft(online.actor), ["loc", "scale"], TanhNormal),
        of_both(online.critics),
        value_network=TensorDictModule(module, ["observation"], ["state_value"]),
        expectile=0.7,
        temperature=1.5,
        loss_function="l2",
    )
    aimed(theirs, qvalue=of_both(slow.critics))
    found = theirs(to_torchrl(batch))
    total = found["loss_actor"] + found["loss_qvalue"] / 2 + found["loss_value"]
    grads, means = ours
    expected = their_gradient(theirs, total, "value_network_params")
    torch.testing.assert_close(grads, expected, **NEAR)
    torch.testing.assert_close(means["critic_loss"], found["loss_qvalue"].detach() / 2, **NEAR)
    torch.testing.assert_close(means["value_loss"], found["loss_value"].detach(), **NEAR)
    torch.testing.assert_close(means["actor_loss"], found["loss_actor"].detach(), **NEAR)


def test_iql_of_discrete_actions_by_hand():
    """Linear networks of one input 1: q = (2, 4) of both critics and targets, v = 1, gamma 1/2.

    Of the second action, with reward 1, u = 4 - 1 and y = 1 + 1/2: the value loss is 0.7 * 9, each critic's
    1/2 (4 - 3/2)^2, and the actor's log 2 times the limit, as exp(9) is above 100.
    """
    agent = ActorCritics(
        lambda seed: None,
        lambda params, x: x * torch.zeros(2),
        lambda weights, x: weights["q"] * x.expand(2, -1, 2),
    )
    critics = {"q": torch.tensor([2.0, 4.0])}
    weights = {"critics": critics, "value": {"v": torch.tensor(1.0)}}
    params = {
        "weights": weights,
        "target": {"critics": critics},
        "hyper": {"gamma": torch.tensor(0.5)},
    }
    one = torch.ones(1, 1)
    after = {"observation": one, "reward": torch.ones(1), "terminated": torch.tensor([False])}
    batch = {"observation": one, "action": torch.tensor([1]), "next": after}
    loss = losses.discrete_iql(agent, lambda w, x: w["v"] * x[:, 0], distributions.categorical())
    _, means = loss(params, batch)
    assert means["value_loss"].item() == pytest.approx(6.3)
    assert means["critic_loss"].item() == pytest.approx(2.5**2)
    assert means["actor_loss"].item() == pytest.approx(100 * math.log(2))
    with pytest.raises(ValueError, match="expectile is above 0 and below 1, not 1"):
        losses.iql(agent, lambda w, x: x, distributions.categorical(), expectile=1.0)


def test_awr_by_hand():
    """Two actions of even odds, V = 1 and returns 2 and 1 - log 40, at a temperature of 1/2.

    Weights are exp(2) and exp(-2 log 40) = 1 / 1600; with a limit of 5, 5 in place of exp(2).
    """
    agent = actor_critic(mlp(1, 2), mlp(1, 1))._replace(
        both=lambda params, x: (0 * x.expand(-1, 2), x[:, 0])
    )
    batch = {
        "observation": torch.ones(2, 1),
        "action": torch.tensor([0, 1]),
        "value_target": torch.tensor([2.0, 1 - math.log(40)]),
    }
    options = {"temperature": 0.5, "value_coef": 3.0, "scale": lambda advantage: advantage}
    loss = losses.awr(agent, distributions.categorical(), **options)
    value, means = loss({}, batch)
    weight = (math.exp(2) + 1 / 1600) / 2
    error = (1 + math.log(40) ** 2) / 4
    assert means["weight"].item() == pytest.approx(weight)
    assert means["actor_loss"].item() == pytest.approx(weight * math.log(2))
    assert means["value_loss"].item() == pytest.approx(error)
    assert value.item() == pytest.approx(weight * math.log(2) + 3 * error)
    limited = losses.awr(agent, distributions.categorical(), **options, limit=5.0)
    assert limited({}, batch)[1]["weight"].item() == pytest.approx((5 + 1 / 1600) / 2)
    with pytest.raises(ValueError, match="temperature is above 0, not 0"):
        losses.awr(agent, distributions.categorical(), temperature=0.0)


def test_awr_of_equal_advantages_is_cloning():
    """Standardised they are 0, and all weights 1."""
    agent = actor_critic(mlp(2, 2), mlp(2, 1))
    params = make_params(agent.init(0))
    batch = {"observation": torch.ones(4, 2), "action": torch.tensor([0, 1, 1, 1])}
    dist = distributions.categorical()
    _, means = losses.awr(agent, dist)(params, batch | {"value_target": torch.full((4,), 7.0)})
    _, cloned = losses.clone(agent, dist)(params, batch)
    assert means["actor_loss"].item() == pytest.approx(cloned["cloning_loss"].item())

"""Off-policy losses, by hand and against TorchRL's, with which they share weights, batch and noise."""

import math
from types import SimpleNamespace

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import (
    ProbabilisticTensorDictModule,
    ProbabilisticTensorDictSequential,
    TensorDictModule,
)
from torch import nn
from torch.distributions import Categorical
from torchrl.modules import QValueActor, TanhNormal
from torchrl.objectives import DiscreteSACLoss, DQNLoss, SACLoss, TD3Loss

from nappo2 import losses
from nappo2.interop import to_torchrl
from nappo2.maths import values
from nappo2.networks import (
    ActorCritics,
    actor_critics,
    discrete_actor_critics,
    from_module,
    with_temperature,
)
from nappo2.params import make_params, ravel
from nappo2.seeds import generator
from nappo2.stages.learning.gradients import functional_gradient

GAMMA, ALPHA = 0.9, 0.3
N, INPUTS, SIZE, ACTIONS = 256, 4, 2, 3
NEAR = {"rtol": 1e-5, "atol": 1e-5}

pytestmark = pytest.mark.filterwarnings("ignore:No target network updater")


def perceptron(inputs, outputs, *last):
    return nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs), *last)


def modules(seed, actor_outputs, critic_inputs, critic_outputs, *last):
    torch.manual_seed(seed)
    actor = perceptron(INPUTS, actor_outputs, *last)
    critics = [perceptron(critic_inputs, critic_outputs) for _ in range(2)]
    return SimpleNamespace(actor=actor, critics=critics)


class Both(nn.Module):
    """A critic of an observation and an action."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, observation, action):
        return self.inner(torch.cat([observation, action], -1))


def of_both(critics):
    keys = ["observation", "action"]
    return [TensorDictModule(Both(q), keys, ["state_action_value"]) for q in critics]


def of_all(critics):
    return [TensorDictModule(q, ["observation"], ["action_value"]) for q in critics]


class Soft(nn.Module):
    """Means and deviations of a tanh-normal; the logarithms of these are within -20 and 2."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, observation):
        mean, log_std = self.inner(observation).chunk(2, -1)
        return mean, log_std.clamp(-20, 2).exp()


def soft_policy(actor, keys, dist):
    return ProbabilisticTensorDictSequential(
        TensorDictModule(actor, ["observation"], keys),
        ProbabilisticTensorDictModule(
            keys, ["action"], distribution_class=dist, return_log_prob=True
        ),
    )


def aimed(theirs, **targets):
    """Their loss, with other modules than those that learn for its targets."""
    theirs.make_value_estimator(gamma=GAMMA)
    for name, found in targets.items():
        found = found if isinstance(found, list) else [found]
        weights = (
            TensorDict.from_modules(*found) if len(found) > 1 else TensorDict.from_module(*found)
        )
        getattr(theirs, f"target_{name}_network_params").data.update_(weights.data)
    return theirs


def weights_of(found, *, alpha=None):
    """Weights of modules, as ours are laid out."""
    agent = actor_critics(from_module(found.actor), from_module(found.critics[0]))
    weights = agent.init(0)
    for name, q in zip(("0", "1"), found.critics, strict=True):
        weights["critics", name] = from_module(q).init(0)
    return weights if alpha is None else weights.update({"log_alpha": torch.tensor(alpha).log()})


def a_batch(action):
    """Some of its transitions terminate, some are truncated, most are neither."""
    rng = generator(1)
    first, second = torch.rand(2, N, generator=rng) < 0.3
    terminated, truncated = first, second & ~first
    assert terminated.sum() > 50 and truncated.sum() > 50
    reached = {
        "observation": torch.randn(N, INPUTS, generator=rng),
        "reward": 2 * torch.randn(N, generator=rng),
        "terminated": terminated,
        "truncated": truncated,
        "done": terminated | truncated,
    }
    return TensorDict(
        observation=torch.randn(N, INPUTS, generator=rng),
        action=action(rng),
        noise=torch.randn(N, SIZE, generator=rng),
        next_noise=torch.randn(N, SIZE, generator=rng),
        next=reached,
        batch_size=(N,),
    )


def continuous(rng):
    return 2 * torch.rand(N, SIZE, generator=rng) - 1


def discrete(rng):
    return torch.randint(ACTIONS, (N,), generator=rng)


def our_gradient(loss, weights, target, batch):
    """The gradient with respect to all weights; the loss, and its means."""
    params = make_params(weights, target=target, gamma=GAMMA)
    vector, unravel = ravel(params["weights"])
    return functional_gradient(loss, params.to_dict(), unravel, vector, batch)


def their_gradient(theirs, total, last="log_alpha"):
    """The same of their parameters, in our order: the actor, critic by critic, the temperature or another."""
    named = dict(theirs.named_parameters())
    grads = dict(zip(named, torch.autograd.grad(total, list(named.values())), strict=True))

    def of(start):
        return [grad for name, grad in grads.items() if name.startswith(start)]

    critics = [grad[i] for i in range(2) for grad in of("qvalue_network_params")]
    parts = [*of("actor_network_params"), *critics, *of(last)]
    return torch.cat([part.flatten() for part in parts])


def assert_agree(ours, theirs, found, total):
    grads, means = ours
    expected = their_gradient(theirs, total)
    assert expected.norm() > 0.1  # else there would be nothing to compare
    torch.testing.assert_close(grads, expected, **NEAR)
    torch.testing.assert_close(means["loss"], total.detach(), **NEAR)
    torch.testing.assert_close(means["critic_loss"], found["loss_qvalue"].detach() / 2, **NEAR)
    torch.testing.assert_close(means["actor_loss"], found["loss_actor"].detach(), **NEAR)


def test_sac_and_its_gradient_are_torchrls(monkeypatch):
    """Their squared error lacks our half. They draw for the next action first, and are given ours."""
    online, slow = (modules(seed, 2 * SIZE, INPUTS + SIZE, 1) for seed in (0, 1))
    batch, weights = a_batch(continuous), weights_of(online, alpha=ALPHA)
    agent = actor_critics(from_module(online.actor), from_module(online.critics[0]))
    loss = losses.sac(with_temperature(agent), target_entropy=-2.0)
    ours = our_gradient(loss, weights, weights_of(slow).select("critics"), batch)

    policy = soft_policy(Soft(online.actor), ["loc", "scale"], TanhNormal)
    theirs = SACLoss(
        policy,
        of_both(online.critics),
        loss_function="l2",
        alpha_init=ALPHA,
        target_entropy=-2.0,
    )
    aimed(theirs, qvalue=of_both(slow.critics))
    drawn = [batch["noise"], batch["next_noise"]]
    monkeypatch.setattr(
        "torch.distributions.normal._standard_normal", lambda shape, dtype, device: drawn.pop()
    )
    found = theirs(to_torchrl(batch))
    assert drawn == []
    total = found["loss_actor"] + found["loss_qvalue"] / 2 + found["loss_alpha"]
    assert_agree(ours, theirs, found, total)
    means = ours[1]
    torch.testing.assert_close(means["alpha_loss"], found["loss_alpha"].detach(), **NEAR)
    torch.testing.assert_close(means["entropy"], found["entropy"], **NEAR)
    assert means["alpha"].item() == pytest.approx(ALPHA)


def test_discrete_sac_and_its_gradient_are_torchrls():
    """Their squared error lacks our half."""
    online, slow = (modules(seed, ACTIONS, INPUTS, ACTIONS) for seed in (0, 1))
    batch, weights = a_batch(discrete), weights_of(online, alpha=ALPHA)
    agent = discrete_actor_critics(from_module(online.actor), from_module(online.critics[0]))
    loss = losses.discrete_sac(with_temperature(agent), target_entropy=0.9)
    ours = our_gradient(loss, weights, weights_of(slow).select("critics"), batch)

    theirs = DiscreteSACLoss(
        soft_policy(online.actor, ["logits"], Categorical),
        of_all(online.critics),
        action_space="categorical",
        num_actions=ACTIONS,
        loss_function="l2",
        alpha_init=ALPHA,
        target_entropy=0.9,
    )
    aimed(theirs, qvalue=of_all(slow.critics))
    found = theirs(to_torchrl(batch))
    total = found["loss_actor"] + found["loss_qvalue"] / 2 + found["loss_alpha"]
    assert_agree(ours, theirs, found, total)
    means = ours[1]
    torch.testing.assert_close(means["alpha_loss"], found["loss_alpha"].detach(), **NEAR)
    torch.testing.assert_close(means["entropy"], found["entropy"], **NEAR)


def test_td3_and_its_gradient_are_torchrls(monkeypatch):
    """Their squared error lacks our half. They are given our noise, much of which is clipped."""
    online, slow = (modules(seed, SIZE, INPUTS + SIZE, 1, nn.Tanh()) for seed in (0, 1))
    batch = a_batch(continuous)
    agent = actor_critics(from_module(online.actor), from_module(online.critics[0]))
    loss = losses.td3(agent, noise_std=0.4, noise_limit=0.5)
    ours = our_gradient(loss, weights_of(online), weights_of(slow), batch)

    theirs = TD3Loss(
        TensorDictModule(online.actor, ["observation"], ["action"]),
        of_both(online.critics),
        bounds=(-1.0, 1.0),
        policy_noise=0.4,
        noise_clip=0.5,
        loss_function="l2",
    )
    target_actor = TensorDictModule(slow.actor, ["observation"], ["action"])
    aimed(theirs, actor=target_actor, qvalue=of_both(slow.critics))
    drawn = [batch["next_noise"]]
    monkeypatch.setattr(torch, "randn_like", lambda action: drawn.pop())
    found = theirs(to_torchrl(batch))
    assert drawn == []
    assert_agree(ours, theirs, found, found["loss_actor"] + found["loss_qvalue"] / 2)
    assert 0.1 < ((0.4 * batch["next_noise"]).abs() > 0.5).float().mean() < 0.5


@pytest.mark.parametrize("double", [False, True])
def test_dqn_and_its_gradient_are_torchrls(double):
    """With Huber's error: some errors are below 1, some above."""
    torch.manual_seed(0)
    online, slow = perceptron(INPUTS, ACTIONS), perceptron(INPUTS, ACTIONS)
    network, batch = from_module(online), a_batch(discrete)
    loss = (losses.double_dqn if double else losses.dqn)(network.apply)
    grads, means = our_gradient(loss, network.init(0), from_module(slow).init(0), batch)

    theirs = DQNLoss(
        QValueActor(online, in_keys=["observation"], action_space="categorical"),
        action_space="categorical",
        loss_function="smooth_l1",
        double_dqn=double,
    )
    slow = QValueActor(slow, in_keys=["observation"], action_space="categorical")
    aimed(theirs, value=slow)
    read = to_torchrl(batch)
    found = theirs(read)["loss"]
    expected = torch.autograd.grad(found, list(online.parameters()))
    torch.testing.assert_close(grads, torch.cat([grad.flatten() for grad in expected]), **NEAR)
    torch.testing.assert_close(means["loss"], found.detach(), **NEAR)
    assert grads.norm() > 0.1 and 0.1 < (read["td_error"] > 1).float().mean() < 0.9


def test_the_two_q_losses_differ_on_that_batch():
    """So that the test above compares two things."""
    torch.manual_seed(0)
    online, slow = (from_module(perceptron(INPUTS, ACTIONS)) for _ in range(2))
    batch, weights, target = a_batch(discrete), online.init(0), slow.init(0)
    plain, double = (
        our_gradient(make(online.apply), weights, target, batch)[1]["loss"]
        for make in (losses.dqn, losses.double_dqn)
    )
    assert abs(plain - double) > 1e-3


# by hand: rewards of 1 and a discount of 1/2, of two states that are reached; the second is terminal
REACHED = {
    "observation": torch.zeros(2, 1),
    "reward": torch.ones(2),
    "terminated": torch.tensor([False, True]),
    "truncated": torch.tensor([True, False]),
    "done": torch.tensor([True, True]),
}
TWO = {"observation": torch.zeros(2, 1), "next": REACHED}


def by_hand(weights, target=None):
    return {"weights": weights, "target": target, "hyper": {"gamma": torch.tensor(0.5)}}


def test_a_td_target_by_hand():
    """1 + 8/2, though the episode was truncated there; 1, where it terminated."""
    y = values.td_target(REACHED["reward"], torch.tensor([8.0, 8.0]), REACHED["terminated"], 0.5)
    assert y.tolist() == [5, 1]


def test_soft_values_by_hand():
    """3 - 2 log(1/e) = 5; of two actions as good at 3, with a coin's entropy, 3 + 2 log 2."""
    assert values.soft_value(torch.tensor(3.0), torch.tensor(-1.0), 2.0) == 5
    log_probs = torch.tensor([0.5, 0.5]).log()
    found = values.expected_soft_value(torch.tensor([3.0, 3.0]), log_probs, 2.0)
    assert found.item() == pytest.approx(3 + 2 * math.log(2))


def test_an_action_without_any_probability_adds_nothing():
    """Where a logit of -200 underflows, 0 log 0 is 0."""
    log_probs = torch.tensor([0.0, -200.0]).log_softmax(-1)
    assert values.expected_soft_value(torch.tensor([3.0, 9.0]), log_probs, 2.0) == 3


@pytest.mark.parametrize("impossible", [-math.inf, torch.finfo(torch.float32).min, -1e4])
@pytest.mark.parametrize("value", [7.0, -math.inf, math.inf])
def test_an_impossible_action_adds_nothing_to_soft_values_and_gradients(impossible, value):
    """Of (1, 3) with a coin's entropy, alpha 2: 2 + 2 log 2, and each value counts half."""
    logits = torch.tensor([0.0, 0.0, impossible], requires_grad=True)
    known = torch.tensor([1.0, 3.0, value], requires_grad=True)
    found = values.expected_soft_value(known, logits.log_softmax(-1), 2.0)
    found.backward()
    assert found.item() == pytest.approx(2 + 2 * math.log(2))
    assert known.grad.tolist() == [0.5, 0.5, 0]
    assert logits.grad.tolist() == pytest.approx([-0.5, 0.5, 0])  # p (Q - mean of Q)


def test_smoothing_by_hand():
    """Half a standard normal, of 1, 4 and -4, clipped to 3/4; then actions, to 1."""
    action, noise = torch.tensor([0.25, 0.5, 0.0]), torch.tensor([1.0, 4.0, -4.0])
    assert values.smoothed(action, noise, 0.5, 0.75).tolist() == [0.75, 1, -0.75]


def table(weights, observation):
    return weights["values"].expand(len(observation), -1)


@pytest.mark.parametrize(("make", "following"), [(losses.dqn, 6.0), (losses.double_dqn, 2.0)])
def test_q_learning_by_hand(make, following):
    """The target's best action is worth 6; the online network's choice is worth 2 to the target.

    Errors of 1 + following/2 - 4, 0 or -2, and of 1 - 4: Huber's are 0 or 3/2, and 5/2.
    """
    weights, target = {"values": torch.tensor([4.0, 3.0])}, {"values": torch.tensor([2.0, 6.0])}
    batch = {**TWO, "action": torch.tensor([0, 0])}
    loss, means = make(table)(by_hand(weights, target), batch)
    assert loss.item() == ((0 if following == 6 else 1.5) + 2.5) / 2 and means["value"] == 4


BLIND = ActorCritics(  # whose weights are its outputs, whatever it sees
    init=lambda seed: TensorDict(),
    actor=lambda params, x: params["weights"]["actor"].expand(len(x), -1),
    critics=lambda weights, x: torch.stack([row.expand(len(x), -1) for row in weights]),
)


def test_discrete_sac_by_hand():
    """A coin between two actions, and a temperature of 1.

    The target's smaller values are 2 and 4: 3 + log 2 on average. So y is 1 + (3 + log 2) / 2, and
    1 where it ends. The values of the action 0 that was taken are 1 and 3; the smaller of both
    actions' are 1 and 5, 3 on average. The entropy is log 2 above the goal of 0.
    """
    weights = {
        "actor": torch.zeros(2),
        "critics": torch.tensor([[1.0, 5.0], [3.0, 7.0]]),
        "log_alpha": torch.tensor(0.0),
    }
    target = {"critics": torch.tensor([[2.0, 9.0], [8.0, 4.0]])}
    batch = {**TWO, "action": torch.tensor([0, 0])}
    loss = losses.discrete_sac(BLIND, target_entropy=0.0)
    total, means = loss(by_hand(weights, target), batch)
    log2, y = math.log(2), 1 + (3 + math.log(2)) / 2
    critic = ((1 - y) ** 2 + (3 - y) ** 2 + 0 + 2**2) / 4
    assert means["critic_loss"].item() == pytest.approx(critic)
    assert means["actor_loss"].item() == pytest.approx(-(3 + log2))
    assert means["entropy"].item() == pytest.approx(log2)
    assert means["alpha_loss"].item() == 0  # log_alpha is
    assert total.item() == pytest.approx(critic - 3 - log2)


@pytest.mark.parametrize(
    ("next_value", "critic_loss"),
    [(losses.least, 3.0), (lambda values, batch: values.mean(0), 5.75)],
)
def test_three_critics_are_worth_their_least_or_what_one_says(next_value, critic_loss):
    """Of 6, 4 and 8 the least makes y = 1 + 4/2 = 3 and 1 where it ends, the mean 1 + 6/2 = 4 and 1.

    Critics say 3, 1 and 1: halved squared errors of (0 + 4)/4 and twice (4 + 0)/4, which is 3; or of
    (1 + 4)/4 and twice (9 + 0)/4, which is 5.75.
    """

    def critics(weights, x, action):
        return weights["values"].unsqueeze(-1).expand(-1, len(x))

    agent = BLIND._replace(critics=critics)
    weights = {"actor": torch.zeros(1), "critics": {"values": torch.tensor([3.0, 1.0, 1.0])}}
    target = {"actor": torch.zeros(1), "critics": {"values": torch.tensor([6.0, 4.0, 8.0])}}
    batch = {**TWO, "action": torch.zeros(2, 1), "next_noise": torch.zeros(2, 1)}
    _, means = losses.td3(agent, next_value=next_value)(by_hand(weights, target), batch)
    assert means["critic_loss"].item() == critic_loss
    assert means["actor_loss"].item() == -3 and means["value"].item() == 3  # of the first


@pytest.mark.parametrize("target_entropy", [0.0, 1.0])
def test_the_temperature_falls_by_how_far_the_entropy_is_above_its_goal(target_entropy):
    """A coin's is log 2, above 0 and below 1."""
    log_alpha = torch.tensor(0.0, requires_grad=True)
    weights = {"actor": torch.zeros(2), "critics": torch.zeros(2, 2), "log_alpha": log_alpha}
    batch = {**TWO, "action": torch.tensor([0, 0])}
    loss = losses.discrete_sac(BLIND, target_entropy=target_entropy)
    total, _ = loss(by_hand(weights, {"critics": torch.zeros(2, 2)}), batch)
    (grad,) = torch.autograd.grad(total, log_alpha)
    assert grad.item() == pytest.approx(math.log(2) - target_entropy)


@pytest.mark.parametrize("name", ["sac", "td3"])
def test_a_loss_is_a_function_of_params_and_batch(name):
    """It draws nothing: twice the same, whatever the global generator, which it leaves alone."""
    outputs = 2 * SIZE if name == "sac" else SIZE
    found = modules(0, outputs, INPUTS + SIZE, 1)
    agent = actor_critics(from_module(found.actor), from_module(found.critics[0]))
    weights = weights_of(found, alpha=ALPHA)
    loss = losses.sac(agent, target_entropy=-2.0) if name == "sac" else losses.td3(agent)
    params = make_params(weights, target=weights, gamma=GAMMA).to_dict()
    batch, before = a_batch(continuous), torch.get_rng_state()
    once, _ = loss(params, batch)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(loss(params, batch)[0], once)
    other = batch.copy().update({"next_noise": -batch["next_noise"]})
    assert not torch.equal(loss(params, other)[0], once)

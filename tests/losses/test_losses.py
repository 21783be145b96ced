"""Losses, by hand and against TorchRL's, with which they share weights and a batch."""

import math
from types import SimpleNamespace

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import (
    NormalParamExtractor,
    ProbabilisticTensorDictModule,
    ProbabilisticTensorDictSequential,
    TensorDictModule,
)
from torch import nn
from torch.distributions import Categorical
from torchrl.modules import IndependentNormal
from torchrl.objectives import ClipPPOLoss

from nappo2.interop import to_torchrl
from nappo2.losses import clipped_value_loss, plain_value_loss, ppo
from nappo2.maths.distributions import categorical, normal
from nappo2.networks import ActorCritic, actor_critic, from_module
from nappo2.params import make_params, ravel
from nappo2.seeds import generator
from nappo2.stages.learning.gradients import functional_gradient

HYPER = {"clip_eps": 0.2, "entropy_coef": 0.01}
VALUE_LOSSES = pytest.mark.parametrize("value_loss", [plain_value_loss, clipped_value_loss])


def perceptron(outputs):
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, outputs))


@pytest.fixture(params=["discrete", "continuous"])
def task(request):
    """An agent made of two modules, of three actions or of two dimensions."""
    torch.manual_seed(0)
    discrete = request.param == "discrete"
    dist, actor, critic = categorical() if discrete else normal(), perceptron(4), perceptron(1)
    if discrete:
        network, keys, theirs = actor, ["logits"], Categorical
    else:
        extractor = NormalParamExtractor(scale_mapping="exp")
        network, keys, theirs = nn.Sequential(actor, extractor), ["loc", "scale"], IndependentNormal
    policy = ProbabilisticTensorDictSequential(
        TensorDictModule(network, ["observation"], keys),
        ProbabilisticTensorDictModule(keys, ["action"], distribution_class=theirs),
    )
    agent = actor_critic(from_module(actor), from_module(critic))
    params = make_params(agent.init(0), **HYPER)
    return SimpleNamespace(
        dist=dist,
        agent=agent,
        params=params,
        batch=a_batch(agent, dist, params.to_dict()),
        policy=policy,
        critic=TensorDictModule(critic, ["observation"], ["state_value"]),
        weights=[*actor.parameters(), *critic.parameters()],
    )


@torch.no_grad()
def a_batch(agent, dist, params, size=256):
    """Drawn by a policy that has moved since, so that many ratios and values are clipped."""
    rng = generator(1)
    observation = torch.randn(size, 4, generator=rng)
    outputs, value = agent.both(params, observation)
    old = outputs + 0.3 * torch.randn(outputs.shape, generator=rng)
    action = dist.sample(old, rng)
    return TensorDict(
        observation=observation,
        action=action,
        action_log_prob=dist.log_prob(old, action),
        state_value=value + 0.3 * torch.randn(size, generator=rng),
        advantage=1 + 2 * torch.randn(size, generator=rng),
        value_target=value + torch.randn(size, generator=rng),
        batch_size=(size,),
    )


@VALUE_LOSSES
def test_ppo_and_its_gradient_are_torchrls(task, value_loss):
    """Their squared error lacks our half, so their coefficient is half of ours. Clipping a value
    means the same to them: the larger of two errors, entry by entry."""
    ours = ppo(task.agent, task.dist, value_coef=0.5, value_loss=value_loss)
    vector, unravel = ravel(task.params["weights"])
    grads, means = functional_gradient(ours, task.params.to_dict(), unravel, vector, task.batch)

    theirs = ClipPPOLoss(
        task.policy,
        task.critic,
        clip_epsilon=0.2,
        entropy_coeff=0.01,
        critic_coeff=0.25,
        loss_critic_type="l2",
        normalize_advantage=True,
        clip_value=value_loss is clipped_value_loss,
        reduction="mean",
    )
    found = theirs(to_torchrl(task.batch))
    loss = found["loss_objective"] + found["loss_critic"] + found["loss_entropy"]
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, task.weights)])

    near = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(means["loss"], loss.detach(), **near)
    torch.testing.assert_close(grads, expected, **near)
    torch.testing.assert_close(means["policy_loss"], found["loss_objective"].detach(), **near)
    torch.testing.assert_close(means["value_loss"] / 2, found["loss_critic"].detach(), **near)
    torch.testing.assert_close(means["entropy"], found["entropy"], **near)
    torch.testing.assert_close(means["clip_fraction"], found["clip_fraction"], **near)
    assert 0.1 < means["clip_fraction"] < 0.9  # else there would be nothing to compare
    assert grads.norm() > 0.1


def test_what_is_clipped_makes_a_difference(task):
    """The two value losses differ on this batch, so that the test above compares two things."""
    plain, clipped = (
        ppo(task.agent, task.dist, value_loss=value_loss)(task.params.to_dict(), task.batch)[0]
        for value_loss in (plain_value_loss, clipped_value_loss)
    )
    assert clipped > plain + 0.01


def test_a_loss_is_a_function_of_params_and_batch(task):
    """It draws nothing: twice the same, whatever the global generator, which it leaves alone."""
    loss, params, before = ppo(task.agent, task.dist), task.params.to_dict(), torch.get_rng_state()
    once, _ = loss(params, task.batch)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(loss(params, task.batch)[0], once)


def indifferent() -> ActorCritic:
    """An agent that finds both actions as good, and values everything at 3."""
    return ActorCritic(
        init=lambda seed: TensorDict(),
        actor=lambda params, x: torch.zeros(len(x), 2),
        critic=lambda params, x: torch.full((len(x),), 3.0),
        both=lambda params, x: (torch.zeros(len(x), 2), torch.full((len(x),), 3.0)),
    )


def two_transitions(log_prob=math.log(0.5)):
    return {
        "observation": torch.zeros(2, 1),
        "action": torch.tensor([0, 1]),
        "action_log_prob": torch.full((2,), log_prob),
        "state_value": torch.tensor([3.0, 2.0]),
        "advantage": torch.tensor([1.0, 5.0]),
        "value_target": torch.tensor([1.0, 3.0]),
    }


def test_ppo_by_hand():
    """Nothing changed: minus the mean advantage 3, errors 4/2 and 0/2, an entropy of log 2."""
    loss = ppo(indifferent(), categorical(), value_coef=0.25, scale=lambda advantage: advantage)
    params = {"hyper": {"clip_eps": 0.2, "entropy_coef": 0.1}}
    total, means = loss(params, two_transitions())
    assert means["policy_loss"].item() == -3
    assert means["value_loss"].item() == 1
    assert means["entropy"].item() == pytest.approx(math.log(2))
    assert means["approx_kl"].item() == means["clip_fraction"].item() == 0
    assert total.item() == pytest.approx(-3 + 0.25 * 1 - 0.1 * math.log(2))


def test_ppo_earns_no_more_than_the_clip():
    """Actions twice as probable as they were count 1.2 times."""
    loss = ppo(indifferent(), categorical(), scale=lambda advantage: advantage)
    params = {"hyper": {"clip_eps": 0.2, "entropy_coef": 0.0}}
    _, means = loss(params, two_transitions(math.log(0.25)))
    assert means["policy_loss"].item() == pytest.approx(-1.2 * 3)
    assert means["clip_fraction"].item() == 1
    assert means["approx_kl"].item() == pytest.approx(1 - math.log(2))


def test_a_value_that_moved_far_is_clipped_by_hand():
    """From 2 to 3, where 3 is the target; by 1/2 at most it errs by 1/2. The other did not move."""
    loss = ppo(indifferent(), categorical(), value_loss=clipped_value_loss)
    params = {"hyper": {"clip_eps": 0.5, "entropy_coef": 0.0}}
    _, means = loss(params, two_transitions())
    assert means["value_loss"].item() == (2**2 / 2 + 0.5**2 / 2) / 2


def test_advantages_are_standardized_by_default():
    """They then sum to 0, and so does what a policy gains that has not changed."""
    loss = ppo(indifferent(), categorical())
    _, means = loss({"hyper": {"clip_eps": 0.2, "entropy_coef": 0.0}}, two_transitions())
    assert means["policy_loss"].item() == pytest.approx(0, abs=1e-7)


def test_torchrls_layout_of_a_rollout():
    """[T, B] becomes [B, T]; numbers become columns, at the root and under next; all else stays."""
    flags = {name: torch.zeros(5, 2, dtype=torch.bool) for name in ("terminated", "truncated")}
    reached = {"observation": torch.zeros(5, 2, 7), "reward": torch.zeros(5, 2), **flags}
    rollout = TensorDict(
        observation=torch.zeros(5, 2, 7),
        action=torch.arange(10).view(5, 2),
        action_log_prob=torch.zeros(5, 2),
        advantage=torch.zeros(5, 2),
        value_target=torch.zeros(5, 2),
        state_value=torch.zeros(5, 2),
        params_version=torch.zeros(5, 2),
        next=reached | {"done": torch.zeros(5, 2, dtype=torch.bool)},
        batch_size=(5, 2),
    )
    theirs = to_torchrl(rollout)
    assert theirs.batch_size == (2, 5) and rollout.batch_size == (5, 2)
    assert torch.equal(theirs["action"], rollout["action"].T)
    columns = {name for name, x in theirs.items() if x.shape == (2, 5, 1)}
    assert columns == {"advantage", "value_target", "state_value"}
    columns = {name for name, x in theirs["next"].items() if x.shape == (2, 5, 1)}
    assert columns == {"reward", "terminated", "truncated", "done"}
    assert theirs["next", "observation"].shape == (2, 5, 7)
    assert theirs["action_log_prob"].shape == theirs["params_version"].shape == (2, 5)


def test_torchrls_layout_of_a_minibatch():
    batch = TensorDict(observation=torch.zeros(6, 7), advantage=torch.arange(6.0), batch_size=(6,))
    theirs = to_torchrl(batch)
    assert theirs.batch_size == (6,) and theirs["observation"].shape == (6, 7)
    assert theirs["advantage"].tolist() == [[0], [1], [2], [3], [4], [5]]

"""TQC's loss, by hand and against sb3-contrib's, with which it shares weights, batch and noise."""

from types import SimpleNamespace

import gymnasium
import pytest
import torch
from gymnasium.spaces import Box
from torch import nn

from nappo2 import losses
from nappo2.networks import from_module, quantile_actor_critics, with_temperature
from nappo2.params import make_params, ravel
from nappo2.stages.learning.gradients import functional_gradient
from tests.losses.test_off_policy_losses import ALPHA, GAMMA, INPUTS, NEAR, SIZE, N, a_batch
from tests.losses.test_off_policy_losses import continuous as uniform

K, M, DROPPED = 3, 7, 2


class Heads(nn.Module):
    """Means and log standard deviations of features."""

    def __init__(self, policy):
        super().__init__()
        self.features, self.mu, self.log_std = policy.latent_pi, policy.mu, policy.log_std

    def forward(self, x):
        return torch.cat([self.mu(self.features(x)), self.log_std(self.features(x))], -1)


class Empty(gymnasium.Env):
    """Has spaces, and is never reset."""

    observation_space, action_space = Box(-1, 1, (INPUTS,)), Box(-1, 1, (SIZE,))


def their_model():
    contrib = pytest.importorskip("sb3_contrib")
    arch = {"net_arch": [16], "activation_fn": nn.Tanh, "n_critics": K, "n_quantiles": M}
    model = contrib.TQC(
        "MlpPolicy", Empty(), learning_rate=0.0, gamma=GAMMA, ent_coef=f"auto_{ALPHA}",
        target_entropy=-2.0, top_quantiles_to_drop_per_net=DROPPED, policy_kwargs=arch, seed=0,
        buffer_size=1, device="cpu",
    )  # fmt: skip
    model.actor.action_dist.epsilon = 0.0  # added to the slope of tanh
    with torch.no_grad():
        model.actor.log_std.bias.sub_(1)  # where tanh is far from 1, 1 - tanh^2 is exact
        for weight in model.critic_target.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    return model


def their_gradients(model, batch, monkeypatch):
    """What their training logs, and the gradients with which each of their optimisers steps."""
    after = batch["next"]
    data = SimpleNamespace(
        observations=batch["observation"],
        actions=batch["action"],
        next_observations=after["observation"],
        dones=after["terminated"].float().unsqueeze(-1),
        rewards=after["reward"].unsqueeze(-1),
        discounts=None,
    )
    monkeypatch.setattr(model.replay_buffer, "sample", lambda *args, **kwargs: data)
    drawn = [batch["next_noise"], batch["noise"]]
    monkeypatch.setattr(
        "torch.distributions.normal._standard_normal", lambda shape, dtype, device: drawn.pop()
    )
    grads, logged = [], {}
    for optimizer in (model.actor.optimizer, model.critic.optimizer, model.ent_coef_optimizer):
        weights = [x for group in optimizer.param_groups for x in group["params"]]

        def step(weights=weights):
            grads.append((weights, [x.grad.clone() for x in weights]))

        monkeypatch.setattr(optimizer, "step", step)
    record = lambda name, value, **kwargs: logged.update({name: value})
    model._logger, model._current_progress_remaining = SimpleNamespace(record=record), 1.0
    model.train(1, N)
    by_weight = {id(x): grad for pair in grads for x, grad in zip(*pair, strict=True)}
    return by_weight, {name.removeprefix("train/"): x for name, x in logged.items()}


def weights_of(actor, critics, alpha):
    agent = quantile_actor_critics(from_module(actor), from_module(critics[0]), K)
    weights = agent.init(0)
    for i, critic in enumerate(critics):
        weights["critics", str(i)] = from_module(critic).init(0)
    return agent, weights.update({"log_alpha": torch.tensor(alpha).log()})


def test_tqc_and_its_gradient_are_sb3_contribs(monkeypatch):
    """Some transitions terminate; noise is ours. They optimise the logarithm of a tensor [1]."""
    model, batch = their_model(), a_batch(uniform)
    heads = Heads(model.actor)
    agent, weights = weights_of(heads, model.critic.q_networks, ALPHA)
    _, target = weights_of(heads, model.critic_target.q_networks, ALPHA)
    loss = losses.tqc(with_temperature(agent), target_entropy=-2.0, num_dropped=DROPPED)
    params = make_params(weights, target=target.select("critics"), gamma=GAMMA)
    vector, unravel = ravel(params["weights"])
    grads, means = functional_gradient(loss, params.to_dict(), unravel, vector, batch)

    theirs, logged = their_gradients(model, batch, monkeypatch)
    networks = [heads, *model.critic.q_networks]
    expected = [theirs[id(x)].flatten() for network in networks for x in network.parameters()]
    expected = torch.cat([*expected, theirs[id(model.log_ent_coef)]])
    assert expected.norm() > 0.1
    torch.testing.assert_close(grads, expected, **NEAR)
    for ours, name in {
        "critic_loss": "critic_loss",
        "actor_loss": "actor_loss",
        "alpha_loss": "ent_coef_loss",
        "alpha": "ent_coef",
    }.items():
        assert means[ours].item() == pytest.approx(logged[name], rel=1e-5, abs=1e-5), ours

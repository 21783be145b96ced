"""Networks: pairs of functions of explicit weights."""

import pytest
import torch
from tensordict import TensorDict
from torch import nn

from nappo2.maths.moments import absorb, moments
from nappo2.networks import (
    actor_critic,
    actor_critics,
    discrete_actor_critics,
    from_module,
    mlp,
    normalized,
    orthogonal,
    shared_actor_critic,
    with_log_std,
)
from nappo2.params import ravel
from nappo2.trees import walk
from tests.makers.tensors import randn


def as_params(agent, seed=0):
    return {"weights": agent.init(seed), "normalizer": agent.normalizer()}


def test_a_perceptron_by_hand():
    """Two layers of one number each: 3 tanh(2 x + 1) - 1."""
    weights = {
        "0": {"weight": torch.tensor([[2.0]]), "bias": torch.tensor([1.0])},
        "1": {"weight": torch.tensor([[3.0]]), "bias": torch.tensor([-1.0])},
    }
    x = torch.tensor([[0.5]])
    assert mlp(1, 1, 1).apply(weights, x).item() == pytest.approx(3 * torch.tensor(2.0).tanh() - 1)
    assert mlp(1, 1, 1, activation=torch.relu).apply(weights, x).item() == 5


@pytest.mark.parametrize("leading", [(), (7,), (5, 7), (2, 5, 7)])
def test_a_perceptron_takes_any_leading_dimensions(leading):
    network = mlp(4, 8, 3)
    weights, x = network.init(0), randn(*leading, 4)
    y = network.apply(weights, x)
    assert y.shape == (*leading, 3)
    row_by_row = torch.stack([network.apply(weights, row) for row in x.reshape(-1, 4)])
    torch.testing.assert_close(y.reshape(-1, 3), row_by_row)


def test_the_weights_of_a_perceptron_have_the_shapes_of_torchs():
    shapes = {path: tuple(leaf.shape) for path, leaf in walk(mlp(4, 8, 3).init(0))}
    expected = {("0", "weight"): (8, 4), ("0", "bias"): (8,)}
    assert shapes == expected | {("1", "weight"): (3, 8), ("1", "bias"): (3,)}


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5)])
def test_orthogonal_by_its_definition(shape):
    """Of W W^T or W^T W, the smaller is gain^2 I."""
    w = orthogonal(shape, 0.5, seed=1)
    small = w @ w.T if shape[0] <= shape[1] else w.T @ w
    torch.testing.assert_close(small, 0.25 * torch.eye(min(shape)), atol=1e-6, rtol=0)


def test_each_layer_has_its_gain_and_no_bias():
    weights = mlp(16, 8, 4, gain=2.0, final_gain=0.01).init(0)
    for name, gain in (("0", 2.0), ("1", 0.01)):
        w = weights[name]["weight"]
        torch.testing.assert_close(w @ w.T, gain**2 * torch.eye(len(w)), atol=1e-5, rtol=1e-5)
        assert not weights[name]["bias"].any()


def test_a_seed_decides_the_weights(same):
    """And each layer has a seed of its own."""
    network, before = mlp(4, 4, 4, gain=1.0, final_gain=1.0), torch.get_rng_state()
    assert same(network.init(1), network.init(1))
    assert not same(network.init(1), network.init(2))
    assert not torch.equal(*(network.init(1)[name]["weight"] for name in "01"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("sizes", [(), (4,), (4, 0, 2), (4, 2.5)])
def test_a_perceptron_has_two_sizes_at_least(sizes):
    with pytest.raises(
        ValueError, match=r"an input and an output size|is an integer of at least 1"
    ):
        mlp(*sizes)


AGENTS = {
    "separate": actor_critic(mlp(4, 8, 3), mlp(4, 8, 1)),
    "shared": shared_actor_critic(mlp(4, 8), mlp(8, 3), mlp(8, 1)),
    "spread": with_log_std(actor_critic(mlp(4, 8, 3), mlp(4, 8, 1)), 3),
    "normalized": normalized(actor_critic(mlp(4, 8, 3), mlp(4, 8, 1)), (4,)),
}


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_both_is_actor_and_critic(agent):
    params, x = as_params(agent), randn(5, 7, 4)
    outputs, value = agent.both(params, x)
    assert torch.equal(outputs, agent.actor(params, x))
    assert torch.equal(value, agent.critic(params, x))
    assert value.shape == (5, 7) and outputs.shape[:2] == (5, 7)


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_an_agents_seed_decides_its_weights(agent, same):
    assert same(agent.init(1), agent.init(1)) and not same(agent.init(1), agent.init(2))


def test_actor_and_critic_start_from_seeds_of_their_own():
    weights = actor_critic(mlp(4, 1), mlp(4, 1)).init(0)
    assert not torch.equal(weights["actor", "0", "weight"], weights["critic", "0", "weight"])


def test_a_shared_torso_learns_from_both_heads():
    agent = AGENTS["shared"]
    params = as_params(agent)
    assert set(params["weights"].keys()) == {"actor", "critic", "torso"}
    vector, unravel = ravel(params["weights"])
    for head in (agent.actor, agent.critic):
        vector.requires_grad_()
        loss = head({"weights": unravel(vector)}, randn(5, 4)).square().sum()
        grads = unravel(torch.autograd.grad(loss, vector)[0])
        assert grads["torso"]["0"]["weight"].any()
        other = "critic" if head is agent.actor else "actor"
        assert not grads[other]["0"]["weight"].any()


def test_log_standard_deviations_are_the_same_for_all_observations():
    agent = with_log_std(actor_critic(mlp(4, 2), mlp(4, 1)), 2, initial=-0.5)
    plain = actor_critic(mlp(4, 2), mlp(4, 1))
    params, x = as_params(agent), randn(5, 7, 4)
    outputs = agent.actor(params, x)
    assert outputs.shape == (5, 7, 4)
    assert (outputs[..., 2:] == -0.5).all()
    assert torch.equal(outputs[..., :2], plain.actor(as_params(plain), x))
    params["weights"]["log_std"] = torch.tensor([1.0, 2.0])
    assert (agent.actor(params, x)[..., 2:] == torch.tensor([1.0, 2.0])).all()


def test_a_normalized_agent_sees_what_is_normalised_by_hand():
    """In standard deviations of 3 from a mean of 2, and no more than 10 of them."""
    plain = actor_critic(mlp(4, 8, 3), mlp(4, 8, 1))
    agent = normalized(plain, (4,))
    x = torch.cat([randn(5, 4), torch.full((1, 4), 1000.0)])
    stats = {"mean": torch.full((4,), 2.0), "std": torch.full((4,), 3.0)}
    params = {"weights": agent.init(0), "normalizer": {"observation": stats}}
    by_hand = ((x - 2) / 3).clamp(-10, 10)
    torch.testing.assert_close(agent.both(params, x), plain.both(params, by_hand))


def test_a_normalized_agent_asks_for_observations_and_returns():
    agent = normalized(actor_critic(mlp(4, 3), mlp(4, 1)), (4,))
    normalizer = agent.normalizer()
    assert set(normalizer.keys()) == {"observation", "return"}
    assert normalizer["observation", "moments"].shape == (3, 4)
    assert normalizer["return", "moments"].shape == (3,)
    assert not AGENTS["separate"].normalizer().keys()


def test_what_a_normalizer_absorbs_the_agent_sees():
    agent = AGENTS["normalized"]
    params, x = as_params(agent), 5 + 2 * randn(50, 7, 4)
    before = agent.actor(params, x)
    params["normalizer"] = absorb(params["normalizer"], {"observation": moments(x)})
    plain, flat = AGENTS["separate"], x.reshape(-1, 4)
    by_hand = (x - flat.mean(0)) / flat.std(0, correction=0)
    after = agent.actor(params, x)
    torch.testing.assert_close(after, plain.actor(params, by_hand), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(before, after, atol=0.1)


class Masked(nn.Module):
    """Sees what its mask shows, scaled by an entry of an integer table."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([True, False, True, True]))
        self.register_buffer("table", torch.tensor([3, 5]))
        self.body = nn.ModuleDict({"torso": nn.Sequential(nn.Linear(4, 8), nn.Tanh())})
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.body["torso"](x * self.mask * self.table[1]))


def batch_norm():
    """A module whose running statistics are those of numbers around 3."""
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))
    module(3 + randn(50, 4))
    return module


@pytest.mark.parametrize("make", [Masked, batch_norm])
def test_a_network_of_a_module_is_the_module(make):
    """In evaluation mode, with its buffers as they are."""
    module, x = make(), randn(6, 4)
    network = from_module(module)
    torch.testing.assert_close(network.apply(network.init(0), x), module.eval()(x))


def test_a_network_changes_nothing_of_its_module(same):
    """Not its mode, not its statistics, not its weights; nor does the module change the network."""
    module, x = batch_norm(), randn(6, 4)
    before = TensorDict(module.state_dict()).clone()
    network = from_module(module)
    weights = network.init(0)
    y = network.apply(weights, x)
    weights["0", "weight"].zero_()
    assert module.training and same(TensorDict(module.state_dict()), before)
    module(100 * x)  # moves its statistics
    torch.testing.assert_close(network.apply(network.init(0), x), y)


def test_a_module_brings_its_weights_whatever_the_seed(same):
    network = from_module(nn.Linear(4, 2))
    assert same(network.init(1), network.init(2))


def test_a_function_makes_other_weights_for_other_seeds(same):
    network = from_module(lambda: nn.Linear(4, 2))
    assert same(network.init(1), network.init(1)) and not same(network.init(1), network.init(2))


def test_making_modules_leaves_torchs_generator_as_it_was():
    before = torch.get_rng_state()
    network = from_module(lambda: nn.Sequential(nn.Linear(4, 2), nn.Dropout()))
    network.apply(network.init(3), randn(6, 4))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_draws_nothing():
    """Dropout is off, as it would be in evaluation."""
    network, x = from_module(nn.Dropout(0.5)), randn(6, 4)
    assert torch.equal(network.apply(network.init(0), x), x)


def test_weights_are_named_as_the_modules_are_nested():
    paths = [path for path, _ in walk(from_module(Masked).init(0))]
    assert paths == [
        ("body", "torso", "0", "weight"),
        ("body", "torso", "0", "bias"),
        ("head", "weight"),
        ("head", "bias"),
    ]


def test_gradients_of_a_network_are_the_modules():
    module, x = Masked(), randn(6, 4)
    network = from_module(module)
    vector, unravel = ravel(network.init(0))
    vector.requires_grad_()
    loss = network.apply(unravel(vector), x).square().sum()
    (grad,) = torch.autograd.grad(loss, vector)
    expected = torch.autograd.grad(module(x).square().sum(), list(module.parameters()))
    torch.testing.assert_close(grad, torch.cat([g.flatten() for g in expected]))
    assert all(p.grad is None for p in module.parameters())


def test_modules_make_agents():
    agent = actor_critic(from_module(lambda: nn.Linear(4, 3)), from_module(lambda: nn.Linear(4, 1)))
    outputs, value = agent.both(as_params(agent), randn(5, 7, 4))
    assert outputs.shape == (5, 7, 3) and value.shape == (5, 7)


@pytest.mark.parametrize("wrong", [3, "linear", None, lambda: 3])
def test_what_is_no_module_is_refused(wrong):
    with pytest.raises(ValueError, match=r"from_module takes a torch\.nn\.Module, or a function"):
        from_module(wrong)


@pytest.mark.parametrize("num_critics", [1, 2, 5])
def test_critics_are_as_many_networks_side_by_side(num_critics):
    actor, critic, x, action = mlp(4, 2), mlp(6, 8, 1), randn(7, 4), randn(7, 2)
    agent = actor_critics(actor, critic, num_critics)
    weights = agent.init(0)["critics"].to_dict()
    values = agent.critics(weights, x, action)
    assert values.shape == (num_critics, 7) and len(values.unique()) == 7 * num_critics
    for i, value in enumerate(values):
        both = torch.cat([x, action], -1)
        assert torch.equal(value, critic.apply(weights[str(i)], both).squeeze(-1))


def test_critics_of_discrete_actions_value_all_of_them():
    agent = discrete_actor_critics(mlp(4, 3), mlp(4, 8, 3), 5)
    assert agent.critics(agent.init(0)["critics"], randn(7, 4)).shape == (5, 7, 3)

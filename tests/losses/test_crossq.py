"""CrossQ's loss against sb3-contrib's, with which it shares weights, batch and noise; its statistics."""

import gymnasium
import pytest
import torch
from gymnasium.spaces import Box
from torch import nn

from nappo2 import envs, losses, optim
from nappo2.losses import statistics_step
from nappo2.networks import (
    batch_actor_critics,
    batch_renorm_mlp,
    of_pairs,
    statistics_of,
)
from nappo2.params import make_params, ravel
from nappo2.recipes import CrossQ, crossq
from nappo2.schemes import scheme
from nappo2.stages.learning.gradients import functional_gradient
from nappo2.trees import walk
from tests.losses.test_off_policy_losses import ALPHA, GAMMA, INPUTS, NEAR, SIZE, a_batch
from tests.losses.test_off_policy_losses import continuous as uniform
from tests.losses.test_tqc import their_gradients
from tests.makers.stepping import train_until
from tests.makers.tensors import randn

HIDDEN, MOMENTUM = 16, 0.05


class Empty(gymnasium.Env):
    """Has spaces, and is never reset."""

    observation_space, action_space = Box(-1, 1, (INPUTS,)), Box(-1, 1, (SIZE,))


def their_model():
    contrib = pytest.importorskip("sb3_contrib")
    arch = {"net_arch": [HIDDEN], "n_critics": 2, "batch_norm_momentum": MOMENTUM}
    model = contrib.CrossQ(
        "MlpPolicy", Empty(), learning_rate=0.0, gamma=GAMMA, ent_coef=f"auto_{ALPHA}",
        target_entropy=-2.0, policy_delay=1, policy_kwargs=arch, seed=0, buffer_size=1, device="cpu",
    )  # fmt: skip
    model.actor.action_dist.epsilon = 0.0  # added to the slope of tanh
    with torch.no_grad():
        model.actor.log_std.bias.sub_(1)  # where tanh is far from 1, 1 - tanh^2 is exact
        for i, module in enumerate(model.policy.modules()):
            if hasattr(module, "ra_mean"):  # as if they had learnt
                module.ra_mean += 0.3 * randn(len(module.ra_mean), seed=i)
                module.ra_var *= 0.5 + randn(len(module.ra_var), seed=i).abs()
    return model


def of_module(module):
    """A layer's tensors by our names."""
    if isinstance(module, nn.Linear):
        return {"weight": module.weight, "bias": module.bias}
    stats = {"mean": module.ra_mean, "var": module.ra_var, "count": module.steps.float()}
    return {"weight": module.scale, "bias": module.bias, "statistics": stats}


def layers_of(sequential):
    """The layers of one of their perceptrons by number, without its activations."""
    modules = [x for x in sequential if not isinstance(x, (nn.ReLU, nn.Flatten))]
    return dict(zip(("0", "1", "3", "4"), modules, strict=True))


class Head(nn.Linear):
    """Means and log standard deviations of features, by one layer."""

    def __init__(self, actor):
        super().__init__(HIDDEN, 2 * SIZE)
        for name in ("weight", "bias"):
            pair = [getattr(layer, name).data for layer in (actor.mu, actor.log_std)]
            getattr(self, name).data = torch.cat(pair)


def critic_layers(model):
    """The layers of their critics by path."""
    return {("critics", str(i)): layers_of(q) for i, q in enumerate(model.critic.q_networks)}


def our_weights(model):
    """Theirs; copied, as their training writes to their statistics in place."""
    agent = an_agent()
    weights, networks = agent.init(0), critic_layers(model)
    networks[("actor",)] = layers_of([*model.actor.latent_pi, Head(model.actor)])
    for path, layers in networks.items():
        for name, module in layers.items():
            for key, x in walk(of_module(module)):
                weights[(*path, name, *key)] = x.detach().clone()
    weights["log_alpha"] = torch.tensor(ALPHA).log()
    return agent, weights


def an_agent(warm_up=100_000):
    options = {"momentum": MOMENTUM, "warm_up": warm_up}
    actor = batch_renorm_mlp(INPUTS, HIDDEN, 2 * SIZE, **options)
    critic = of_pairs(lambda x: x, batch_renorm_mlp(INPUTS + SIZE, HIDDEN, 1, **options))
    return batch_actor_critics(actor, critic)


def test_crossq_and_its_gradient_are_sb3_contribs(monkeypatch):
    """Losses, gradients, and the running statistics afterwards; some transitions terminate."""
    model, batch = their_model(), a_batch(uniform)
    agent, weights = our_weights(model)
    params = make_params(weights, gamma=GAMMA)
    loss = losses.crossq(agent, target_entropy=-2.0)
    vector, unravel = ravel(params["weights"])
    grads, means = functional_gradient(loss, params.to_dict(), unravel, vector, batch)
    grads = unravel(grads)

    drawn = {"noise": batch["next_noise"], "next_noise": batch["noise"]}  # theirs draws a' first
    theirs, logged = their_gradients(model, {**batch, **drawn}, monkeypatch)
    for ours, name in {
        "critic_loss": "critic_loss", "actor_loss": "actor_loss",
        "alpha_loss": "ent_coef_loss", "alpha": "ent_coef",
    }.items():  # fmt: skip
        assert means[ours].item() == pytest.approx(logged[name], rel=1e-5, abs=1e-5), ours
    assert means["critic_loss"] > 0.1
    networks = critic_layers(model)
    networks[("actor",)] = layers_of([*model.actor.latent_pi, model.actor.mu])
    for path, layers in networks.items():
        for name, module in layers.items():
            ours = grads
            for key in (*path, name):
                ours = ours[key]
            expected = of_module(module)
            for key in ("weight", "bias"):
                of_theirs = theirs[id(expected[key])]
                if module is model.actor.mu:
                    of_theirs = torch.cat(
                        [of_theirs, theirs[id(getattr(model.actor.log_std, key))]]
                    )
                torch.testing.assert_close(ours[key], of_theirs, **NEAR)
            if "statistics" in expected:
                before = weights[(*path, name, "statistics")]
                for key, x in expected["statistics"].items():
                    after = before[key] - ours["statistics"][key]
                    torch.testing.assert_close(after, x, **NEAR)


def test_the_step_of_statistics_is_a_gradient():
    """0, with the gradient old - moved, which gradient descent takes."""
    old = {"0": {"statistics": {"mean": torch.tensor([1.0, 2.0], requires_grad=True)}}}
    moved = {"0": {"statistics": {"mean": torch.tensor([1.5, 0.0])}}}
    loss = statistics_step(old, moved)
    (grad,) = torch.autograd.grad(loss, statistics_of(old))
    assert loss == 0 and grad.tolist() == [-0.5, 2.0]
    step, _ = optim.gradient_descent().update(grad, (), {})
    assert (statistics_of(old)[0] + step).tolist() == [1.5, 0.0]


def test_statistics_move_with_each_update_and_the_actors_with_each_third():
    config = CrossQ(
        num_steps=4, batch_size=8, start_steps=16, capacity=64, hidden=(8,), critic_hidden=(8,),
        update_ratio=0.5,
    )  # fmt: skip
    recipe = crossq(envs.pendulum(2), config)
    params, reports = train_until(scheme("3cs", recipe), recipe.init(0), 12)
    weights, num = params["weights"], int(params["version"])
    counts = [
        weights[branch]["0"]["statistics"]["count"] for branch in (("critics", "0"), ("actor", "1"))
    ]
    assert [int(x) for x in counts] == [num, num // 3]
    assert not params["target"].keys() and reports[-1].means["critic_loss"].value.isfinite()
    for stats in statistics_of(weights):
        assert stats.isfinite().all()


def test_in_one_worker_and_on_average_statistics_are_learnt_too(same):
    """2dacs of two learners: their statistics are averaged as gradients are."""
    config = CrossQ(
        num_steps=4, batch_size=8, start_steps=16, capacity=64, hidden=(8,), critic_hidden=(8,),
        update_ratio=0.5, policy_delay=1,
    )  # fmt: skip
    recipe = crossq(envs.pendulum(2), config)
    params, _ = train_until(scheme("2dacs", recipe, learners=2), recipe.init(0), 4)
    again, _ = train_until(scheme("3ds", recipe, learners=2), recipe.init(0), 4)
    count = params["weights", "critics", "0", "0", "statistics", "count"]
    assert count == params["version"] and same(params, again)


@pytest.mark.learning  # as compiling takes long
def test_loss_and_gradient_compile_in_one_graph():
    """As the tracer sees them; numbers are those of eager code. Statistics are renormalised."""
    agent, batch = an_agent(warm_up=1), dict(a_batch(uniform))
    weights = agent.init(0)
    for name, x in walk(weights):
        if name[-1] == "count":
            x += 2
    params, loss = (
        make_params(weights, gamma=GAMMA).to_dict(),
        losses.crossq(agent, target_entropy=-2),
    )
    vector, unravel = ravel(params["weights"])

    def gradient(vector, batch):
        return functional_gradient(loss, params, unravel, vector, batch)[0]

    compiled = torch.compile(gradient, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(vector, batch), gradient(vector, batch), **NEAR)


def test_one_transition_has_no_variance():
    with pytest.raises(ValueError, match=r"batch_size is at least 2, .*, not 1"):
        crossq(envs.pendulum(2), CrossQ(batch_size=1, hidden=(8,), critic_hidden=(8,)))

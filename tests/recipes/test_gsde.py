"""Exploration that depends on the state: against its closed form and Stable-Baselines3's."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from stable_baselines3.common.distributions import StateDependentNoiseDistribution
from tensordict import TensorDict

from nappo2 import distributions, envs, make_params, mlp, repeat
from nappo2.networks import sequential, state_dependent
from nappo2.policies import gsde
from nappo2.recipes import (
    GsdeA2C,
    GsdePPO,
    GsdeSAC,
    GsdeTQC,
    a2c_gsde,
    ppo_gsde,
    sac_gsde,
    tqc_gsde,
)
from nappo2.schemes import SCHEMES, scheme
from nappo2.seeds import generator
from nappo2.stages.recipe import batches_of, collect_of, gradients_of
from tests.makers.recipes import composed, fused
from tests.makers.stepping import steps_of, train

F, A, N = 5, 2, 6
TORSO = ("torso", "0", "0", "weight")
NETWORK = state_dependent(sequential(mlp(3, F), torch.relu), F, A, gain=1.0)


def setting(squash=False, seed=0):
    weights = NETWORK.init(seed)
    weights["log_std"] = torch.randn(F, A, generator=generator(1)) - 0.5
    params = make_params(TensorDict(actor=weights)).to_dict()
    base = distributions.tanh_normal() if squash else distributions.normal()
    dist = distributions.state_dependent(base, F)

    def actor(params, x):
        return NETWORK.apply(params["weights"]["actor"], x)

    return params, actor, dist, gsde(actor, dist, (F, A), every=3)


def observations(num=N):
    return torch.randn(num, 3, generator=generator(2))


def test_variances_are_squared_features_times_squared_deviations():
    """Features 1 and 2, deviations 3 and 4 for the first action, 1 and 0.5 for the second:
    9 + 4 * 16 = 73 and 1 + 4 / 4 = 2."""
    network = state_dependent(mlp(2, 2)._replace(apply=lambda weights, x: x), 2, 2)
    weights = network.init(0)
    weights["log_std"] = torch.tensor([[3.0, 1.0], [4.0, 0.5]]).log()
    outputs = network.apply(weights, torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close((2 * outputs[0, 2:4]).exp(), torch.tensor([73.0, 2.0]))
    assert outputs[0, 4:].tolist() == [1, 2]


@pytest.mark.parametrize("squash", [False, True])
def test_actions_and_log_probs_are_stable_baselines3s(squash):
    """On the same weights and exploration matrices."""
    params, actor, dist, policy = setting(squash)
    log_std = params["weights"]["actor"]["log_std"]
    outputs, memory = actor(params, observations()), policy.init(N, 0)
    theirs = StateDependentNoiseDistribution(A, squash_output=squash)
    theirs.proba_distribution_net(F, latent_sde_dim=F)
    theirs = theirs.proba_distribution(outputs[:, :A], log_std, outputs[:, -F:])
    theirs.exploration_matrices = log_std.exp() * memory.noise
    action, after = policy.act(params, observations(), memory, None)
    torch.testing.assert_close(action, theirs.sample(), atol=1e-6, rtol=1e-5)
    assert after is memory
    torch.testing.assert_close(dist.mode(outputs), theirs.mode())
    rollout = {"observation": observations(), "action": 0.9 * action}
    found, expected = policy.log_prob(params, rollout), theirs.log_prob(0.9 * action)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)  # it adds 1e-6 to a slope
    if not squash:
        torch.testing.assert_close(dist.entropy(outputs), theirs.entropy())


def test_over_all_matrices_actions_have_the_distributions_spread():
    """20,000 matrices: deviations within 3 percent of the closed form."""
    params, actor, _, policy = setting()
    x = observations(1).expand(20_000, -1)
    action, _ = policy.act(params, x, policy.init(20_000, 3), None)
    mean, log_std = actor(params, x[:1])[0, : 2 * A].chunk(2)
    torch.testing.assert_close(action.std(0), log_std.exp(), atol=0, rtol=0.03)
    assert (action.mean(0) - mean).abs().max() < 4 * log_std.exp().max() / math.sqrt(20_000)


def test_noise_is_kept_for_so_many_steps_and_drawn_again_where_an_episode_ended():
    """Every 3 steps; the episode of environment 1 ends after the first."""
    _, _, _, policy = setting()
    memory, rng, noises = policy.init(2, 0), generator(5), []
    for t in range(7):
        noises.append(memory.noise)
        memory = policy.reset(memory, torch.tensor([False, t == 0]), rng)
    changed = [[not torch.equal(a[b], c[b]) for a, c in pairwise(noises)] for b in (0, 1)]
    assert changed == [
        [False, False, True, False, False, True],
        [True, False, False, True, False, False],
    ]


def test_no_gradient_of_the_variance_reaches_the_torso():
    weights = NETWORK.init(0).requires_grad_()
    NETWORK.apply(weights, observations())[:, A : 2 * A].sum().backward()
    assert not weights["torso", "0", "0", "weight"].grad.any() and weights["log_std"].grad.any()


@pytest.mark.parametrize("learn_features", [False, True])
def test_gradients_of_log_probs_are_stable_baselines3s(learn_features):
    """Whether its variances learn features or not; of torso, means and deviations."""
    network = state_dependent(
        sequential(mlp(3, F), torch.relu), F, A, gain=1.0, learn_features=learn_features
    )
    action = torch.randn(N, A, generator=generator(6))

    def gradients(log_prob):
        weights = network.init(0).requires_grad_()
        log_prob(weights, network.apply(weights, observations())).sum().backward()
        return {name: weights[name].grad for name in (TORSO, "weight", "log_std")}

    def theirs(weights, outputs):
        noise = StateDependentNoiseDistribution(A, learn_features=learn_features)
        noise.proba_distribution_net(F, latent_sde_dim=F)
        features = torch.relu(mlp(3, F).apply(weights["torso", "0"], observations()))
        return noise.proba_distribution(outputs[:, :A], weights["log_std"], features).log_prob(
            action
        )

    ours = distributions.state_dependent(distributions.normal(), F)
    found = gradients(lambda _, outputs: ours.log_prob(outputs, action))
    expected = gradients(theirs)
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("learn_features", [False, True])
def test_soft_actors_learn_features_of_the_variance_too_unless_they_are_told_not_to(learn_features):
    """Where the means have weights of 0, nothing but the variance could move the hidden layers."""
    s = sac_gsde(envs.pendulum(2), replace(SOFT, learn_features=learn_features))
    params = s.init(0).to_dict()
    actor = params["weights"]["actor"]
    actor["weight"].zero_()
    torso = actor["torso"]["0"]["0"]["weight"].requires_grad_()
    rollout = {"observation": observations(), "action": torch.full((N, 1), 0.5)}
    (torso.sum() * 0 + s.policy.log_prob(params, rollout).sum()).backward()
    assert torso.grad.any() == learn_features


SMALL = GsdePPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8, 8))


def test_its_rollouts_record_no_matrices_and_its_ratios_begin_at_one():
    recipe = ppo_gsde(envs.pendulum(4), SMALL)
    params = recipe.init(0)
    _, rollout, _ = collect_of(recipe).step(params, collect_of(recipe).init(params, 0))
    assert "memory" not in rollout.keys()
    pipe = collect_of(recipe) | recipe.prepare | batches_of(recipe) | gradients_of(recipe)
    _, _, report = pipe.step(params, pipe.init(params, 0))
    assert report.means["approx_kl"].value < 1e-8


def test_ppo_with_it_learns_in_one_step_as_in_many(same):
    s = ppo_gsde(envs.pendulum(4), SMALL)
    params, _ = train(fused(s), s.init(0), 2)
    assert same(params, train(composed(s) | repeat(4), s.init(0), 2)[0])


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.faults)])
def test_the_first_rollout_is_only_counted_and_the_second_is_learnt_from(jit):
    """32 transitions; Adam's first step has the size of the learning rate, as if nothing was before it."""
    s = ppo_gsde(envs.pendulum(4), replace(SMALL, num_epochs=1, num_minibatches=1, jit=jit))
    first, steps = s.init(0), steps_of(fused(s), s.init(0))
    _, counted, report = next(steps)
    moved = {name: (x - first["weights"][name]).abs().max() for name, x in leaves(counted)}
    assert not any(moved.values()) and report.means["grad_norm"].value == 0
    assert (counted["normalizer", "observation", "moments"][0] == 32).all()
    _, learnt, _ = next(steps)
    assert learnt["version"] == 2
    moved = [(x - first["weights"][name]).abs().max() for name, x in leaves(learnt)]
    assert max(moved) == pytest.approx(3e-5, rel=0.02)


def leaves(params):
    return params["weights"].items(True, True)


REPLAY = {"num_steps": 2, "hidden": (8, 8), "batch_size": 16, "capacity": 1000, "start_steps": 16}
SOFT = GsdeSAC(**REPLAY)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(("recipe", "config"), [(ppo_gsde, SMALL), (sac_gsde, SOFT)])
def test_every_scheme_explores_so(name, recipe, config):
    s = recipe(envs.pendulum(2), config)
    params, reports = train(scheme(name, s), s.init(0), 4)
    assert torch.isfinite(reports[-1].means["loss"].value) and params["version"] >= 4


A2C = GsdeA2C(num_steps=8, hidden=(8,), resample_every=3)
TRUNCATED = GsdeTQC(**REPLAY, critic_hidden=(8,), num_quantiles=5)


@pytest.mark.parametrize(("recipe", "config"), [(a2c_gsde, A2C), (tqc_gsde, TRUNCATED)])
def test_the_same_actors_learn_with_other_losses(recipe, config):
    """Their actors are PPO's and SAC's, of the same shapes; deviations and hidden layers are learnt."""
    s = recipe(envs.pendulum(2), config)
    before = s.init(0)["weights", "actor"]
    params, reports = train(scheme("3cs", s), s.init(0), 20)
    after = params["weights", "actor"]
    assert torch.isfinite(reports[-1].means["loss"].value)
    assert (before["log_std"] == config.initial_log_std).all()
    for name in ("log_std", "weight"):
        assert not torch.equal(before[name], after[name])
    assert not torch.equal(
        before[TORSO[0]]["0"]["0"]["weight"], after[TORSO[0]]["0"]["0"]["weight"]
    )


def test_soft_actions_are_squashed_and_the_deviations_are_learnt():
    s = sac_gsde(envs.pendulum(2), SOFT)
    params, _ = train(scheme("3cs", s), s.init(0), 20)
    assert (params["weights", "actor", "log_std"] != -3).any()
    _, rollout, _ = collect_of(s).step(params, collect_of(s).init(params, 0))
    assert rollout["action"].abs().max() <= 1


def test_discrete_actions_are_refused():
    for recipe in (ppo_gsde, a2c_gsde, sac_gsde, tqc_gsde):
        with pytest.raises(ValueError, match="as it explores with continuous noise"):
            recipe(envs.cartpole(2))
    with pytest.raises(ValueError, match="every is an integer of at least 1, not 0"):
        gsde(mlp(2, 4).apply, distributions.normal(), (2, 2), every=0)
    with pytest.raises(ValueError, match="resample_every is an integer of at least 1, not 0"):
        GsdePPO(resample_every=0)

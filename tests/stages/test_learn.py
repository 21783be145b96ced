"""One step for a whole rollout, and the pipe of which it is the sum."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from nappo2 import (
    all_minibatches,
    envs,
    fold_in,
    from_module,
    learn,
    map_items,
    mlp,
    networks,
    optim,
    population,
    ppo,
    ravel,
    repeat,
    scheme,
)
from nappo2.populations._population import member
from nappo2.recipes import perceptrons
from nappo2.stages import gradients, scheduled, update
from nappo2.stages.learning.feeds import minibatch_sizes
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, learn_of, update_of
from tests.makers.recipes import PENDULUM_PPO, composed, fused, pendulum_ppo
from tests.makers.stepping import train, train_until

VARIANTS = {
    "as it is": {},
    "not normalised": {"normalize": False},
    "clipped value, standardised rollout": {"clip_value": True, "standardize_rollout": True},
    "annealed": {"anneal_updates": 20},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_learning_in_one_step_is_learning_in_many(changes, same):
    """To the last bit, normaliser, schedules and all."""
    s = pendulum_ppo(**changes)
    params, reports = train(fused(s), s.init(0))
    expected, their_reports = train(composed(s) | repeat(8), s.init(0))
    assert same(params, expected) and params["version"] == 24
    for ours, theirs in zip(reports, their_reports, strict=True):
        assert set(ours.means) == set(theirs.means)
        for name, mean in ours.means.items():
            torch.testing.assert_close(mean.value, theirs.means[name].value, atol=1e-5, rtol=1e-4)
        assert ours.sums["env_steps"] == theirs.sums["env_steps"] == 64


def test_what_cannot_be_compiled_is_learnt_without(same):
    """A loss that prints; there is one warning, however many steps."""

    def loss(params, batch):
        print(end="")
        return (
            agent.critic(params, batch["observation"]) - batch["value_target"]
        ).square().mean(), {}

    agent, s, results = perceptrons(envs.pendulum(2), (8,), True), pendulum_ppo(), []
    for jit in (False, True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pipe = (
                collect_of(s)
                | s.prepare
                | all_minibatches(2, 4)
                | learn(loss, optim.adam(), jit=jit)
            )
            results.append(train(pipe, s.init(0))[0])
        mine = [str(w.message) for w in caught if "cannot be compiled" in str(w.message)]
        assert len(mine) == jit
    assert same(*results)


def test_equal_seeds_give_equal_params(same):
    s = pendulum_ppo()
    assert same(train(fused(s), s.init(0))[0], train(fused(s), s.init(0))[0])


def test_hyper_parameters_are_read_from_params(same):
    """Without a learning rate nothing is learnt."""
    s = pendulum_ppo()
    params = s.init(0)
    params["hyper", "learning_rate"] = torch.tensor(0.0)
    learnt, _ = train(fused(s), params)
    assert same(learnt["weights"], params["weights"])


def test_schedules_stand_still_within_a_rollout():
    """20 updates to 0, 8 per rollout: after three rollouts of 8 the rate is 0, after one 12/20."""
    s = pendulum_ppo(anneal_updates=20)
    pipe, params = (
        composed(s),
        s.init(0),
    )
    state, rates = pipe.init(params, 1), []
    for _ in range(24):
        state, params, _ = pipe.step(params, state)
        rates.append(round(float(params["hyper", "learning_rate"]) / 3e-4, 4))
    assert rates == [1] * 7 + [0.6] * 8 + [0.2] * 8 + [0]


def test_an_unknown_hyper_parameter_cannot_be_scheduled():
    s = pendulum_ppo()
    pipe = fused(s) | scheduled(learning_rat=optim.constant(1.0))
    with pytest.raises(ValueError, match="no hyper-parameter is called 'learning_rat'"):
        train(pipe, s.init(0), 1)


def test_losses_that_cannot_be_differentiated_are_refused():
    s = pendulum_ppo()
    rollouts = collect_of(s) | s.prepare | batches_of(s)
    for loss, message in [
        (lambda params, batch: (batch["advantage"], {}), "a loss gives"),
        (lambda params, batch: (batch["advantage"].mean(), {}), "depends on no weight"),
    ]:
        pipe = rollouts | gradients(loss) | update(optim.sgd())
        with pytest.raises(ValueError, match=message):
            train(pipe, s.init(0), 1)


def test_minibatches_that_do_not_divide_the_rollout_are_refused():
    with pytest.raises(ValueError, match="7 minibatches do not divide a rollout of 64 transitions"):
        pendulum_ppo(num_minibatches=7)


def cut_short(kept):
    """Masks all transitions of a rollout but the first so many."""

    def cut(_, rollout):
        mask = torch.arange(rollout.numel()).view(rollout.batch_size) < kept
        return rollout.copy().update({"mask": mask})

    return map_items(cut)


@pytest.mark.parametrize("kept", [1, 2, 3, 4, 5, 7])
def test_a_rollout_that_was_cut_short_is_learnt_from_however_few_are_left(kept, same):
    """In four minibatches, which share transitions where these are fewer; of one, unscaled."""
    s = pendulum_ppo(num_steps=4)
    params = s.init(0)

    source = collect_of(s) | s.prepare | cut_short(kept)
    result, reports = train(source | learn_of(s), params, 2)
    parts = source | batches_of(s) | gradients_of(s) | update_of(s) | repeat(8)
    assert same(result, train(parts, params, 2)[0]) and result["version"] == 16
    assert all(mean.value.isfinite() for mean in reports[-1].means.values())


@pytest.mark.parametrize("preempt", [0.25, 0.5, 1.0])
def test_learners_that_stop_early_take_as_many_gradients(preempt):
    """Rollouts of 1, 2 and 4 transitions, in four minibatches."""
    s = ppo(envs.pendulum(1), replace(PENDULUM_PPO, num_steps=4, num_epochs=1))
    for name in ("2dacs", "3ds"):
        pipe = scheme(name, s, learners=2, wait_for=1, preempt=preempt)
        params, _ = train_until(pipe, s.init(0), 8)
        assert params["version"] == 8 and ravel(params["weights"])[0].isfinite().all()


def test_a_module_learns_as_the_network_it_equals(same):
    """One linear layer as nn.Linear, and as a perceptron."""
    linear = torch.nn.Linear(3, 1)
    critics = from_module(linear), mlp(3, 1)
    actor, results = mlp(3, 8, 1), []
    for critic in critics:
        agent = networks.with_log_std(networks.actor_critic(actor, critic), 1)
        s = ppo(envs.pendulum(2), PENDULUM_PPO, agent=agent)
        params = s.init(0)
        layer = params["weights", "critic"]
        layer = layer["0"] if "0" in layer.keys() else layer
        layer.update(
            {"weight": linear.weight.detach().clone(), "bias": linear.bias.detach().clone()}
        )
        learnt, _ = train(fused(s), params)
        results.append(learnt["weights", "actor"])
    assert same(*results)


def test_a_weight_that_no_loss_reads_stays():
    """Its gradient is 0, in the fused form as in the composed one."""
    s = pendulum_ppo()
    params = s.init(0)
    params["weights", "unused"] = torch.ones(2)
    learnt, _ = train(fused(s), params, 1)
    assert learnt["weights", "unused"].tolist() == [1, 1]
    pipe = composed(s)
    learnt, _ = train(pipe, params, 1)
    assert learnt["weights", "unused"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("kept", "sizes"), [(2, [1, 1]), (3, [2, 1]), (8, [4, 4]), (1, [1, 1]), (0, None)]
)
def test_minibatches_need_a_transition_that_is_not_masked(kept, sizes):
    """Of 8 transitions, in two minibatches."""
    rollout = TensorDict(mask=(torch.arange(8) < kept).view(4, 2), batch_size=(4, 2))
    if sizes:
        assert minibatch_sizes(rollout, 2) == sizes
        return
    with pytest.raises(
        ValueError, match=f"{kept} of a rollout's 8 transitions are not masked, too few for 2"
    ):
        minibatch_sizes(rollout, 2)


# --- the rest of a rollout may be left out


def stopping(at, jit=False):
    """The recipe, which stops at the minibatch of this number, from 0."""
    s = pendulum_ppo(jit=jit)

    return s.replace(stop_early=lambda hyper, means: means["approx_kl"] > at)


def test_a_kl_that_no_policy_reaches_stops_nothing(same):
    ours, reports = train(stopping(1e9).central, pendulum_ppo().init(0))
    theirs, expected = train(fused(pendulum_ppo()), pendulum_ppo().init(0))
    assert same(ours, theirs) and ours["version"] == 24
    assert all(
        a.means["loss"].value == b.means["loss"].value
        for a, b in zip(reports, expected, strict=True)
    )


def test_where_the_first_minibatch_is_too_far_nothing_is_learnt(same):
    """The KL of a policy with itself is 0, which is above -1."""
    s = stopping(-1.0)
    params, reports = train(s.central, s.init(0))
    assert params["version"] == 0 and same(params["weights"], s.init(0)["weights"])
    assert reports[0].means["approx_kl"].value.abs() < 1e-6


def test_target_kl_takes_as_many_minibatches_as_stable_baselines_would(same):
    """Those before the first whose KL is above 1.5 x 0.002: as if there were no others."""
    s = pendulum_ppo(target_kl=0.002, learning_rate=1e-2)
    params, (early,) = train(s.central, s.init(0), 1)
    taken = int(params["version"])
    assert 0 < taken < 8 and early.means["collection_lag"].value == (taken - 1) / 2
    plain = pendulum_ppo(learning_rate=1e-2)
    pipe = collect_of(plain) | plain.prepare | batches_of(plain)
    pipe = pipe | gradients_of(plain) | update_of(plain)
    state, theirs, kls = pipe.init(plain.init(0), 1), plain.init(0), []
    for _ in range(taken):
        state, theirs, report = pipe.step(theirs, state)
        kls.append(float(report.means["approx_kl"].value))
    _, _, report = pipe.step(theirs, state)
    assert max(kls) <= 0.003 < float(report.means["approx_kl"].value)
    assert same(params["weights"], theirs["weights"])


def test_early_stopping_is_of_one_process():
    with pytest.raises(
        ValueError, match="2dacs, as it stops early by target_kl, which one process"
    ):
        scheme("2dacs", pendulum_ppo(target_kl=0.01), learners=2)


def test_a_scan_stops_early_as_the_loop_does():
    """Masked: the same weights, versions and means; of members each stops for itself."""
    results = {}
    for jit in (False, True):
        config = replace(PENDULUM_PPO, target_kl=0.002, learning_rate=1e-2, jit=jit)
        s = ppo(envs.make("Pendulum-v1", 2), config)  # whose rollouts are not compiled
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*cannot be compiled")
            results[jit] = train(s.central, s.init(0), 2)
    (ours, reports), (theirs, expected) = results[True], results[False]
    assert ours["version"] == theirs["version"] < 16
    torch.testing.assert_close(
        ravel(ours["weights"])[0], ravel(theirs["weights"])[0], atol=1e-5, rtol=0
    )
    for a, b in zip(reports, expected, strict=True):
        torch.testing.assert_close(
            a.means["loss"].value, b.means["loss"].value, atol=1e-5, rtol=1e-4
        )


def test_members_stop_early_each_for_itself():
    s = pendulum_ppo(target_kl=0.002, learning_rate=1e-2)
    many = population(s, 2)
    ((ours, _),) = [train(many.central, many.init(5), 1)]
    for i in range(2):
        seed = fold_in(5, i)
        pipe = s.central
        state, alone = pipe.init(s.init(seed), fold_in(1, i)), s.init(seed)
        _, alone, _ = pipe.step(alone, state)
        assert 0 < alone["version"] < 8
        torch.testing.assert_close(
            ravel(member(ours, i)["weights"])[0], ravel(alone["weights"])[0], atol=1e-5, rtol=1e-5
        )


def test_a_population_tells_lags_and_keeps_a_refused_batch(tmp_path, monkeypatch):
    """On average (8 - 1) / 2 updates after the rollout."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("nappo2.stages.learning.refused_batches._numbers", iter(range(1)))
    s = pendulum_ppo()
    many = population(s, 2)
    _, (report,) = train(many.central, many.init(0), 1)
    assert report.means["collection_lag"].value == 3.5 and report.means["gradient_lag"].value == 0

    def broken(params, batch):
        value, means = s.loss(params, batch)
        return value * float("nan"), means

    many = population(s.replace(loss=broken), 2)
    train(many.central, many.init(0), 1)
    (path,) = tmp_path.glob("nappo2-refused-*.npz")
    with np.load(path) as batch:
        assert batch["observation"].shape == (2, 64, 3)

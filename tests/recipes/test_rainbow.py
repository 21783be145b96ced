"""Rainbow and its pieces, each of which can be taken out, or given to DQN alone."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from nappo2 import (
    DQN,
    Rainbow,
    dqn,
    envs,
    fold_in,
    generator,
    mlp,
    population,
    prioritized_replay,
    ravel,
    scheme,
)
from nappo2 import double_dqn as double
from nappo2 import rainbow as whole
from nappo2 import replay as uniform
from nappo2.networks import dueling, implicit_quantiles, noisy_mlp
from nappo2.populations._population import member
from nappo2.recipes import categorical_returns, expected, munchausen, quantiles, random_quantiles
from nappo2.recipes._dqn import updates_until
from tests.makers.recipes import composed
from tests.makers.stepping import items_of, steps_of, train, train_until

SMALL = {"num_steps": 1, "batch_size": 8, "start_steps": 16, "capacity": 64, "hidden": (8,)}
CONFIG, RAINBOW = DQN(**SMALL), Rainbow(**SMALL, num_atoms=5)
ENV = envs.cartpole(2)
TORSO = mlp(4, 8)
WITHOUT = {
    "the distribution": partial(whole, ENV, RAINBOW, returns=expected()),
    "dueling": partial(whole, ENV, RAINBOW, q=noisy_mlp(4, 8, 10)),
    "noise": partial(whole, ENV, RAINBOW, q=mlp(4, 8, 10)),
    "priorities": partial(whole, ENV, RAINBOW, replay=uniform),
    "n steps": partial(whole, ENV, replace(RAINBOW, n_step=1)),
    "nothing": partial(whole, ENV, RAINBOW),
}
ALONE = {
    "quantiles": partial(dqn, ENV, CONFIG, returns=quantiles(5)),
    "categorical": partial(dqn, ENV, CONFIG, returns=categorical_returns(5, 0.0, 10.0)),
    "random quantiles": partial(
        dqn, ENV, CONFIG, q=implicit_quantiles(TORSO, 8, 2, 5), returns=random_quantiles(5)
    ),
    "munchausen": partial(dqn, ENV, CONFIG, returns=munchausen()),
    "dueling": partial(dqn, ENV, CONFIG, q=dueling(TORSO, mlp(8, 1), mlp(8, 2), 2)),
    "noise": partial(dqn, ENV, CONFIG, q=noisy_mlp(4, 8, 2)),
}


def learnt(recipe, num_updates=3):
    params, reports = train_until(scheme("3cs", recipe), recipe.init(0), num_updates)
    assert all(x.isfinite().all() for x in params["weights"].values(True, True))
    return params, reports[-1].means["loss"].value.item()


@pytest.mark.parametrize("piece", WITHOUT)
def test_rainbow_learns_without_each_of_its_pieces(piece):
    """The loss is another one than with all of them."""
    _, loss = learnt(WITHOUT[piece]())
    assert (loss == learnt(WITHOUT["nothing"]())[1]) == (piece == "nothing")


@pytest.mark.parametrize("piece", ALONE)
def test_dqn_learns_with_each_piece_alone_and_in_a_population(piece):
    recipe = ALONE[piece]()
    _, loss = learnt(recipe)
    assert loss != learnt(dqn(ENV, CONFIG))[1]
    members = population(recipe, 2)
    params, _ = train(scheme("3cs", members), members.init(0), 20)
    assert params["version"].max() > 0
    assert all(x.isfinite().all() for x in params["weights"].values(True, True))


def test_an_update_of_uniform_dqn_is_fused_as_composed(same):
    """With noise for a batch, whose keys are drawn beside it."""
    recipe = ALONE["noise"]()
    fused, _ = train_until(scheme("3cs", recipe), recipe.init(0), 4)
    alone, _ = train_until(composed(recipe), recipe.init(0), int(fused["version"]))
    assert same(fused, alone)


def test_a_loss_draws_nothing():
    """The noise of networks is in the batch: the same batch gives the same loss, without it another one."""
    recipe = ALONE["noise"]()
    params = recipe.init(0)
    batch = items_of(composed_batches(recipe), params, 1)[0]
    assert batch["noise"].shape == batch["next_noise"].shape == (8, 22)
    plain = params.to_dict()
    once, again = (recipe.loss(plain, batch.to_dict())[0] for _ in range(2))
    other = batch.copy().update({"noise": torch.zeros(8, 22)})
    assert once == again != recipe.loss(plain, other.to_dict())[0]


def composed_batches(recipe):
    """Batches of a replay that is learnt from at once."""
    from nappo2 import batches_of, collect_of

    source = collect_of(recipe.replace(num_steps=16))
    return source | batches_of(recipe)


def test_a_noisy_network_explores_and_an_evaluation_does_not():
    """The same noise for ``act`` as for a rollout; greedy actions are those of the means."""
    recipe = whole(ENV, replace(RAINBOW, sigma=5.0))
    params = recipe.init(0)
    params["version"] += 1
    x = torch.randn(64, 4, generator=generator(0))
    fixed, plain = recipe.policy.from_noise, params.to_dict()
    acted = [recipe.policy.act(plain, x, (), generator(seed))[0] for seed in (1, 1, 2)]
    drawn = fixed.draw(plain, (64,), 2, generator(1))
    assert torch.equal(fixed.decide(plain, x, (), drawn)[0], acted[0])
    assert torch.equal(acted[0], acted[1]) and not torch.equal(acted[0], acted[2])
    calm = [recipe.greedy.act(plain, x, (), generator(seed))[0] for seed in (1, 2)]
    assert torch.equal(*calm)


def test_beta_rises_with_updates():
    """From 0.4 to 1 in four updates: importance weights at the end correct for all of the bias."""
    config = replace(RAINBOW, beta_updates=4)
    batches = whole(ENV, config).batches(1)
    (prioritized,) = [stage for stage in batches.stages if stage.kind == "prioritized_replay"]
    beta = prioritized.arguments["beta"]
    found = [beta(torch.tensor(float(version))).item() for version in (0, 2, 4, 9)]
    assert found == pytest.approx([0.4, 0.7, 1, 1])


def test_a_target_is_copied_every_third_update():
    config = replace(CONFIG, num_steps=8, target_step_size=1.0, target_delay=3, update_ratio=1.0)
    recipe, copies = double(ENV, config), []
    first = recipe.init(0)
    for _, params, _ in steps_of(composed(recipe), first):
        copy = params["target", "q", "0", "weight"]
        if params["version"] in (2, 3, 4):
            before = torch.equal(copy, first["target", "q", "0", "weight"])
            copies.append((before, torch.equal(copy, params["weights", "q", "0", "weight"])))
        if params["version"] == 4:
            break
    assert copies == [(True, False), (False, True), (False, False)]


def test_updates_until_a_share_of_a_run_by_hand():
    """A tenth of 10,000 steps is 1,000, of which 200 come before the first of updates every fourth."""
    assert updates_until(0.1, 10_000, 200, 0.25) == 200


def test_outputs_that_are_not_n_times_k_are_refused():
    with pytest.raises(
        ValueError, match=r"network q of dqn gives outputs of shape \(2, 2\); .* 10\)"
    ):
        dqn(ENV, CONFIG, q=mlp(4, 8, 2), returns=quantiles(5))


@pytest.mark.parametrize(
    ("q", "returns", "message"),
    [
        (implicit_quantiles(TORSO, 8, 2, 4), quantiles(4), r"learnt with returns=.*quantiles\(4\)"),
        (implicit_quantiles(TORSO, 8, 2, 4), expected(), r"learnt with returns=.*quantiles\(4\)"),
        (implicit_quantiles(TORSO, 8, 2, 4), random_quantiles(8), "q=networks.implicit_quantiles"),
        (noisy_mlp(4, 8, 8), random_quantiles(4), "draws as many fractions: q=networks.implicit"),
        (mlp(4, 8, 8), random_quantiles(4), "draws as many fractions: q=networks.implicit"),
        (None, random_quantiles(4), "num_quantiles=4"),
    ],
)
def test_quantiles_of_drawn_fractions_are_of_a_network_that_draws_them(q, returns, message):
    with pytest.raises(ValueError, match=message):
        dqn(ENV, CONFIG, q=q, returns=returns)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_transitions_of_three_steps_are_rolled_out_one_by_one_in_a_population_too(num_steps):
    """A member's weights are those of the run with its seed; the first rollouts have no transition."""
    recipe = whole(ENV, replace(RAINBOW, num_steps=num_steps), replay=uniform)
    members = population(recipe, 2)
    both, _ = train(scheme("3cs", members), members.init(5), 20, 5)
    for i in range(2):
        seed = fold_in(5, i)
        alone, _ = train(scheme("3cs", recipe), recipe.init(seed), 20, seed)
        ours, theirs = ravel(member(both, i)["weights"])[0], ravel(alone["weights"])[0]
        assert alone["version"] > 3
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_priorities_of_ones_own_take_the_place_of_rainbows():
    def surprise(params, batch):
        return batch["next", "reward"]

    recipe = whole(ENV, RAINBOW, replay=partial(prioritized_replay, priority=surprise))
    learnt(recipe)

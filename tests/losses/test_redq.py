"""Ensembles of critics and dropout in them, by hand and against torch's layers."""

import re
from collections import Counter
from functools import partial
from itertools import islice, pairwise

import pytest
import torch
from tensordict import TensorDict
from torch import nn

from nappo2 import envs, losses
from nappo2.networks import actor_critics, dropout_mlp, mlp, with_kept, with_temperature
from nappo2.params import make_params, ravel
from nappo2.recipes import REDQ, redq
from nappo2.schemes import scheme
from nappo2.seeds import generator
from nappo2.stages import chosen_critics, kept_units
from tests.losses.test_off_policy_losses import GAMMA, INPUTS, SIZE, N, a_batch, our_gradient
from tests.losses.test_off_policy_losses import continuous as uniform
from tests.makers.recipes import REPLAYED, composed
from tests.makers.stepping import steps_of, train_until
from tests.makers.tensors import randn

BATCH = TensorDict(batch_size=[6])


def test_the_least_of_two_chosen_critics_by_hand():
    """Of 5, 1 and 3 the critics 0 and 2 make 3; of 4, 6 and 2 the critics 0 and 1 make 4."""
    values = torch.tensor([[5.0, 4.0], [1.0, 6.0], [3.0, 2.0]])
    batch = {"chosen": torch.tensor([[0, 2], [0, 1]])}
    assert losses.least_chosen(values, batch).tolist() == [3, 4]
    assert losses.mean_value(values, batch).tolist() == [3, 4]


def test_only_the_chosen_critics_are_evaluated_and_weights_are_theirs():
    """Of critics that are 5, 1 and 3 everywhere the first and the last, in the order drawn."""
    weights = {str(i): {"0": {"x": torch.tensor([x])}} for i, x in enumerate([5.0, 1.0, 3.0])}
    pairs = torch.tensor([[2, 0], [1, 2]])

    def values(chosen):
        part = losses.only_chosen(weights, {"chosen": chosen.expand(6, 2)})
        return torch.cat([part[name]["0"]["x"] for name in ("0", "1")])

    assert values(pairs[0]).tolist() == [3, 5]
    assert torch.vmap(values)(pairs).tolist() == [[3, 5], [1, 3]]


def test_the_least_of_evaluated_critics_is_the_least_of_all_chosen_ones():
    """The loss and its gradient, in eager code and under vmap, to the last bit."""
    agent = with_temperature(
        actor_critics(mlp(INPUTS, 8, 2 * SIZE), mlp(INPUTS + SIZE, 8, 1), num_critics=4)
    )
    weights, batch = agent.init(0), a_batch(uniform).to_dict()
    target = agent.init(1).select("critics")
    batch["chosen"] = torch.tensor([3, 1]).repeat(N, 1)
    make = partial(losses.sac, agent, target_entropy=-2.0, policy_value=losses.mean_value)
    few, many = make(next_critics=losses.only_chosen), make(next_value=losses.least_chosen)
    (ours, means), (expected, theirs) = (
        our_gradient(loss, weights, target, batch) for loss in (few, many)
    )
    assert torch.equal(ours, expected) and torch.equal(means["loss"], theirs["loss"])
    critics = losses.sac_critics(agent, next_critics=losses.only_chosen)
    light, less = our_gradient(critics, weights, target, batch)
    _, unravel = ravel(weights)
    of_critics = (ravel(unravel(x)["critics"])[0] for x in (light, ours))
    assert torch.equal(*of_critics) and not unravel(light)["log_alpha"].any()
    assert not ravel(unravel(light)["actor"])[0].any() and ours.norm() > light.norm() > 0
    assert all(torch.equal(less[name], means[name]) for name in ("critic_loss", "alpha", "value"))


def test_critics_are_chosen_once_for_a_batch_each_pair_as_often_as_any():
    """Of three critics there are three pairs; 600 draws of 200 each, within 5 standard deviations."""
    rng, pairs = generator(0), Counter()
    for _ in range(600):
        chosen = chosen_critics(3, 2)(BATCH, rng)["chosen"]
        assert chosen.shape == (6, 2) and (chosen == chosen[0]).all()
        pairs[frozenset(chosen[0].tolist())] += 1
    assert len(pairs) == 3 and all(abs(count - 200) < 58 for count in pairs.values())
    with pytest.raises(ValueError, match="num_chosen is at most num_critics, which is 2, not 3"):
        chosen_critics(2, 3)


def test_dropout_keeps_units_with_its_probability():
    """Of 60,000 units nine tenths, within 5 standard deviations."""
    kept = kept_units(0.1, 10_000)(BATCH, generator(0))["kept"]
    assert kept.shape == (6, 10_000) and abs(kept.sum() - 54_000) < 368


def test_a_unit_that_is_dropped_is_nothing_and_the_others_count_for_it():
    """Two units, 1 and 2 for an input of 1, whose sum is 3; of the second alone 2 * 2 is left."""
    network = dropout_mlp(1, 2, 1, dropout=0.5, normalize_layers=False)
    weights = network.init(0)
    weights["0", "weight"] = torch.tensor([[1.0], [2.0]])
    weights["1", "weight"] = torch.ones(1, 2)
    x = torch.ones(2, 1)
    assert network.apply(weights, x).tolist() == [[3], [3]]
    masks = [torch.tensor([[False, True], [True, True]])]
    assert network.apply(with_kept(weights, masks), x).tolist() == [[4], [6]]


def test_a_layer_is_linear_then_dropout_then_normalised_then_relu():
    """As torch's, whose dropout is given our mask."""
    network, x = dropout_mlp(3, 8, 2, dropout=0.25), randn(5, 3)
    weights, kept = network.init(0), torch.rand(5, 8, generator=generator(1)) > 0.25
    affine, norm, last = nn.Linear(3, 8), nn.LayerNorm(8), nn.Linear(8, 2)
    affine.load_state_dict({name: weights["0", name] for name in ("weight", "bias")})
    last.load_state_dict({name: weights["1", name] for name in ("weight", "bias")})
    expected = last(torch.relu(norm(affine(x) * kept / 0.75)))
    torch.testing.assert_close(network.apply(with_kept(weights, [kept]), x), expected)


def test_without_dropout_and_normalisation_it_is_a_perceptron(same):
    plain, network, x = (
        mlp(3, 8, 8, 2, activation=torch.relu),
        dropout_mlp(3, 8, 8, 2, normalize_layers=False),
        randn(5, 3),
    )
    assert same(plain.init(4), network.init(4))
    assert torch.equal(plain.apply(plain.init(4), x), network.apply(plain.init(4), x))


def test_masks_of_a_batch_reach_critics_and_targets_apart():
    """Where all units are kept the loss is the plain one; other masks of either change it."""
    critic = dropout_mlp(INPUTS + SIZE, 8, 4, 1, normalize_layers=True)
    agent = with_temperature(actor_critics(mlp(INPUTS, 8, 2 * SIZE), critic, 2))
    plain = losses.sac(agent, target_entropy=-2.0, next_value=losses.mean_value)
    loss, batch = losses.with_dropout(plain, 8, 4), a_batch(uniform)
    weights = agent.init(0)
    params = make_params(weights, target=weights.select("critics"), gamma=GAMMA).to_dict()
    kept = torch.ones(N, 2 * 2 * 12, dtype=torch.bool)
    expected = plain(params, batch)[0]
    assert torch.equal(loss(params, batch.copy().update({"kept": kept}))[0], expected)
    for unit in (0, 47):  # the first of the first critic, the last of the last target
        other = kept.clone()
        other[:, unit] = False
        value, means = loss(params, batch.copy().update({"kept": other}))
        assert not torch.equal(value, expected)
        assert torch.equal(means["value"], plain(params, batch)[1]["value"]) == (unit == 47)


def test_actor_and_temperature_move_with_every_third_update_and_critics_with_each():
    """To the last bit, of REDQ with a delay of 3."""
    recipe = REPLAYED["redq"]()
    pairs = pairwise(params for _, params, _ in steps_of(composed(recipe), recipe.init(0)))
    for version, (before, after) in enumerate(islice(pairs, 5), 2):
        assert after["version"] == version
        for name, moves in {"actor": version % 3 == 0, "critics": True}.items():
            one, other = (ravel(params["weights", name])[0] for params in (before, after))
            assert torch.equal(one, other) != moves
        alphas = [params["weights", "log_alpha"] for params in (before, after)]
        assert torch.equal(*alphas) == (version % 3 != 0)


@pytest.mark.parametrize(
    ("critic", "config", "message"),
    [
        (mlp(4, 8, 1), {"num_critics": 5}, "the agent has 3 critics, and num_critics is 5"),
        (mlp(4, 8, 1), {"dropout": 0.1}, "critics have no dropout; those of networks.dropout_mlp"),
        (
            dropout_mlp(4, 8, 1),
            {"dropout": 0.1, "hidden": ()},
            "of hidden layers, and hidden is ()",
        ),
    ],
)
def test_an_agent_has_the_critics_that_the_configuration_says(critic, config, message):
    agent = with_temperature(actor_critics(mlp(3, 8, 2), critic, num_critics=3))
    config = REDQ(**{"num_critics": 3, "hidden": (8,), **config})
    with pytest.raises(ValueError, match=re.escape(message)):
        redq(envs.pendulum(2), config, agent=agent)


def test_an_agent_with_dropout_learns():
    critic = dropout_mlp(4, 8, 1, dropout=0.1)
    agent = with_temperature(actor_critics(mlp(3, 8, 2), critic, num_critics=3))
    config = REDQ(num_critics=3, dropout=0.1, start_steps=8, batch_size=4, hidden=(8,))
    recipe = redq(envs.pendulum(2), config, agent=agent)
    params, _ = train_until(scheme("3cs", recipe), recipe.init(0), 20)
    assert ravel(params["weights"])[0].isfinite().all()

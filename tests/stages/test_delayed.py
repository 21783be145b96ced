"""Updates at which actor and temperature stay compute critics alone, with weights of the whole loss."""

from dataclasses import replace

import pytest
import torch

from nappo2 import envs, optim, population, repeat
from nappo2.optim.transformations import EveryState
from nappo2.params import ravel
from nappo2.recipes import REDQ, redq
from nappo2.stages import Delayed
from nappo2.stages.recipe import Recipe
from nappo2.trees import leaves
from tests.makers.recipes import composed
from tests.makers.stepping import train

NAN = float("nan")
SMALL = REDQ(
    **{"num_steps": 5, "update_ratio": 2.0, "start_steps": 0, "batch_size": 8, "capacity": 100},
    **{"hidden": (8,), "num_critics": 3, "policy_delay": 3},
)
"""A rollout is 5 env steps and feeds 10 updates: two without the actor, one with, ..., the last alone."""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """Refused batches are written here."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def small(**changes: object) -> Recipe:
    return redq(envs.pendulum(1), replace(SMALL, **changes))


def counted(recipe: Recipe, at: set[int] = frozenset()) -> tuple[Recipe, list[str]]:
    """The recipe, whose losses are no number in these calls, and the names of the losses that were called."""
    calls = []

    def broken(name, loss):
        def of(params, batch):
            value, means = loss(params, batch)
            calls.append(name)
            return value * (NAN if len(calls) - 1 in at else 1.0), means

        return of

    light = recipe.delayed._replace(loss=broken("critics", recipe.delayed.loss))
    return recipe.replace(loss=broken("whole", recipe.loss), delayed=light), calls


def test_an_update_without_the_actor_is_the_whole_update(same):
    """To the last bit, over three rollouts of 10 updates, which delays of 3 do not divide."""
    light, calls = counted(small())
    whole, others = counted(small())
    whole = whole.replace(delayed=None)
    ours, theirs = (train(recipe.central, recipe.init(0), 3)[0] for recipe in (light, whole))
    assert same(ours, theirs) and ours["version"] == 30
    first = ["critics", "critics", "whole"] * 3 + ["whole"]  # as one batch alone has the whole loss
    assert calls[:10] == first and set(others) == {"whole"} and len(calls) == len(others) == 30


@pytest.mark.parametrize("at", [{1}, {2}, {9}, {0, 1}, {2, 3}, {4, 5, 8}, {2, 5, 9, 13, 14}])
def test_a_gradient_that_was_refused_is_not_counted(at, same):
    """All weights then move later, as they do in the composed line, and its count says so."""
    light, _ = counted(small(), at)
    line, _ = counted(small(), at)
    state, params = light.central.init(light.init(0), 1), light.init(0)
    for _ in range(2):
        state, params, _ = light.central.step(params, state)
    expected, _ = train(composed(line) | repeat(10), line.init(0), 2)
    assert same(params, expected) and params["version"] == 20
    parts = leaves(state["update"], is_leaf=lambda part: isinstance(part, EveryState))
    counts = {int(part.count) for part in parts if isinstance(part, EveryState)}
    assert counts == {20 - len(at)}


def test_members_compute_the_whole_where_it_is_due_for_one_of_them():
    """Within 1e-6; the second gradient of the first member is refused, so that they are out of step."""
    found = []
    for delayed in (True, False):
        recipe = small()
        light = recipe.delayed if delayed else None
        many = population(recipe.replace(delayed=light), 2, gamma=(0.9, 0.99))
        state, params = many.central.init(many.init(0), 1), many.init(0)
        state["update"].inner["actor"].count[0] -= 1
        state["update"].inner["log_alpha"].count[0] -= 1
        for _ in range(2):
            state, params, report = many.central.step(params, state)
        found.append(ravel({"all": params["weights"].to_dict()})[0])
        assert report.means["actor_loss"].value.isfinite()
    torch.testing.assert_close(*found, atol=1e-6, rtol=0)


def test_means_of_the_actor_are_over_updates_that_compute_it():
    """Of 10 updates the third, sixth, ninth and tenth; the critics' means are over all."""
    light, whole = small(), small().replace(delayed=None)
    ((_, (ours,)), (_, (theirs,))) = (train(x.central, x.init(0), 1) for x in (light, whole))
    line = composed(whole)
    _, reports = train(line, whole.init(0), 10)
    assert set(ours.means) == set(theirs.means)
    losses = [reports[i].means["loss" if i in (2, 5, 8, 9) else "critic_loss"] for i in range(10)]
    torch.testing.assert_close(ours.means["loss"].value, sum(x.value for x in losses) / 10)
    for name in ("actor_loss", "alpha_loss", "entropy"):
        expected = sum(reports[i].means[name].value for i in (2, 5, 8, 9)) / 4
        torch.testing.assert_close(ours.means[name].value, expected)
        assert ours.means[name].weight == pytest.approx(0.4 * theirs.means[name].weight)
    for name in ("critic_loss", "value", "alpha"):
        torch.testing.assert_close(ours.means[name].value, theirs.means[name].value)
        assert ours.means[name].weight == theirs.means[name].weight


def test_a_rollout_without_the_actor_says_nothing_of_it():
    """With a delay of 20 the first ten updates are of critics alone."""
    recipe = small(policy_delay=20)
    _, reports = train(recipe.central, recipe.init(0), 2)
    assert {"loss", "critic_loss", "value", "grad_norm"} <= set(reports[0].means)
    assert "actor_loss" not in reports[0].means and "actor_loss" in reports[1].means


def test_updates_until_one_is_due_by_hand():
    """Of each third: after 0, 1, 2 and 3 gradients two, one, none and two are waited for."""
    optimizer, x, waits = optim.every(3, optim.sgd()), torch.zeros(2), []
    state = optimizer.init(x)
    for _ in range(4):
        waits.append(optim.until_due(3)(("first", {"inner": state})))
        _, state = optimizer.update(x, state, {"learning_rate": 0.1}, x)
    assert waits == [2, 1, 0, 2]
    assert optim.until_due(3)(optim.sgd().init(x)) == 0
    members = EveryState(torch.tensor([3, 7, 1]), ())
    assert optim.until_due(3)(members) == 1


def test_another_loss_has_no_lighter_one():
    recipe = small()
    assert isinstance(recipe.delayed, Delayed)
    assert recipe.replace(loss=recipe.loss).delayed is None
    assert recipe.replace(optimizer=optim.adam()).delayed is None
    assert recipe.replace(name="mine").delayed == recipe.delayed
    assert small(policy_delay=1).delayed is None


def test_normalised_observations_are_those_of_critics_alone(same):
    light = small(normalize=True)
    whole = light.replace(delayed=None)
    assert light.delayed is not None
    assert same(*(train(x.central, x.init(0), 3)[0] for x in (light, whole)))

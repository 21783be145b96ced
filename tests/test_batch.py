"""The table of all keys of batches, and what is counted of them."""

from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensordict import TensorDict

from nappo2 import batches_of, collect_of, compose, n_step
from nappo2.batch import (
    KEYS,
    age,
    loss_inputs,
    num_samples,
    only_valid,
    table,
    take,
    take_each,
    valid,
    valid_transitions,
    written_by,
)
from nappo2.recipes import RECIPES
from nappo2.schemes.merging import merge
from nappo2.trees import walk
from tests.makers.masks import masked_recipe
from tests.makers.recipes import RINGS, recipe_in

DOCS = Path(__file__).parents[1] / "docs"


def items(recipe):
    """A rollout of a recipe, with what prepares it, and a batch of it."""
    params, source = recipe.init(0), collect_of(recipe)
    for pipe in (source, source | recipe.prepare, source | recipe.prepare | batches_of(recipe)):
        state, item = pipe.init(params, 0), TensorDict(batch_size=[0])
        while 0 in item.batch_size:
            state, item, _ = pipe.step(params, state)
        yield item


@cache
def written():
    """Under each key what any recipe writes, wherever it acts: (batch size, tensor)."""
    leaves = {}
    for name in RECIPES:
        for env in ("numbers, discrete", "numbers, continuous", "in part", "goals"):
            for ring in RINGS:
                recipe = recipe_in(name, env, ring)
                for item in () if recipe is None else items(recipe):
                    collected(item, leaves)
    for item in items(masked_recipe("dqn")):
        collected(item, leaves)
    rollout, *_ = items(recipe_in("ppo", "numbers, discrete", "uniform"))
    collected(merge([rollout, rollout[:3]]), leaves)
    several = recipe_in("dqn", "numbers, discrete", "uniform")
    for item in items(several.replace(prepare=compose(several.prepare, n_step(2)))):
        collected(item, leaves)
    return leaves


def collected(item, leaves):
    for path, x in walk(item):
        is_part = "observation" in path and path[-1] != "action_mask"
        where = path.index("observation") + 1 if is_part else len(path)
        leaves.setdefault("/".join(path[:where]), []).append((item.batch_size, x))


def test_every_key_of_a_recipe_is_in_the_table_and_every_row_is_written_by_a_recipe():
    assert set(written()) == set(KEYS)


@pytest.mark.parametrize("name", KEYS)
def test_what_recipes_write_has_the_shape_and_the_dtype_that_the_table_says(name):
    """One number per transition has the shape of the batch, or of its windows [N, L]."""
    for size, x in written()[name]:
        assert x.shape[: len(size)] == size
        if KEYS[name].shape == "[T, B]":
            assert x.ndim <= 2
        if KEYS[name].dtype != "of the space":
            assert str(x.dtype).removeprefix("torch.") in KEYS[name].dtype.split(" or ")


def test_the_page_concepts_has_the_table():
    assert table() in (DOCS / "concepts.md").read_text()


def test_who_writes_a_key():
    assert written_by("advantage") == "gae(agent) or vtrace(agent, dist)"
    assert written_by("steps") == written_by("next/steps") == "n_step(num)"
    assert written_by("novelty") is None


# --- what counts


def batch(*flags, versions=None):
    """Transitions [N], of which those with a flag of 1 count; numbered."""
    number = torch.arange(len(flags))
    columns = {"number": number, "next": {"reward": 10 * number}}
    columns["params_version"] = torch.tensor(versions or [0] * len(flags))
    columns["mask"] = torch.tensor(flags).bool()
    return TensorDict(columns, batch_size=[len(flags)])


def test_what_is_masked_does_not_count():
    masked, whole = batch(1, 0, 1), batch(1, 0, 1).exclude("mask")
    assert valid(masked).tolist() == [True, False, True] and valid(whole) is None
    assert (num_samples(masked), num_samples(whole)) == (2, 3)
    assert only_valid(masked["number"], masked).tolist() == [0, 2]
    assert only_valid(whole["number"], whole) is whole["number"]


def test_age_is_the_mean_number_of_versions_between():
    """Params of version 5 learn from transitions of versions 1, 2 and 3: 4, 3 and 2 between."""
    params = TensorDict(version=torch.tensor(5))
    assert age(params, batch(1, 1, 1, versions=[1, 2, 3]).exclude("mask")) == 3
    assert age(params, batch(1, 0, 0, versions=[1, 2, 3])) == 4
    with pytest.raises(ValueError, match="a batch lacks params_version"):
        age(params, batch(1).exclude("params_version"))


@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_valid_transitions_are_those_that_count_in_their_order(flags):
    rollout = batch(*flags).reshape(2, 3)
    found = valid_transitions(rollout)
    assert found["number"].tolist() == [i for i, flag in enumerate(flags) if flag]
    assert "mask" not in found.keys() and len(found) == num_samples(rollout)


@given(st.lists(st.integers(0, 5), max_size=9))
def test_take_is_indexing(index):
    whole, index = batch(1, 0, 1, 1, 1, 0), torch.tensor(index, dtype=torch.int64)
    ours, theirs = take(whole, index), whole[index]
    assert ours.batch_size == theirs.batch_size == ours["next"].batch_size
    assert (ours == theirs).all()
    columns = take(whole.reshape(2, 3), index % 3, dim=1)
    assert (columns == whole.reshape(2, 3)[:, index % 3]).all()


def test_each_takes_rows_of_its_own_column():
    """Of 2 x 3, three columns: rows 1 and 0, 0 and 0, 1 and 1."""
    whole = batch(1, 0, 1, 1, 1, 0).reshape(2, 3)
    index = torch.tensor([[1, 0], [0, 0], [1, 1]])
    result = take_each(whole, index)
    assert result.batch_size == result["next"].batch_size == (3, 2)
    for i, column in enumerate(whole.unbind(1)):
        assert (result[i] == column[index[i]]).all()


def test_losses_read_no_versions():
    assert set(loss_inputs(batch(1))) == {"number", "next", "mask"}

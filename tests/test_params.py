"""Params: trees to look at, a vector to compute with."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensordict import TensorDict

from nappo2.params import make_params, ravel, replaced, stop_gradient, with_hyper
from nappo2.stages.recipe import collect_of
from nappo2.trees import nested, walk

WEIGHTS = TensorDict(
    actor=TensorDict(weight=torch.arange(6.0).view(2, 3), bias=torch.tensor([6.0, 7.0])),
    critic=TensorDict(weight=torch.tensor(8.0)),
)
trees = st.recursive(
    st.lists(st.integers(0, 3), max_size=3).map(torch.ones),
    lambda children: st.dictionaries(st.sampled_from("abc"), children, min_size=1),
    max_leaves=8,
).filter(lambda tree: isinstance(tree, dict))


def test_ravel_goes_through_the_leaves_in_order():
    assert ravel(WEIGHTS)[0].tolist() == list(range(9))


def test_unravel_gives_a_vector_the_names_and_shapes_of_the_leaves():
    _, unravel = ravel(WEIGHTS)
    tree = unravel(torch.arange(10.0, 19.0))
    assert tree["actor"]["weight"].tolist() == [[10, 11, 12], [13, 14, 15]]
    assert tree["actor"]["bias"].tolist() == [16, 17]
    assert tree["critic"]["weight"].item() == 18


def test_what_is_unraveled_are_views():
    """Nothing is copied: what is written into the vector is in its leaves."""
    vector, unravel = ravel(WEIGHTS)
    tree = unravel(vector)
    vector[:6] = -1.0
    assert (tree["actor"]["weight"] == -1).all()
    assert WEIGHTS["actor", "weight"].max() == 5


def test_a_gradient_flows_through_the_names_into_the_vector():
    vector, unravel = ravel(WEIGHTS)
    vector.requires_grad_()
    loss = (2 * unravel(vector)["actor"]["bias"]).sum()
    assert torch.autograd.grad(loss, vector)[0].tolist() == [0, 0, 0, 0, 0, 0, 2, 2, 0]


@given(trees)
def test_unravel_undoes_ravel(tree):
    vector, unravel = ravel(tree)
    before, after = list(walk(tree)), list(walk(unravel(vector)))
    assert [path for path, _ in before] == [path for path, _ in after]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(before, after, strict=True))


@pytest.mark.parametrize("tree", [{}, {"actor": {}, "critic": {}}, TensorDict()])
def test_without_leaves_there_is_nothing_to_ravel(tree):
    with pytest.raises(ValueError, match="the network has no parameters"):
        ravel(tree)


def test_nested_undoes_walk():
    paths, leaves = zip(*walk({"a": {"b": torch.ones(1), "c": torch.ones(2)}}), strict=True)
    assert paths == (("a", "b"), ("a", "c"))
    assert list(nested(paths, leaves)["a"]) == ["b", "c"]


def test_params_start_at_version_zero():
    params = make_params(WEIGHTS, learning_rate=3e-4, gamma=1)
    assert set(params.keys()) == {"weights", "target", "normalizer", "version", "hyper"}
    assert params["version"].dtype == torch.int64 and params["version"] == 0
    assert params["hyper", "learning_rate"] == torch.tensor(3e-4)
    assert params["hyper", "gamma"].dtype == torch.float32
    assert not params["target"].keys() and not params["normalizer"].keys()


def test_a_target_does_not_move_with_its_weights():
    weights = WEIGHTS.clone()
    params = make_params(weights, target=weights)
    params["weights", "critic", "weight"] += 1
    assert params["target", "critic", "weight"] == 8


def test_hyper_parameters_are_set_on_a_copy():
    params = make_params(WEIGHTS, learning_rate=0.1, gamma=0.9)
    changed = with_hyper(params, learning_rate=1)
    assert changed["hyper", "learning_rate"] == 1 and params["hyper", "learning_rate"] == 0.1
    assert changed["hyper", "gamma"] == params["hyper", "gamma"]
    assert changed["hyper", "learning_rate"].dtype == torch.float32
    assert changed["weights"] is params["weights"]


def test_an_unknown_hyper_parameter_is_named_beside_those_there_are():
    params = make_params(WEIGHTS, learning_rate=0.1, gamma=0.9)
    message = "no hyper-parameter is called 'lr'; these can be set: gamma, learning_rate"
    with pytest.raises(ValueError, match=message):
        with_hyper(params, gamma=0.5, lr=1.0)


def test_a_hyper_parameter_is_within_its_range_whose_bounds_it_may_reach():
    """A rate may fall to 0 and not below; of a number of one's own nothing is known."""
    params = make_params(WEIGHTS, learning_rate=0.1, gamma=0.9, bonus=1.0)
    changed = with_hyper(params, learning_rate=0.0, gamma=1.0, bonus=-5.0)["hyper"]
    assert [changed[name] for name in ("learning_rate", "gamma", "bonus")] == [0, 1, -5]
    with pytest.raises(ValueError, match="gamma is within 0 and 1, not 2"):
        with_hyper(params, gamma=2.0)
    with pytest.raises(ValueError, match=r"learning_rate is at least 0, not -0\.1"):
        with_hyper(params, learning_rate=-0.1)
    with pytest.raises(ValueError, match="gamma is within 0 and 1, not 2"):
        make_params(WEIGHTS, gamma=2.0)


def test_replacing_a_branch_leaves_the_others():
    params = make_params(WEIGHTS, gamma=0.9)
    changed = replaced(params, version=torch.tensor(3))
    assert changed["version"] == 3 and params["version"] == 0
    assert changed["weights"] is params["weights"]


def test_no_gradient_flows_through_what_is_stopped():
    """Of x + stop(x), whose slope is 1 therefore."""
    vector, unravel = ravel(WEIGHTS)
    vector.requires_grad_()
    tree = unravel(vector)
    stopped = stop_gradient(tree)
    loss = sum(leaf.sum() for leaves in (tree, stopped) for _, leaf in walk(leaves))
    assert loss.item() == 2 * sum(range(9))
    assert torch.autograd.grad(loss, vector)[0].tolist() == [1] * 9


@pytest.mark.parametrize("how", ["evaluate", "video", "collect"])
def test_whoever_acts_moves_params_to_where_environments_are(how):
    """Params on the device meta, which has no numbers: it is the move to the CPU that fails."""
    from nappo2 import PPO, envs, evaluate, ppo
    from nappo2.show._video import frames

    env = envs.cartpole(1)
    recipe = ppo(env, PPO(num_steps=2, num_minibatches=1, hidden=(4,)))
    params = recipe.init(0)
    there = params.to("meta")
    act = {
        "evaluate": lambda: evaluate(env, recipe.greedy, there, 1),
        "video": lambda: next(iter(frames(env, recipe.greedy, there, 1, 0)[0])),
        "collect": lambda: collect_of(recipe).step(there, collect_of(recipe).init(params, 0)),
    }[how]
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        act()

"""Spaces of actions with several parts, by hand, and that what is drawn of them is in them."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
from gymnasium.vector.utils import batch_space

from nappo2 import envs, trees
from nappo2.envs import action_spec, batched
from nappo2.seeds import generator
from tests.makers.environments import ACTIONS, Echo, walk


def test_arrays_of_choices_have_their_shape_and_start():
    """2 + 3 + 4 + 5 logits in the order of the array."""
    spec = action_spec(MultiDiscrete([[2, 3], [4, 5]], start=[[0, 1], [2, 3]]))
    assert (spec.kind, spec.size, spec.shape, spec.log_stds) == ("multi-discrete", 14, (4,), 0)
    assert spec.sizes == (2, 3, 4, 5) and spec.dtype == torch.int64
    actions = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]])
    assert spec.to_env(actions).tolist() == [[[0, 1], [2, 3]], [[1, 3], [5, 7]]]


def test_switches_are_choices_between_two():
    spec = action_spec(MultiBinary(3))
    assert (spec.kind, spec.size, spec.shape) == ("multi-discrete", 6, (3,))
    assert spec.to_env(torch.tensor([[0, 1, 1]])).tolist() == [[0, 1, 1]]


def test_choices_stand_side_by_side_and_so_do_numbers():
    spec = action_spec(ACTIONS["a tuple of choices"])
    assert (spec.kind, spec.size, spec.shape) == ("multi-discrete", 9, (3,))
    ((way, levers),) = spec.to_env(torch.tensor([[2, 1, 3]]))
    assert way == 3 and levers.tolist() == [1, 3]
    spec = action_spec(ACTIONS["a dictionary of numbers"])
    assert (spec.kind, spec.size, spec.shape, spec.log_stds) == ("continuous", 3, (3,), 3)
    (action,) = spec.to_env(torch.tensor([[-1.0, 0.0, 1.0]]))
    assert action["a"].tolist() == [[0], [5]] and action["b"] == 1


def test_hybrid_actions_are_a_dictionary_of_their_parts():
    """A logit for each way and a mean, and behind these a log standard deviation."""
    spec = action_spec(ACTIONS["hybrid"])
    assert (spec.kind, spec.size, spec.log_stds, spec.sizes) == ("hybrid", 3, 1, (2,))
    assert spec.shape == {"way": (), "far": (1,)}
    assert spec.dtype == {"way": torch.int64, "far": torch.float32}
    first, second = spec.to_env({"way": torch.tensor([0, 1]), "far": torch.tensor([[-1.0], [0]])})
    assert first == {"way": 0, "far": 0} and second == {"way": 1, "far": 0.5}


def test_nested_ones_by_hand():
    """Three modes, two forces up to 2, three lamps, a number up to 9 and two choices."""
    spec = action_spec(ACTIONS["nested"])
    assert (spec.kind, spec.size, spec.log_stds) == ("hybrid", 3 + 2 + 6 + 1 + 6, 3)
    assert spec.sizes == (3, 2, 2, 2, 2, 4)
    zeros = spec.zeros(1)
    assert zeros["rest"]["1"].tolist() == [[0, 0]] and zeros["arm"]["mode"].tolist() == [0]
    actions = {
        "arm": {"mode": torch.tensor([2]), "force": torch.tensor([[0.5, 7.0]])},
        "lamps": torch.tensor([[0, 1, 1]]),
        "rest": {"0": torch.tensor([[1.0]]), "1": torch.tensor([[1, 3]])},
    }
    (action,) = spec.to_env(actions)
    assert action["arm"]["mode"] == 2 and action["arm"]["force"].tolist() == [1, 2]
    assert action["lamps"].tolist() == [0, 1, 1]
    assert action["rest"][0].tolist() == [9] and action["rest"][1] == (1, 3)


def test_a_bound_that_is_infinite_leaves_the_other_dimensions_scaled():
    """Of a part, and of a Box within it."""
    box = Box(np.array([0, -np.inf]), np.array([10, np.inf]), dtype=np.float64)
    spec = action_spec(Dict(a=box, b=Box(0, 4, (1,))))
    assert spec.kind == "unbounded"
    (action,) = spec.to_env(torch.tensor([[1.0, 7.0, -1.0]]))
    assert action["a"].tolist() == [10, 7] and action["b"].tolist() == [0]


@pytest.mark.parametrize("space", ACTIONS.values(), ids=ACTIONS)
def test_uniform_actions_and_samples_fit_and_are_in_the_space(space):
    spec, rng = action_spec(space), generator(0)
    outputs = torch.randn(50, spec.distribution.num_outputs(spec.size), generator=rng)
    assert outputs.shape[-1] == spec.size + spec.log_stds
    sample = spec.distribution.sample(outputs, rng)
    for actions in (spec.uniform(50, rng), sample, spec.distribution.mode(outputs), spec.zeros(50)):
        assert spec.fits(actions, 50) and not spec.fits(actions, 49)
        assert all(space.contains(action) for action in spec.to_env(actions))
    floats = trees.map(lambda x: x.long() if x.is_floating_point() else x.float(), sample)
    assert not spec.fits(floats, 50)


@pytest.mark.parametrize("space", ACTIONS.values(), ids=ACTIONS)
def test_tensors_of_the_space_are_what_the_environment_gets(space):
    spec = action_spec(space)
    actions = spec.uniform(20, generator(0))
    ours = dict(flat(batched(spec.to_env(actions))))
    theirs = dict(flat(spec.in_space(actions)))
    assert ours.keys() == theirs.keys()
    for name, x in theirs.items():
        np.testing.assert_array_equal(x.numpy(), ours[name], strict=True)


def flat(tree, path=""):
    children = trees.children(tree)
    if children is None:
        yield path, tree
    for key, child in children or ():
        yield from flat(child, f"{path}/{key}")


@pytest.mark.parametrize("space", ACTIONS.values(), ids=ACTIONS)
def test_a_batch_of_actions_is_one_for_a_vector_environment(space):
    spec = action_spec(space)
    actions = batched(spec.to_env(spec.uniform(4, generator(0))))
    assert batch_space(space, 4).contains(actions)


@pytest.mark.parametrize("name", ["hybrid", "nested"])
def test_what_lacks_a_part_does_not_fit(name):
    spec = action_spec(ACTIONS[name])
    actions = spec.zeros(3)
    assert not spec.fits(torch.zeros(3, spec.size), 3) and not spec.fits({}, 3)
    assert not spec.fits(dict(list(actions.items())[1:]), 3)


@pytest.mark.parametrize("space", [Tuple([]), Dict({}), MultiDiscrete([])])
def test_spaces_without_numbers_are_refused(space):
    with pytest.raises(NotImplementedError, match="which has no numbers at all"):
        action_spec(space)


def test_a_part_that_is_no_choice_and_no_number_is_named():
    with pytest.raises(NotImplementedError, match=r"actions in Text\(1, 5.*takes a Box, Discrete"):
        action_spec(Dict(a=Discrete(2), b=Text(5)))


@pytest.mark.parametrize("name", ACTIONS)
def test_environments_of_gymnasium_get_actions_in_their_space(name):
    env = envs.from_gym(lambda: Echo(ACTIONS[name]), 2)
    state, _ = env.reset(0)
    for i in range(20):
        state, _, transition = env.step(state, env.action_spec.uniform(2, generator(i)))
    assert transition.reward.isfinite().all()
    assert isinstance(state.envs[0], gymnasium.Env)


def test_a_walk_by_hand():
    """From 0.5, half a step to the left leads to 0, and a whole one beyond it."""
    env = walk(2)
    state, _ = env.reset(0)
    state = state._replace(physics=torch.full((2, 1), 0.5))
    action = {"way": torch.zeros(2, dtype=torch.int64), "far": torch.tensor([[0.0], [1.0]])}
    _, observation, transition = env.step(state, action)
    assert observation.tolist() == [[0], [-0.5]] and transition.reward.tolist() == [0, -0.5]

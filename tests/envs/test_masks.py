"""Masks of Gymnasium environments: where they are told, and what is refused."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete

from nappo2 import check_env, envs, generator, ppo
from nappo2.envs.masks import has_mask, restricted, uniform_allowed, without_mask
from tests.makers.masks import BARE, MASKED, NUM_ACTIONS, SOURCES, InfoMines, KeyMines, Mines, mines


@pytest.mark.parametrize("source", SOURCES)
def test_masks_are_a_part_of_observations_wherever_they_are_told(source):
    env = envs.make(SOURCES[source], 2)
    assert env.observation_spec.shape == {"observation": (4,), "action_mask": (8,)}
    state, observation = env.reset(0)
    for _ in range(30):
        mask = observation["action_mask"]
        assert mask.dtype == torch.bool and (mask.sum(-1) == NUM_ACTIONS // 2).all()
        action = uniform_allowed(env, observation, generator(0))
        state, observation, transition = env.step(state, action)
        assert transition.observation["action_mask"].shape == (2, 8)
    env.close(state)


def test_all_three_ways_are_the_same_environment():
    firsts = [envs.make(SOURCES[name], 3).reset(5)[1] for name in SOURCES]
    for first in firsts[1:]:
        for key, x in firsts[0].items():
            assert torch.equal(first[key], x)


def test_networks_see_the_space_without_masks():
    assert without_mask(envs.make(InfoMines)).observation_space == BARE
    assert without_mask(bare := envs.cartpole(1)) is bare
    assert not has_mask(envs.make("CartPole-v1")) and has_mask(envs.make(KeyMines))


def test_masks_stand_beside_the_keys_of_a_dictionary():
    class Parts(InfoMines):
        observation_space = Dict(pair=BARE, rest=Box(-1, 1, (2,)))

        def shown(self):
            return {"pair": super().shown(), "rest": np.zeros(2, np.float32)}

    env = envs.make(Parts)
    assert set(env.observation_space.spaces) == {"pair", "rest", "action_mask"}
    assert without_mask(env).observation_space == Dict(pair=BARE, rest=Box(-1, 1, (2,)))


def told(flags):
    """``Mines`` whose info has these flags from the third step on."""

    class Told(InfoMines):
        def info(self):
            return {"action_mask": flags if self.time >= 3 else super().info()["action_mask"]}

    return Told


WRONG = {
    "one too few": (np.ones(7, bool), r"gave shape \(7,\) of bool as its action_mask after step 3"),
    "floats": (np.ones(8), r"gave \[1.0, .* of float64 .* has 8 flags"),
    "more than 1": (np.full(8, 2), r"gave \[2, 2, .* of int64 .* True or 1 where"),
    "more than a byte": (np.full(8, 256), r"gave \[256, .* of int64"),
    "less than 0": (np.full(8, -1, np.int8), r"gave \[-1, .* of int8"),
    "nothing": (None, r"gave nothing as its action_mask after step 3"),
    "forbids all": (
        np.zeros(8, np.int8),
        r"Told forbade all 8 actions by its action_mask after step 3",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_mask_is_told_with_the_environment_and_the_step(name):
    flags, message = WRONG[name]
    env = envs.make(told(flags), 1)
    state, observation = env.reset(0)
    with pytest.raises(ValueError, match=message):
        for _ in range(3):
            action = uniform_allowed(env, observation, generator(0))
            state, observation, _ = env.step(state, action)


def test_after_a_termination_nothing_has_to_be_allowed():
    class Ends(InfoMines):
        def step(self, action):
            observation, reward, _, _, _ = super().step(action)
            return observation, reward, True, False, {"action_mask": np.zeros(8, np.int8)}

    env = envs.make(Ends, 1)
    state, observation = env.reset(0)
    _, after_reset, transition = env.step(state, uniform_allowed(env, observation, generator(0)))
    assert not transition.observation["action_mask"].any() and after_reset["action_mask"].any()


def with_space(space, actions=Discrete(8)):
    return mines(2)._replace(observation_space=space, action_space=actions)


def test_masks_that_do_not_fit_the_actions_are_refused_by_a_recipe():
    other = Dict(observation=BARE, action_mask=MultiBinary(7))
    with pytest.raises(ValueError, match=r"mines has an action_mask of shape \(7,\); .*\(8,\)"):
        ppo(with_space(other))
    with pytest.raises(ValueError, match=r"mines has an action_mask \[8\] .* masks are of choices"):
        ppo(with_space(MASKED, Box(-1, 1, (2,))))


def test_several_choices_have_their_flags_one_after_the_other():
    """Of 2 and 3 choices, the second of the first and the first of the second are forbidden."""
    actions = envs.action_spec(MultiDiscrete([2, 3]))
    mask = torch.tensor([[True, False, False, True, True]])
    outputs = restricted(actions)(torch.zeros(1, 5), mask)
    for seed in range(20):
        first, second = actions.distribution.sample(outputs, generator(seed))[0].tolist()
        assert first == 0 and second in (1, 2)


def test_numbers_beside_choices_are_never_forbidden():
    """A hybrid action of a way among two and how far, a mean and a log standard deviation."""
    actions = envs.action_spec(Dict(far=Box(0, 1, (1,)), way=Discrete(2)))
    outputs = torch.arange(4.0).view(1, 4)
    found = restricted(actions)(outputs, torch.tensor([[False, True]]))
    expected = [0.0, -1e8, 2.0, 3.0]  # far's mean, both ways, far's log standard deviation
    assert found[0].tolist() == pytest.approx(expected)


def test_check_env_takes_allowed_actions_and_tells_of_a_mask_that_forbids_all():
    assert check_env(InfoMines, 50).ok
    report = check_env(told(np.zeros(8, np.int8)), 50)
    assert not report.ok and "forbade all 8 actions" in repr(report)


def test_an_environment_without_masks_stays_as_it_was():
    assert envs.make(Mines).observation_space == BARE

"""What check_env finds in environments that are good, and in such as users bring."""

import threading
import time

import gymnasium
import numpy as np
import pytest
import torch

from nappo2 import check_env, check_picklable, envs, ppo
from tests.makers import environments  # noqa: F401, which registers Ramp-v0

OBSERVATION = np.zeros(2, np.float32)


class Good(gymnasium.Env):
    """Ten random steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.np_random.random(2).astype(np.float32), {}

    def step(self, action):
        self.time += 1
        return OBSERVATION, 0.0, False, self.time == 10, {}


def stepping(what):
    """One whose steps give something else."""

    class Other(Good):
        def step(self, action):
            return what() if callable(what) else what

    return Other


class Forgetful(Good):
    def reset(self, seed=None, options=None):
        self.time = 0
        return np.random.default_rng().random(2).astype(np.float32), {}


@pytest.mark.parametrize("env", [Good, envs.cartpole(3), "Pendulum-v1"])
def test_nothing_is_wrong(env):
    report = check_env(env, num_steps=50)
    assert report.ok and "nothing is wrong" in repr(report)
    whats = [finding.check for finding in report.findings]
    assert whats == ["spaces", "recipes", "dtypes", "finite", "bounds", "seeds", "endings", "speed"]


@pytest.mark.parametrize(
    "env",
    [
        gymnasium.make("CartPole-v1"),
        Good(),
        gymnasium.wrappers.TimeLimit(Good(), 5),
        gymnasium.Wrapper(gymnasium.make("CartPole-v1")),
    ],
    ids=["registered", "of a class", "wrapped", "wrapped by one's own"],
)
def test_an_environment_that_is_made_already_is_checked_and_left_as_it_is(env):
    env.reset(seed=0)
    before = env.step(0)[0]
    env.reset(seed=0)
    assert check_env(env, num_steps=20).ok
    assert np.array_equal(env.step(0)[0], before)


def test_an_environment_that_cannot_be_copied_is_not_said_to_be_wrong():
    env = Good()
    env.lock = threading.Lock()
    (found,) = (x for x in check_env(env, num_steps=5).findings if x.check == "an error")
    assert "cannot be copied" in found.message and "give the function that made it" in found.message


@pytest.mark.parametrize("use", [envs.make, envs.from_gym, ppo])
def test_who_makes_more_than_one_is_told_how_where_an_environment_is_given(use):
    with pytest.raises(
        ValueError, match=r"made already; envs.make\(function, 8\), of the function"
    ):
        use(gymnasium.make("CartPole-v1"))


class Listing(Good):
    observation_space = gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(3))


WRONG = {
    "not a number": (
        stepping((np.full(2, np.nan, np.float32), 0.0, False, False, {})),
        "not finite",
    ),
    "None": (stepping((None, 0.0, False, False, {})), "gave an observation of None"),
    "shape": (stepping((np.zeros(3, np.float32), 0.0, False, False, {})), "of shape (3,)"),
    "hanging": (stepping(lambda: time.sleep(60)), "step took more than 0.5 s"),
    "seeds": (Forgetful, "the same seed and actions gave another observation at step 0"),
    "space": (Listing, "has observations in Sequence"),
    "nothing": ("Nowhere-v0", "no environment can be made of 'Nowhere-v0'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    env, said = WRONG[name]
    report = check_env(env, num_steps=20, deadline=0.5 if name == "hanging" else 60)
    assert not report.ok and said in repr(report), repr(report)
    assert "<b>wrong" in report._repr_html_()


@pytest.mark.parametrize(
    ("outcome", "what", "said"),
    [((np.full(2, 7, np.float32), 0.0, False, True, {}), "bounds", "was 7 at step 0"),
     ((OBSERVATION, 0.0, True, True, {}), "endings", "of which 20 both"),
     ((OBSERVATION, 0.0, False, False, {}), "endings", "no episode ended in 20 steps")],
)  # fmt: skip
def test_what_is_odd_is_noted(outcome, what, said):
    report = check_env(stepping(outcome), num_steps=20)
    (found,) = (finding for finding in report.findings if finding.check == what)
    assert report.ok and found.verdict == "note" and said in found.message


class Parts(Good):
    """Observations of two boxes and a choice, in which the second box lies in a tuple."""

    factor = 1
    observation_space = gymnasium.spaces.Dict(
        a=gymnasium.spaces.Box(0, 1, (2,)),
        b=gymnasium.spaces.Tuple([gymnasium.spaces.Box(-1, 0, (1,)), gymnasium.spaces.Discrete(3)]),
    )

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return self.step(0)[0], {}

    def step(self, action):
        ones = np.ones(2, np.float32)
        observation = {"a": ones, "b": (-ones[:1] * self.factor, 2)}
        return observation, *super().step(action)[1:]


def test_each_box_of_an_observation_has_bounds():
    (found,) = (x for x in check_env(Parts, num_steps=5).findings if x.check == "bounds")
    assert (found.verdict, found.message) == ("ok", "observations in [-1, 1]")
    wrong = type("Wrong", (Parts,), {"factor": 100})
    (found,) = (x for x in check_env(wrong, num_steps=5).findings if x.check == "bounds")
    text = "observation b.0 (0,) was -100 at step 0, and its space says otherwise"
    assert (found.verdict, found.message) == ("note", text)


@pytest.mark.parametrize("deadline", [float("inf"), 1e300])
def test_a_deadline_may_be_for_ever(deadline):
    assert check_env(Good, num_steps=5, deadline=deadline).ok


def test_the_recipes_that_go_with_an_environment_are_named_and_why_others_do_not():
    """Bits are flipped by choices, which TD3 does not make."""
    (fits,) = (
        x.message for x in check_env(envs.bit_flipping(2, 3), 20).findings if x.check == "recipes"
    )
    head, *reasons = fits.split("; ")
    assert "dqn" in head and "sac" in head and "td3" not in head
    assert any(text.startswith("td3") and "discrete actions" in text for text in reasons)


class Choosy(Good):
    """Of three actions the mask forbids the first."""

    action_space = gymnasium.spaces.Discrete(3)
    mask = np.array([0, 1, 1], np.int8)

    def reset(self, seed=None, options=None):
        return super().reset(seed=seed)[0], {"action_mask": self.mask}

    def step(self, action):
        assert action != 0
        return *super().step(action)[:4], {"action_mask": self.mask}


def with_mask(given):
    class Other(Choosy):
        mask = given

    return Other


def test_what_masks_allow_is_counted_and_no_forbidden_action_is_tried():
    report = check_env(Choosy, num_steps=30)
    (found,) = (x for x in report.findings if x.check == "masks")
    assert report.ok and found.message == "67% of actions were allowed, at least 2 of 3 at once"
    (fits,) = (x.message for x in report.findings if x.check == "recipes")
    assert {"ppo", "dqn", "sac"} <= set(fits.split(";")[0].split(", "))
    (free,) = (x for x in check_env(with_all_allowed(), 30).findings if x.check == "masks")
    assert free.verdict == "note" and free.message == "all actions were allowed in all of 30 steps"


def with_all_allowed():
    class Free(Choosy):
        mask = np.ones(3, np.int8)

        def step(self, action):
            return *Good.step(self, action)[:4], {"action_mask": self.mask}

    return Free


@pytest.mark.parametrize(
    ("mask", "said"),
    [(np.ones(2, bool), "has 3 flags"), (np.array([0.5, 1, 1]), "has 3 flags"),
     (np.zeros(3, bool), "forbade all 3 actions by its action_mask after step 0")],
)  # fmt: skip
def test_what_is_wrong_with_a_mask_is_said(mask, said):
    report = check_env(with_mask(mask), num_steps=20)
    assert not report.ok and said in repr(report)


def test_masks_in_torch_that_forbid_everything_are_wrong():
    space = gymnasium.spaces
    env = envs.cartpole(2)

    def masked(observation):
        return {"observation": observation, "action_mask": torch.zeros(2, 2).bool()}

    def reset(seed):
        state, observation = env.reset(seed)
        return state, masked(observation)

    def step(state, action):
        state, observation, outcome = env.step(state, action)
        outcome = outcome._replace(observation=masked(outcome.observation))
        return state, masked(observation), outcome

    both = space.Dict({"observation": env.observation_space, "action_mask": space.MultiBinary(2)})
    wrong = env._replace(reset=reset, step=step, observation_space=both, physics=None, many=None)
    (found,) = (x for x in check_env(wrong, num_steps=20).findings if x.check == "masks")
    assert found.verdict == "wrong" and "forbids every action before step 0" in found.message
    three = space.Dict({"observation": env.observation_space, "action_mask": space.MultiBinary(3)})
    report = check_env(wrong._replace(observation_space=three), num_steps=20)
    assert "action_mask of shape (3,); its actions in Discrete(2) take one of shape (2,)" in repr(
        report
    )


def test_what_is_told_of_episodes_is_counted():
    """Each fifth step ends a ramp of two, and tells its level, 35."""
    env = envs.make("Ramp-v0", 2, info_keywords=("level", "lives"))
    found = [x for x in check_env(env, num_steps=20).findings if x.check == "infos"]
    assert [x.message for x in found] == [
        "8 of 8 episodes told level: mean 35 in [35, 35]",
        "none of 8 episodes told lives",
    ]
    assert [x.verdict for x in found] == ["ok", "note"]


def test_a_success_that_is_no_share_is_noted():
    report = check_env(stepping((OBSERVATION, 0.0, True, False, {"is_success": 5})), num_steps=20)
    (found,) = (finding for finding in report.findings if finding.check == "infos")
    assert report.ok and found.verdict == "note" and "a success is 1" in found.message


def test_what_a_function_takes_along_is_said():
    """A million floats are 4 MB; a lambda alone is none of that."""
    small, large = 3, np.zeros(1_000_000, np.float32)
    light = check_picklable(lambda x: x + small)
    assert light.ok and light.size < 2_000 and light.captured[0][0] == "it.small"
    heavy = check_picklable(lambda x: x + large)
    assert not heavy.ok and repr(heavy).startswith("it.large takes 4 MB, which would be sent")


def test_what_cannot_be_sent_is_named():
    held = iter([]), (x for x in range(3))
    report = check_picklable(lambda: held, "make")
    assert not report.ok and report.problem.startswith("make.held[1] cannot be sent to a worker")


def reusing(kind):
    """CartPole, whose steps write into one buffer, or into what they were given."""
    env, buffer = envs.cartpole(2), torch.zeros(2, 4)

    def reset(seed):
        state, observation = env.reset(seed)
        return state, buffer.copy_(observation) if kind == "observation" else observation

    def step(state, action):
        state, observation, outcome = env.step(state, action)
        if kind == "action":
            action.zero_()
        if kind == "observation":
            observation = buffer.copy_(observation)
        if kind == "a view of an array":
            array = buffer.numpy()
            array[:] = observation
            observation = torch.from_numpy(array)
        if kind == "what was reached":
            outcome = outcome._replace(observation=buffer.copy_(outcome.observation))
        if kind == "reward":
            outcome = outcome._replace(reward=buffer[:, 0].copy_(outcome.reward * state.time))
        if kind == "flag":
            flags.copy_(outcome.terminated)
            outcome = outcome._replace(terminated=flags)
        return state, observation, outcome

    flags = torch.zeros(2).bool()
    return env._replace(reset=reset, step=step, save=None, load=None, physics=None, many=None)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("action", "the action"), ("observation", "the observation of reset, an observation"),
     ("a view of an array", "an observation"), ("what was reached", "an observation"),
     ("reward", "a reward"), ("flag", "a flag")],
)  # fmt: skip
def test_a_step_that_writes_into_what_a_rollout_keeps_is_wrong(kind, said):
    report = check_env(reusing(kind), num_steps=100)
    assert not report.ok and f"step writes into {said}" in repr(report)
    assert check_env(reusing("nothing"), num_steps=100).ok

"""Recorded data: datasets of arrays, the source ``recorded``, and batches of a dataset beside a replay."""

from copy import deepcopy
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from tensordict import TensorDict

from nappo2 import (
    PPO,
    SAC,
    collect_of,
    dataset,
    envs,
    from_minari,
    generator,
    load_dataset,
    map_items,
    ppo,
    prioritized_replay,
    record,
    recorded,
    replay,
    replay_with,
    sac,
    save_dataset,
    trees,
    with_recorded,
    with_returns,
)
from nappo2.envs.actions import action_spec
from nappo2.envs.space_arrays import actions_from, observations_from
from nappo2.params import make_params
from nappo2.stages import n_step
from nappo2.stages.recording.minari import episodes_of
from tests.makers.environments import Rooms
from tests.makers.recorded import chain

SMALL_PPO = PPO(num_steps=16, num_minibatches=2, hidden=(8,))


def params_without_weights():
    return make_params(TensorDict(w=torch.zeros(1)))


def test_columns_become_transitions():
    data = dataset(chain(3))
    assert data.batch_size == (3,) and data["observation"].tolist() == [[0], [1], [2]]
    assert data["next", "observation"].tolist() == [[1], [2], [3]]
    assert (
        data["next", "done"].tolist() == [False, False, True] == data["next", "terminated"].tolist()
    )
    assert not data["next", "truncated"].any() and data["action"].dtype == torch.int64


def test_episodes_end_with_their_last_step_which_is_truncated_unless_it_terminates():
    """Two episodes of 2 and 1 steps; the second terminates."""
    data = dataset(
        [
            {"observation": np.array([[0.0], [1], [2]]), "action": [0, 1], "reward": [1.0, 2.0]},
            {"observation": [[5.0], [6]], "action": [1], "reward": [3], "terminated": [True]},
        ]
    )
    assert data["next", "observation"].flatten().tolist() == [1, 2, 6]
    assert data["next", "truncated"].tolist() == [False, True, False]
    assert data["next", "terminated"].tolist() == [False, False, True]
    assert data["next", "done"].tolist() == [False, True, True]


EPISODE = {"observation": [[0.0], [1.0], [2.0]], "action": [0, 1], "reward": [1.0, 1.0]}
WRONG = {
    "have the column 'observation', which is missing": {},
    "have no column 'truncations', which nothing reads": chain(3) | {"truncations": [0, 0, 1]},
    "have one length, not": chain(3) | {"reward": torch.ones(2)},
    "next/reward of the dataset has numbers that are not finite": chain(3)
    | {"reward": torch.tensor([1, torch.nan, 1])},
    r"next/reward of a dataset is float32 \[N\], not float32 \[N, 1\]": chain(3)
    | {"reward": torch.ones(3, 1)},
    r"next/terminated of a dataset is bool \[N\], not bool \[N, 1\]": chain(3)
    | {"terminated": torch.ones(3, 1)},
    "terminated is True or False in each row": chain(3) | {"terminated": [0.0, np.nan, 1.0]},
    r"observations of a dataset are float32 \[N, 1\], and the next ones float32 \[N, 2\]": chain(3)
    | {"next_observation": torch.ones(3, 2)},
    "the rows of the column 'observation' have different shapes": chain(3)
    | {"observation": [[0.0], [1.0, 2.0], [3.0]]},
    "the column 'reward' is an array of rows of numbers, not 1.0": chain(3) | {"reward": 1.0},
    "of episode 0, the column 'reward' is an array of rows of numbers, not 2.0": [
        EPISODE | {"reward": 2.0}
    ],
    "of episode 0, the column 'reward' is an array of rows of numbers, not None": [
        EPISODE | {"reward": None}
    ],
    "the column 'observation' is an array of rows of numbers, not an array of object": chain(3)
    | {"observation": np.zeros((3, 1), object)},
    "the column 'observation' has no parts": [EPISODE | {"observation": {}}],
    "the column 'action' has no parts": [EPISODE | {"action": ()}],
    "reward is a number in each row, and holds texts": chain(3) | {"reward": ["a", "b", "c"]},
    "reward is a number in each row, and holds parts": chain(3) | {"reward": {"a": [1, 2, 3]}},
    "terminated is True or False in each row, and holds texts": chain(3)
    | {"terminated": ["a", "b", "c"]},
    "truncated is True or False in each row, and holds parts": chain(3)
    | {"truncated": {"a": [0, 0, 1]}},
    "a column of texts needs env": chain(3) | {"observation": ["a", "b", "c"]},
    "a dataset is transitions .N., at least one": {key: x[:0] for key, x in chain(3).items()},
    "at least one episode": [],
    "of episode 0, there are 2 rewards and 2 observations": [
        EPISODE | {"observation": [[0.0], [1.0]]}
    ],
    "of episode 1, there is no step": [
        EPISODE,
        {"observation": [[0.0]], "action": [], "reward": []},
    ],
    "of episode 0, terminated is set at step 0, and there are 2": [
        EPISODE | {"terminated": [True, False]}
    ],
    r"of episode 1, observation is float32 \[N, 2\], and that of the first float32 \[N, 1\]": [
        EPISODE,
        EPISODE | {"observation": [[0.0, 1.0]] * 3},
    ],
    r"of episode 1, action is float32 \[N\], and that of the first int64 \[N\]": [
        EPISODE,
        EPISODE | {"action": [0.0, 1.0]},
    ],
}
"""What makes no dataset, by what is said of it."""


@pytest.mark.parametrize("name", ["terminated", "truncated", "action"])
@pytest.mark.parametrize("length", [0, 1, 3, 5])
def test_columns_of_an_episode_are_as_long_as_its_rewards(name, length):
    with pytest.raises(ValueError, match=f"of episode 0, .*have one length, not .*{name} {length}"):
        dataset([EPISODE | {name: [0] * length}])


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_a_dataset_is_said_in_one_sentence(text):
    with pytest.raises(ValueError, match=text):
        dataset(WRONG[text])


def test_a_tuple_of_numbers_is_a_column_and_one_of_arrays_has_parts():
    data = dataset(chain(2) | {"reward": (0.5, 1.0), "terminated": (False, True)})
    assert data["next", "reward"].tolist() == [0.5, 1.0]
    parts = dataset(chain(2) | {"action": ([0, 1], [[0.5], [1.5]])})["action"]
    assert parts["0"].tolist() == [0, 1] and parts["1"].tolist() == [[0.5], [1.5]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_floats_of_every_kind_become_float32(dtype):
    columns = chain(3)
    for name in ("observation", "next_observation", "reward"):
        columns[name] = columns[name].to(dtype)
    data = dataset(columns)
    assert data["observation"].dtype == data["next", "reward"].dtype == torch.float32
    assert data["observation"].tolist() == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("value_target", torch.zeros(3, 1), r"float32 \[N\], not float32 \[N, 1\]"),
        ("value_target", torch.zeros(3, 3), r"float32 \[N\], not float32 \[N, 3\]"),
        ("value_target", torch.zeros(3).double(), r"float32 \[N\], not float64 \[N\]"),
        ("action_log_prob", torch.zeros(3, 1), r"float32 \[N\], not float32 \[N, 1\]"),
        ("importance", torch.zeros(3, 1), r"float32 \[N\], not float32 \[N, 1\]"),
        ("mask", torch.ones(3), r"bool \[N\], not float32 \[N\]"),
        (("next", "steps"), torch.ones(3, 1), r"float32 \[N\], not float32 \[N, 1\]"),
    ],
)
def test_what_losses_read_as_one_number_of_a_transition_is_one(name, wrong, right):
    """A column [N, 1] would be spread over all pairs of a batch, and their mean learnt."""
    data = dataset(chain(3))
    data[name] = wrong
    key = name if isinstance(name, str) else "/".join(name)
    with pytest.raises(ValueError, match=f"{key} of a dataset is {right}"):
        recorded(data)


def two_episodes():
    """Of three and two steps, the second one cut off."""
    first = {"observation": [[0.0], [1.0], [2.0], [3.0]], "action": [0] * 3, "reward": [1.0, 2, 3]}
    second = {"observation": [[7.0], [8.0], [9.0]], "action": [0] * 2, "reward": [4.0, 5.0]}
    return dataset([first | {"terminated": [0, 0, 1]}, second])


@pytest.mark.parametrize(
    ("order", "row"),
    [([1, 0, 2, 3, 4], 0), ([0, 1, 3, 4, 2], 1), ([4, 3, 2, 1, 0], 1), ([0, 2], 0)],
)
def test_returns_of_rows_that_do_not_follow_one_another_are_refused(order, row):
    with pytest.raises(
        ValueError, match=f"row {row} of the dataset is not done, and row {row + 1}"
    ):
        with_returns(two_episodes()[order], 0.5)


def test_minaris_episodes_are_of_rows_that_follow_one_another():
    """In their order they have 4 and 3 observations; without row 1, that of row 0 would lead to 2."""
    env, data = envs.cartpole(1), two_episodes()
    assert [len(episode["observations"]) for episode in episodes_of(data, env)] == [4, 3]
    for order in ([0, 2, 3, 4], [1, 0, 2, 3, 4]):
        with pytest.raises(
            ValueError, match=r"row 0 of the dataset is not done.*: Minari keeps episodes"
        ):
            next(episodes_of(data[order], env))


@pytest.mark.parametrize(
    ("order", "returns"),
    [
        ([0, 1, 2, 3, 4], [2.75, 3.5, 3.0, 6.5, 5.0]),
        ([3, 4, 0, 1, 2], [6.5, 5.0, 2.75, 3.5, 3.0]),
        ([1, 2, 3, 4], [3.5, 3.0, 6.5, 5.0]),
        ([2, 4, 1], [3.0, 5.0, 2.0]),
        ([0], [1.0]),
    ],
)
def test_episodes_may_stand_in_any_order_and_begin_later(order, returns):
    """What would have followed the last row counts nothing."""
    assert with_returns(two_episodes()[order], 0.5)["value_target"].tolist() == returns


def test_returns_look_at_all_parts_of_observations():
    columns = chain(3)
    for name in ("observation", "next_observation"):
        columns[name] = {"a": columns[name], "b": torch.zeros(3, 2)}
    data = dataset(columns)
    assert with_returns(data, 1.0)["value_target"].tolist() == [3, 2, 1]
    data["next", "observation", "b"][0, 1] = 1
    with pytest.raises(ValueError, match="row 0 of the dataset is not done"):
        with_returns(data, 1.0)


ROLLOUT = {
    "observation": torch.zeros(4, 2, 3),
    "action": torch.zeros(4, 2).long(),
    "next": {
        "observation": torch.zeros(4, 2, 3),
        "reward": torch.zeros(4, 2),
        "terminated": torch.zeros(4, 2).bool(),
        "truncated": torch.zeros(4, 2).bool(),
    },
}


@pytest.mark.parametrize("name", [("action",), *(("next", key) for key in ROLLOUT["next"])])
def test_keys_that_rollouts_lack_are_named(name):
    rollout = TensorDict(ROLLOUT, batch_size=(4, 2))
    assert len(dataset(rollout)) == 8
    with pytest.raises(ValueError, match=f"rollouts have the key '{'/'.join(name)}'"):
        dataset(rollout.exclude(name))


@pytest.mark.parametrize("index", [(0, 0), slice(0), (slice(None), slice(0)), (None, None)])
def test_rollouts_of_other_shapes_are_refused(index):
    with pytest.raises(ValueError, match=r"rollouts are .*, as collect yields them, or"):
        dataset(TensorDict(ROLLOUT, batch_size=(4, 2))[index])


@pytest.mark.parametrize("name", ["mask", ("next", "terminated"), ("next", "truncated")])
def test_flags_of_rollouts_are_bools(name):
    rollout = TensorDict(ROLLOUT, batch_size=(4, 2)).clone()
    rollout[name] = torch.ones(4, 2)
    key = name if isinstance(name, str) else "/".join(name)
    with pytest.raises(ValueError, match=f"{key} of rollouts is bool, .*, not float32"):
        dataset(rollout)


def test_actions_are_recorded_as_the_environment_did_them():
    """A policy with a standard deviation of e gives actions beyond 1 and -1, to which they are clipped."""
    recipe = ppo(envs.pendulum(2), PPO(num_steps=16, num_minibatches=2, initial_log_std=1.0))
    params, source = recipe.init(0), collect_of(recipe)
    _, rollout, _ = source.step(params, source.init(params, 0))
    given = rollout["action"].transpose(0, 1).flatten(0, 1)
    assert (given.abs() > 1).any()
    assert (record(source, params, 32)["action"] == given.clamp(-1, 1)).all()
    assert (record(source, params, 32)["action_log_prob"].isfinite()).all()
    assert (dataset(rollout)["action"] == given).all()
    assert (dataset(rollout, envs.pendulum(1))["action"] == given.clamp(-1, 1)).all()


OF_ONE = {"observation": torch.zeros(2, 3), "reward": torch.zeros(2), "terminated": [0, 1]}
OF_ONE["next_observation"] = OF_ONE["observation"]
CHOICE, TWO = torch.tensor([0, 1]), torch.zeros(2, 2)


@pytest.mark.parametrize("action", [CHOICE, CHOICE[:, None], TWO, TWO[:, 0], {"a": TWO}])
@pytest.mark.parametrize(
    "space",
    [Box(-1, 1, (3,)), Dict(a=Discrete(2), b=Box(-1, 1, (1,))), Tuple((Box(-1, 1, (1,)),) * 3)],
)
def test_rollouts_of_another_environment_are_refused(action, space):
    env = envs.pendulum(1)._replace(action_space=space)
    with pytest.raises(ValueError, match=r"actions of the dataset are .* and those of pendulum"):
        dataset(dataset(OF_ONE | {"action": action}), env)
    other = envs.pendulum(1)._replace(observation_space=Box(-1, 1, (4,)))
    with pytest.raises(ValueError, match="observations of the dataset are"):
        dataset(dataset(OF_ONE | {"action": TWO[:, :1]}), other)


def test_returns_of_transitions_stay_when_their_actions_are_clipped():
    data = dataset(OF_ONE | {"action": torch.tensor([[2.0], [0.0]])})
    within = dataset(with_returns(data, 0.9), envs.pendulum(1))
    assert within["action"].tolist() == [[1], [0]] and "value_target" in within.keys()


def test_only_numbers_with_bounds_are_clipped_to_them():
    some = Box(np.array([-1, -np.inf, 0], np.float32), np.array([3, np.inf, np.inf], np.float32))
    actions = torch.tensor([[5.0, 5.0, -5.0]])
    assert action_spec(some).within(actions).tolist() == [[1, 5, 0]]
    both = action_spec(Dict(a=Discrete(7), b=some))
    clipped = both.within({"a": torch.tensor([6]), "b": actions})
    assert clipped["a"].tolist() == [6] and clipped["b"].tolist() == [[1, 5, 0]]
    joint = action_spec(Tuple((Box(-2, 2, (2, 1)), some)))
    wide = torch.tensor([[9.0, -0.5, 5.0, 5.0, -5.0]])
    assert joint.within(wide).tolist() == [[1, -0.5, 1, 5, 0]]


def test_integers_are_rounded_to_those_that_the_environment_did():
    """Of -3 to 7 the middle is 2, and 0.1 is half of a step."""
    spec = action_spec(Box(-3, 7, (1,), np.int64))
    given = torch.tensor([[-1.5], [-0.95], [0.05], [0.11], [0.3], [1.0]])
    done = spec.within(given)
    assert torch.allclose(done.flatten(), torch.tensor([-1, -1, 0, 0.2, 0.4, 1.0]))
    assert (spec.to_env(done) == spec.to_env(given)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64])
def test_integers_are_done_once_they_are_rounded(dtype):
    """Also of the widest range that a dtype has, and on both sides of one with a fixed number."""
    whole = np.iinfo(dtype)
    for low, high in [(whole.min, whole.max), (whole.max - 1, whole.max), (3, 3), (0, 7)]:
        spec = action_spec(Box(low, high, (4,), dtype))
        done = spec.within(spec.uniform(64, generator(0)))
        assert torch.equal(spec.within(done), done)


def test_masked_transitions_are_left_out_and_end_what_was_before_them():
    """Of a chain of four the third is masked: the second is cut off, as its next one is not there."""
    data = dataset(chain(4))
    data["mask"] = torch.tensor([True, True, False, True])
    again = dataset(data)
    assert again["observation"].flatten().tolist() == [0, 1, 3]
    assert again["next", "truncated"].tolist() == [False, True, False]
    assert again["next", "done"].tolist() == [False, True, True]


@pytest.mark.parametrize(
    "space",
    [
        Discrete(3, start=5),
        Box(-2, 6, (2, 2)),
        Box(np.array([0, -1], np.float32), np.array([0, 1], np.float32)),
        Box(-3, 7, (2,), np.int64),
        Box(0, 255, (2,), np.uint8),
        Box(np.array([4, -1], np.int32), np.array([4, 2], np.int32)),
        Box(np.array([-np.inf, 0], np.float32), np.array([np.inf, 1], np.float32)),
        MultiDiscrete([2, 3]),
        MultiBinary(3),
        Tuple([Discrete(2), MultiDiscrete([2, 3])]),
        Dict(b=Box(-2, 6, (2,)), a=Box(0, 1, (1,))),
        Dict(way=Discrete(2), far=Tuple([Box(0, 9, (1,)), Discrete(3, start=1)])),
    ],
    ids=str,
)
def test_actions_of_a_space_are_those_that_a_policy_gave(space):
    spec = action_spec(space)
    actions = spec.within(spec.uniform(5, generator(0)))
    again = actions_from(space, columns_of(space, spec.to_env(actions)))
    assert spec.fits(again, 5)
    for ours, theirs in zip(trees.leaves(again), trees.leaves(actions), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
    for ours, theirs in zip(trees.leaves(spec.within(again)), trees.leaves(again), strict=True):
        assert torch.equal(ours, theirs)  # so that a dataset of them is accepted


def columns_of(space, actions):
    """Actions of a space, one for each environment, as columns by name."""
    if isinstance(space, Tuple):
        parts = enumerate(space.spaces)
        return {str(i): columns_of(part, [x[i] for x in actions]) for i, part in parts}
    if isinstance(space, Dict):
        return {key: columns_of(x, [a[key] for a in actions]) for key, x in space.spaces.items()}
    return np.asarray(actions)


@pytest.mark.parametrize(
    ("space", "actions", "text"),
    [
        (Discrete(3), [0, 3], "a recorded action is 3, which is not in Discrete"),
        (Discrete(3), [0, 0.5], "a recorded action is 0.5, which is not in"),
        (Discrete(3), [[0], [1]], r"are \[N\], not \[2, 1\]"),
        (MultiDiscrete([2, 3]), [[1, 3]], "a recorded action is 3"),
        (Box(-1, 1, (2,)), [[0.0], [1.0]], r"are \[N, 2\], not \[2, 1\]"),
        (Box(-1, 1, (1,)), [[0.0], [1.5]], "within 0 and 1.5, which is not in Box"),
        (Dict(a=Discrete(2)), {"b": [0]}, "have the parts a, by name"),
        (Discrete(2), ["left", "right"], r"are numbers, not <U5"),
        (Box(-1, 1, (1,)), [["a"], ["b"]], r"are numbers, not <U1"),
        (Discrete(2), {"a": [0]}, "are an array, and have no parts"),
        (
            Box(np.array([0, -1], np.float32), np.array([0, 1], np.float32)),
            [[0.0, 1.0], [0.5, 0.0]],
            "which is not in Box",
        ),
    ],
)
def test_actions_that_are_not_of_the_space_are_refused(space, actions, text):
    with pytest.raises(ValueError, match=text):
        actions_from(space, actions)


def test_observations_of_a_simulator_are_batched_as_its_environment_does():
    """FrozenLake tells numbers from 0, of which a batch is one-hot or integers, as its spec says."""
    env = envs.make("FrozenLake-v1", 2)
    _, observation = env.reset(0)
    assert torch.equal(observations_from(env.observation_spec, np.zeros(2, int)), observation)


def test_observations_of_several_parts_are_columns_by_name():
    """Of a space with images, switches and choices, as its environment batches them row by row."""
    env = envs.from_gym(Rooms, 1)
    rows = [env.observation_space.sample() for _ in range(3)]
    batch = observations_from(env.observation_spec, columns_of(env.observation_space, rows))
    spec = env.observation_spec
    for i, row in enumerate(rows):
        alone = spec.unpack(torch.from_numpy(spec.pack(row).copy())[None])
        for x, y in zip(trees.leaves(batch), trees.leaves(alone), strict=True):
            assert torch.equal(x[i], y[0])


class Camera(gymnasium.Env):
    """Images [H, W, C], alone or beside numbers, whose pixels tell the step."""

    action_space = Discrete(2)

    def __init__(self, space):
        self.observation_space = deepcopy(space)  # which draws alone

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(3)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


IMAGE = Box(0, 255, (8, 6, 3), np.uint8)


@pytest.mark.parametrize(
    "space",
    [
        IMAGE,
        Box(0, 255, (9, 8, 1), np.uint8),
        Box(0, 255, (4, 8, 6, 3), np.uint8),
        Dict(camera=IMAGE, state=Box(-1, 1, (2,))),
        Tuple([Discrete(3), IMAGE]),
        Dict(both=Dict(a=IMAGE, b=Discrete(2)), c=Box(0, 255, (3, 8, 9), np.uint8)),
    ],
    ids=str,
)
def test_images_of_a_simulator_are_batched_with_their_channels_first(space):
    """As its environment does; arrays in which they are first already stay."""
    env = envs.from_gym(partial(Camera, space), 1)
    state, observation = env.reset(0)
    simulator = Camera(space)
    rows = [simulator.reset()[0], *(simulator.step(0)[0] for _ in range(2))]
    episode = {"observation": columns_of(space, rows), "action": [0, 1], "reward": [0.0, 0.0]}
    batch = dataset([episode], env)["observation"]
    shown = [observation, env.step(state, torch.tensor([0]))[1]]
    for i, one in enumerate(shown):
        pairs = zip(trees.leaves(named_parts(batch)), trees.leaves(named_parts(one)), strict=True)
        assert all(torch.equal(ours[i], theirs[0]) for ours, theirs in pairs)
    if env.observation_spec.kind == "images":
        first = env.observation_spec.shape
        turned = dataset([episode | {"observation": np.zeros((3, *first), np.uint8)}], env)
        assert turned["observation"].shape == (2, *first)


def named_parts(x):
    """An observation as nested dictionaries."""
    return x.to_dict() if isinstance(x, TensorDict) else x


@pytest.mark.parametrize(
    ("space", "rows", "text"),
    [
        (
            Box(0, 255, (4,), np.uint8),
            [[300] * 4] * 3,
            "have numbers of int64 that are not of uint8",
        ),
        (Box(0, 1, (2,)), [["a", "b"]] * 3, "have values of <U1, which are no numbers"),
        (Dict(a=Discrete(2), b=Discrete(2)), {"a": [0] * 3}, "have parts a, and not a, b"),
        (Discrete(2), [0, 1, 2], "have 2, which is not in Discrete"),
    ],
)
def test_observations_that_are_not_of_the_space_are_refused(space, rows, text):
    env = envs.pendulum(1)._replace(observation_space=space, bare_space=None)
    episode = {"observation": rows, "action": [[0.0]] * 2, "reward": [0.0, 0.0]}
    with pytest.raises(ValueError, match=f"of episode 0, recorded observations {text}"):
        dataset([episode], env)


def test_arrays_with_actions_that_masks_forbid_are_refused():
    env = envs.masked_cartpole(1)._replace(
        observation_space=Dict(observation=Box(-1, 1, (1,)), action_mask=MultiBinary(2))
    )
    mask = [[1, 0], [1, 1], [1, 1]]
    observation = {"observation": [[0.0], [0.5], [1.0]], "action_mask": mask}
    episode = {"observation": observation, "action": [0, 1], "reward": [0.0, 0.0]}
    assert len(dataset([episode], env)) == 2
    with pytest.raises(ValueError, match="1 actions of the dataset are forbidden by the masks"):
        dataset([episode | {"action": [1, 1]}], env)


class Episode:
    """As Minari's EpisodeData."""

    observations = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    actions, rewards = np.array([[2.0], [-1]]), np.array([0.5, 1.5])
    terminations, truncations = np.array([False, False]), np.array([False, True])


class Data:
    """As Minari's MinariDataset."""

    def iterate_episodes(self):
        return iter([Episode(), Episode()])


def test_episodes_of_minari_are_scaled_as_the_environment_does():
    """Pendulum's torques are within -2 and 2."""
    data = from_minari(Data(), envs.pendulum(1))
    assert data["action"].flatten().tolist() == [1, -0.5] * 2
    assert data["next", "truncated"].tolist() == [False, True] * 2
    assert data["next", "observation"][0].tolist() == [0, 1, 0]


def test_recording_is_collecting():
    recipe = ppo(envs.cartpole(2), SMALL_PPO)
    source, params = collect_of(recipe), recipe.init(0)
    data = record(source, params, 32, seed=3)
    _, rollout, _ = source.step(params, source.init(params, 3))
    assert len(data) == 32
    assert torch.equal(data["observation"][:16], rollout["observation"][:, 0])
    assert torch.equal(data["action"][16:], rollout["action"][:, 1])
    assert data["next", "done"][15] and data["next", "done"][31]  # where the rollout ends


def test_episodes_are_recorded_whole():
    recipe = ppo(envs.cartpole(3), SMALL_PPO)
    data = record(collect_of(recipe), recipe.init(0), episodes=4)
    done = data["next", "done"]
    assert done.sum() == 4 and done[-1]
    goes_on = ~done[:-1]
    assert torch.equal(data["next", "observation"][:-1][goes_on], data["observation"][1:][goes_on])


def test_a_dataset_is_read_as_it_was_written(tmp_path):
    data = dataset(chain())
    path = save_dataset(data, tmp_path / "data.npz")
    again = load_dataset(path)
    assert (again == data).all() and again.batch_size == data.batch_size
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="holds no dataset of nappo2, or is damaged"):
        load_dataset(path)


@pytest.mark.parametrize("name", ["observation", "action", "next"])
def test_a_dataset_without_a_part_is_not_written(name, tmp_path):
    with pytest.raises(ValueError, match=f"has the parts observation, .*, and {name} is missing"):
        save_dataset(dataset(chain()).exclude(name), tmp_path / "data.npz")
    assert not list(tmp_path.iterdir())


def test_a_dataset_of_nothing_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"at least one transition, and .* has no rows"):
        save_dataset(dataset(chain())[:0], tmp_path / "data.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"next": np.zeros(3)}, "next of a dataset has parts, such as next/reward"),
        ({"next/reward": np.zeros(3), "action": np.zeros(())}, "action has a single number"),
        ({"next/reward": np.zeros(0), "action": np.zeros(0)}, "has no rows"),
        ({"next/reward": np.zeros(4)}, "holds columns of different lengths"),
    ],
)
def test_a_file_that_holds_no_transitions_is_refused(columns, text, tmp_path):
    whole = {"observation": np.zeros((3, 2)), "action": np.zeros(3)}
    np.savez(tmp_path / "data.npz", **(whole | columns))
    with pytest.raises(ValueError, match=text):
        load_dataset(tmp_path / "data.npz")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", observation=np.array([print], object), action=0, next=0)
    with pytest.raises(ValueError, match="holds no dataset"):
        load_dataset(tmp_path / "data.npz")


def test_the_source_yields_all_of_a_dataset_and_counts_nothing():
    params, pipe = params_without_weights(), recorded(dataset(chain(4)))
    _, item, report = pipe.step(params, pipe.init(params, 0))
    assert item["observation"].flatten().tolist() == [0, 1, 2, 3] and not report.sums
    assert item["params_version"].tolist() == [0] * 4


def test_replay_samples_all_of_a_dataset_evenly():
    """Of 6 transitions each comes some 1,000 times in 6,000; five deviations are 150."""
    params, pipe = params_without_weights(), recorded(dataset(chain(6))) | replay(10, 6_000)
    _, batch, _ = pipe.step(params, pipe.init(params, 0))
    counts = batch["observation"].flatten().long().bincount()
    assert (counts - 1_000).abs().max() < 150 and batch.batch_size == (6_000,)
    assert torch.equal(batch["next", "observation"], batch["observation"] + 1)


def test_what_needs_rollouts_or_env_steps_does_not_stand_right_of_recorded():
    source = recorded(dataset(chain()))
    with pytest.raises(ValueError, match="prioritized_replay does not stand right of recorded"):
        source | prioritized_replay(10, 2, priority=lambda params, batch: batch["next", "reward"])
    with pytest.raises(ValueError, match="n_step does not stand right of recorded"):
        source | n_step(3)


def test_half_of_a_batch_is_recorded():
    env = envs.pendulum(2)
    data = record(collect_of(sac(env)), sac(env).init(0), 4)
    data["next"]["reward"].fill_(100.0)
    config = SAC(num_steps=4, batch_size=9, start_steps=8, hidden=(8,))
    recipe = sac(env, config, replay=partial(replay_with, data))
    pipe = collect_of(recipe) | recipe.batches(1) | map_items(lambda params, batch: batch)
    params = recipe.init(0)
    _, batch, _ = pipe.step(params, pipe.init(params, 0))
    is_recorded = batch["next", "reward"] == 100
    assert is_recorded.tolist() == [False] * 5 + [True] * 4
    assert batch["next_noise"].shape == (9, 1)


@pytest.mark.parametrize(("share", "num"), [(0.5, 4), (0.9, 8), (0.99, 8), (0.01, 1)])
def test_a_share_of_a_batch_is_recorded_and_at_least_one_of_each(share, num):
    env = envs.pendulum(2)
    data = record(collect_of(sac(env)), sac(env).init(0), 4)
    data["next"]["reward"].fill_(100.0)
    pipe = collect_of(sac(env, SAC(num_steps=4))) | replay_with(data, 16, 9, recorded_share=share)
    params = sac(env).init(0)
    _, batch, _ = pipe.step(params, pipe.init(params, 0))
    assert (batch["next", "reward"] == 100).sum() == num and len(batch) == 9


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_a_share_of_all_or_nothing_is_no_mixture(share):
    data = record(collect_of(sac(envs.pendulum(2))), sac(envs.pendulum(2)).init(0), 4)
    with pytest.raises(ValueError, match=r"recorded_share is .*, not "):
        replay_with(data, 16, 9, recorded_share=share)


def test_keys_that_a_dataset_lacks_are_named():
    env = envs.pendulum(1)
    recipe = sac(env, SAC(num_steps=4))
    params = recipe.init(0)
    data = record(collect_of(recipe), params, 4)
    pipe = collect_of(recipe) | n_step(2) | replay(8, 2) | with_recorded(data, 2)
    with pytest.raises(ValueError, match="have the key 'next/steps', which the dataset lacks"):
        pipe.step(params, pipe.init(params, 0))


def test_transitions_of_another_kind_are_refused_beside_those_of_a_replay():
    """Actions of numbers, where those of the replay are choices."""
    recipe = ppo(envs.cartpole(2), SMALL_PPO)
    params = recipe.init(0)
    data = record(collect_of(recipe), params, 4)
    data["action"] = data["action"].float()
    pipe = collect_of(recipe) | replay(32, 2) | with_recorded(data, 2)
    text = r"action of the replay's batches is int64 \[N\], and of the dataset float32 \[N\]"
    with pytest.raises(ValueError, match=text):
        pipe.step(params, pipe.init(params, 0))


def test_episodes_without_an_end_are_not_waited_for(monkeypatch):
    monkeypatch.setattr("nappo2.runs.record.LONGEST", 32)
    recipe = ppo(envs.pendulum(2, time_limit=10**9), SMALL_PPO)
    with pytest.raises(ValueError, match="no episode ended in 32 steps of each environment"):
        record(collect_of(recipe), recipe.init(0), episodes=1)

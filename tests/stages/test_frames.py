"""Images in a replay: each frame once, and batches that are those of the plain ring."""

from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from nappo2 import make_params
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.stages import n_step, prioritized_replay, replay
from nappo2.stages.replaying.ring import empty, extended, read

PARAMS = make_params(TensorDict(w=torch.zeros(1)), gamma=0.5)
STACK, SIDE = 4, 6


def films(num_steps, num_envs, end=0.1, seed=0, collectors=1):
    """A source of rollouts [num_steps, num_envs] of stacks of frames of noise, or of black.

    An episode ends with a chance of ``end``, and the next begins with a frame, repeated.
    Collectors take turns, with environments of their own.
    """

    def frame(rng):
        many = torch.randint(256, (num_envs, SIDE, SIDE), dtype=torch.uint8, generator=rng)
        return many * (torch.rand(num_envs, 1, 1, generator=rng) < 0.9)

    def first(rng):
        return frame(rng).unsqueeze(1).expand(-1, STACK, -1, -1)

    def step(params, state):
        rng, seen, turn = state["films"]
        rows = []
        for _ in range(num_steps):
            following = torch.cat([seen[turn][:, 1:], frame(rng).unsqueeze(1)], 1)
            done = torch.rand(num_envs, generator=rng) < end
            reached = {"observation": following, "done": done, "reward": torch.ones(num_envs)}
            rows.append(TensorDict(observation=seen[turn], next=reached, batch_size=[num_envs]))
            seen[turn] = torch.where(done[:, None, None, None], first(rng), following)
        own = (rng, seen, (turn + 1) % collectors)
        return {"films": own}, torch.stack(rows), Report({}, {"env_steps": num_steps * num_envs})

    def init(params, _):
        rng = torch.Generator().manual_seed(seed)
        return {"films": (rng, [first(rng) for _ in range(collectors)], 0)}

    return Pipeline(init, step)


def plain(monkeypatch):
    """Replays that keep images as whatever else they keep."""
    pools = import_module("nappo2.stages.replaying.pools")
    monkeypatch.setattr(pools, "image_paths", lambda flat: [])


def batches(pipe, num=30):
    state, found = pipe.init(PARAMS, 5), []
    for _ in range(num):
        state, batch, _ = pipe.step(PARAMS, state)
        found.append(batch)
    return state, found


def in_parts(source):
    """The source with its images as a part of observations, beside the number of bright pixels."""

    def parts(x):
        bright = (x > 127).flatten(-3).sum(-1, keepdim=True).float()
        return {"eye": {"left": x}, "bright": bright}

    def step(params, state):
        state, rollout, report = source.step(params, state)
        rollout = rollout.to_dict()
        rollout["observation"] = parts(rollout["observation"])
        rollout["next"]["observation"] = parts(rollout["next"]["observation"])
        return state, TensorDict(rollout, batch_size=rollout["next"]["done"].shape), report

    return Pipeline(source.init, step)


CASES = {
    "a part of observations": (in_parts(films(5, 2)), replay(60, 16, update_ratio=0.1)),
    "one step of two": (films(1, 2), replay(40, 16, update_ratio=0.5)),
    "a ring that is written over": (films(8, 3), replay(50, 16, update_ratio=0.1)),
    "rollouts larger than the ring": (films(20, 3), replay(30, 16, update_ratio=0.02)),
    "episodes of two steps": (films(4, 2, end=0.5), replay(300, 16, update_ratio=0.1)),
    "collectors that take turns": (films(5, 2, collectors=3), replay(60, 16, update_ratio=0.1)),
    "three steps as one": (films(8, 2) | n_step(3), replay(60, 16, update_ratio=0.1)),
    "in proportion": (
        films(4, 2),
        prioritized_replay(
            50, 16, lambda params, batch: batch["observation"].float().mean((1, 2, 3))
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_batches_are_those_of_the_plain_ring_to_the_last_bit(case, same, monkeypatch):
    source, kept = CASES[case]
    state, ours = batches(source | kept)
    plain(monkeypatch)
    other, theirs = batches(source | kept)
    assert state["replay"].frames is not None and other["replay"].frames is None
    assert all(map(same, ours, theirs))


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=12),
    capacity=st.integers(1, 30),
    end=st.sampled_from([0.0, 0.2, 0.9]),
)
def test_what_is_in_the_ring_is_what_was_put_in(sizes, capacity, end):
    """The last transitions, whole, whatever the shapes of rollouts and the lengths of episodes."""
    own, seen = empty(0), []
    for i, (num_steps, num_envs) in enumerate(sizes):
        source = films(num_steps, num_envs, end, seed=i % 3)
        _, rollout, _ = source.step(PARAMS, source.init(PARAMS, 0))
        flat = rollout.reshape(-1)
        own, seen = extended(own, flat, capacity), [*seen, flat]
        last = torch.cat(seen)[-capacity:]
        places = torch.arange(own.count - len(last), own.count) % capacity
        assert (read(own, places) == last).all()


def test_frames_of_two_parts_have_a_pool_each():
    """Of 5 observations, stacks of 3 frames and single ones: 15 and 5 frames, each stored once."""
    left, right = (torch.randint(256, (5, n, 4, 4), dtype=torch.uint8) for n in (3, 1))
    seen = {"left": left, "right": right}
    flat = TensorDict(
        {
            "observation": {key: x[:4] for key, x in seen.items()},
            "next": {"observation": {key: x[1:] for key, x in seen.items()}},
        },
        batch_size=4,
    )
    own = extended(empty(0), flat, 9)
    assert {path: frames.total for path, frames in own.frames.items()} == {
        ("left",): 15,
        ("right",): 5,
    }
    assert (read(own, torch.arange(4)) == flat).all()


@pytest.mark.parametrize(("num_steps", "num_envs"), [(1, 1), (1, 8), (16, 4)])
def test_each_frame_is_stored_once(num_steps, num_envs):
    """Of 512 transitions without an end: a frame for each, and a first one for each environment;
    the plain ring has 8 for each."""
    source = films(num_steps, num_envs, end=0.0)
    state, _ = batches(source | replay(512, 1, update_ratio=1 / 512), 1)
    rows = source.init(PARAMS, 0)
    whole = []
    for _ in range(512 // (num_steps * num_envs)):
        rows, rollout, _ = source.step(PARAMS, rows)
        whole += [rollout["next", "observation"][:, :, -1].reshape(-1, SIDE, SIDE)]
    distinct = len(torch.cat(whole).unique(dim=0))
    total = state["replay"].frames.total
    assert distinct <= total <= 512 + num_envs


def test_images_take_an_eighth_of_what_they_would():
    """Atari, 4 x 84 x 84: two stacks are 56,448 bytes, a frame is 7,056; with a sixteenth for the
    ends of episodes, and 64 bytes of numbers, 7,500 and some in reserve."""
    seen = torch.zeros(8, 4, 84, 84, dtype=torch.uint8)
    flat = TensorDict(observation=seen, next={"observation": seen}, batch_size=8)
    own = extended(empty(0), flat, 1000)
    pool, ring = own.frames.pool, own.ring["frames"]
    assert pool.numel() == (1000 + 62 + 16 * 8 + 8 * 8) * 7056
    assert ring.nbytes == 1000 * 64
    assert own.frames.total == 1  # all of them are black


def test_a_pool_that_is_too_small_grows():
    """Where each step begins an episode, a transition has a frame to see and one that it reaches."""
    state, _ = batches(films(1, 1, end=1.0) | replay(400, 1, update_ratio=1 / 1000), 1)
    own = state["replay"]
    assert len(own.frames.pool) > 400 + 25 + 16 + 8
    assert own.frames.total - own.frames.oldest <= len(own.frames.pool)


def test_images_that_are_no_stacks_are_one_frame():
    """Height first, with colours last: the image is stored when it is new."""
    seen = torch.randint(256, (5, 40, 30, 3), dtype=torch.uint8)
    flat = TensorDict(observation=seen[:4], next={"observation": seen[1:]}, batch_size=4)
    own = extended(empty(0), flat, 9)
    assert own.frames.total == 5 and own.frames.pool.shape[1:] == (40, 30, 3)
    assert (read(own, torch.arange(4)) == flat).all()

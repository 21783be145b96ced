"""The ring of transitions, what is drawn from it, and what stands behind it: noise and targets."""

import math
from collections import Counter
from fractions import Fraction
from importlib import import_module

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from nappo2 import adopt, envs, make_params, workers
from nappo2.params import replaced
from nappo2.pipeline import Pipeline
from nappo2.recipes import SAC, sac
from nappo2.reports import Report, join
from nappo2.stages import noise, normal_noise, polyak, replay
from nappo2.stages.recipe import collect_of
from nappo2.stages.replaying.replay import stored
from nappo2.stages.replaying.ring import allocated, bytes_each
from nappo2.trees import walk

PARAMS = make_params(TensorDict(w=torch.zeros(1)))
QUICK = settings(deadline=None, max_examples=200)
RATIOS = [Fraction(x) for x in ("1/4", "1", "3", "3/10", "1/10", "7/10", "1/3", "6/7")]


def numbered(*shapes, again=True, **keys):
    """A source of rollouts of these shapes [T, B], whose transitions are numbered from 0.

    The report of each counts its env steps, and has an episode whose return is its first number.
    """

    def step(params, state):
        calls, start = state["numbered"]
        shape = shapes[calls % len(shapes)] if again else shapes[calls]
        size = math.prod(shape)
        number = torch.arange(start, start + size).view(shape)
        rollout = TensorDict(
            {"number": number, "next": {"number": number + 1}} | keys, batch_size=shape
        )
        episodes = {"return": torch.tensor([float(start)])}
        report = Report(sums={"env_steps": size}, episodes=episodes)
        return {"numbered": (calls + 1, start + size)}, rollout, report

    return Pipeline(lambda params, seed: {"numbered": (0, 0)}, step)


def collected(state):
    return state["numbered"][1]


def steps(pipe, num, params=PARAMS, seed=0):
    """State, batch and report of each of ``num`` steps."""
    state = pipe.init(params, seed)
    for _ in range(num):
        state, batch, report = pipe.step(params, state)
        yield state, batch, report


SIZES = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=12)


@QUICK
@given(shapes=SIZES, capacity=st.integers(1, 30))
@example(shapes=[(6, 1), (2, 1)], capacity=4)  # a rollout larger than the ring, and another one
def test_the_ring_holds_the_last_transitions_in_order(shapes, capacity):
    """The ring, from where the next one goes, is the end of the list of all that were collected."""
    total = sum(math.prod(shape) for shape in shapes)
    pipe = numbered(*shapes, again=False) | replay(capacity, 1, start_steps=total)
    ((state, _, _),) = steps(pipe, 1)
    ring, count = state["replay"].ring, state["replay"].count
    assert count == collected(state) == total and len(ring) == capacity
    found = ring["number"].roll(-count) if total > capacity else ring["number"][:total]
    assert found.tolist() == list(range(total))[-capacity:]
    held = slice(min(total, capacity))
    assert torch.equal(ring["next", "number"][held], ring["number"][held] + 1)


@pytest.mark.parametrize("capacity", [50, 80])
def test_batches_are_uniform_over_what_is_in_the_ring(capacity):
    """200 batches of 250 from 50 transitions, each 1000 times: chi squared of 49 degrees of freedom,
    of mean 49 and deviation 10, is within 5 deviations; what is not written yet is never drawn."""
    pipe = numbered((50, 1)) | replay(capacity, 250, update_ratio=4)
    drawn = torch.cat([batch["number"] for _, batch, _ in steps(pipe, 200)])
    times = torch.bincount(drawn, minlength=50)
    assert len(times) == 50 and times.sum() == 50_000
    assert 20 < ((times - 1000).square() / 1000).sum() < 49 + 5 * math.sqrt(2 * 49)


def test_a_batch_is_drawn_with_replacement():
    """Eight of three transitions, whose keys stay together."""
    ((_, batch, _),) = steps(numbered((3, 1)) | replay(10, 8), 1)
    assert batch.batch_size == (8,) and max(Counter(batch["number"].tolist()).values()) > 1
    assert torch.equal(batch["next", "number"], batch["number"] + 1)


def test_equal_seeds_draw_equal_batches_and_others_do_not(same):
    pipe = numbered((4, 2)) | replay(100, 16)
    one, other, third = (
        torch.stack([batch for _, batch, _ in steps(pipe, 10, seed=seed)]) for seed in (5, 5, 6)
    )
    assert same(one, other) and not same(one, third)
    assert not torch.equal(one["number"][0], one["number"][1])


def masked_at_first(num):
    """A source of rollouts [1, 2], of which ``num`` are masked altogether."""

    def step(params, state):
        calls = state["masked"]
        keys = {"number": torch.full((1, 2), calls), "mask": torch.full((1, 2), calls >= num)}
        report = Report({}, {"env_steps": 2})
        return {"masked": calls + 1}, TensorDict(keys, batch_size=(1, 2)), report

    return Pipeline(lambda params, seed: {"masked": 0}, step)


@pytest.mark.parametrize("num", [0, 1, 5])
def test_no_batch_is_due_of_what_is_masked(num):
    """Three rollouts may be masked: the first batch is of the fourth, and the reports count all."""
    pipe = masked_at_first(num) | replay(8, 4, update_ratio=0.5)
    _, batch, report = pipe.step(PARAMS, pipe.init(PARAMS, 0))
    assert batch["number"].tolist() == [num] * 4 and report.sums["env_steps"] == 2 * (num + 1)


def test_nobody_waits_for_ever_for_what_is_masked(monkeypatch):
    monkeypatch.setattr(import_module("nappo2.stages.replaying.replay"), "LONGEST", 6)
    pipe = masked_at_first(10**9) | replay(8, 4)
    with pytest.raises(
        ValueError, match="nothing of 6 env steps could be kept: all of it is masked"
    ):
        pipe.step(PARAMS, pipe.init(PARAMS, 0))


@QUICK
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 5)),
    ratio=st.sampled_from(RATIOS),
    num=st.integers(1, 40),
)
def test_batches_per_transition_are_the_ratio_whatever_the_shape(shape, ratio, num):
    """For n batches as many rollouts are collected as bring n / ratio transitions, and none more.

    So each share of a batch that was left over is used for the next one; ten of 0.3 are three, though
    floats add up to 2.9999999999999996.
    """
    size = math.prod(shape)
    for n, (state, _, _) in enumerate(
        steps(numbered(shape) | replay(1000, 1, update_ratio=float(ratio)), num), 1
    ):
        assert collected(state) == size * math.ceil(n / (ratio * size))


@QUICK
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 5)),
    ratio=st.sampled_from([0.25, 1.0, 3.0]),
    start_steps=st.integers(0, 60),
)
def test_no_batch_before_the_start(shape, ratio, start_steps):
    """The rollout with which ``start_steps`` are there is the first that is owed batches."""
    size = math.prod(shape)
    pipe = numbered(shape) | replay(30, 1, update_ratio=ratio, start_steps=start_steps)
    before = size * (max(1, math.ceil(start_steps / size)) - 1)
    for n, (state, _, _) in enumerate(steps(pipe, 5), 1):
        assert collected(state) == before + size * math.ceil(n / (ratio * size))


@QUICK
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 5)),
    ratio=st.sampled_from([0.25, 1.0, 3.0]),
    start_steps=st.integers(0, 60),
)
def test_no_env_step_or_episode_is_lost(shape, ratio, start_steps):
    """With the last batch of a rollout, all that was collected has been reported, and nothing twice."""
    pipe = numbered(shape) | replay(30, 1, update_ratio=ratio, start_steps=start_steps)
    size, reports, complete = math.prod(shape), [], 0
    for state, _, report in steps(pipe, math.ceil(3 * ratio * size)):
        reports.append(report)
        if state["replay"].owed >= 1:
            assert "env_steps" not in report.sums
            continue
        complete, total = complete + 1, join(reports)
        assert total.sums["env_steps"] == collected(state)
        assert total.episodes["return"].tolist() == list(range(0, collected(state), size))
    assert complete >= 1


def test_what_the_ring_keeps_has_its_type():
    """Frames of bytes stay bytes, on the way in and out."""
    frames = {"observation": torch.full((3, 2, 5, 5), 200, dtype=torch.uint8)}
    flags = {"terminated": torch.ones(3, 2, dtype=torch.bool)}
    ((state, batch, _),) = steps(numbered((3, 2), **frames, **flags) | replay(7, 4), 1)
    for found in (state["replay"].ring, batch):
        assert found["observation"].dtype == torch.uint8 and found["number"].dtype == torch.int64
        assert found["terminated"].dtype == torch.bool
        assert found["observation"].shape[1:] == (5, 5)
    assert (batch["observation"] == 200).all() and batch["terminated"].all()


def test_what_is_masked_is_not_stored():
    """Of 3 x 2, the second column ends after its first step: the numbers 3 and 5 never were."""
    mask = torch.tensor([[True, True], [True, False], [True, False]])
    source = numbered((3, 2), again=False, mask=mask)
    ((_, rollout, _),) = steps(source, 1)
    flat = stored(rollout)
    assert flat["number"].tolist() == [0, 1, 2, 4] and "mask" not in flat.keys()
    assert stored(rollout.exclude("mask"))["number"].tolist() == [0, 1, 2, 3, 4, 5]


def test_sequences_of_which_nothing_is_learnt_are_not_stored():
    """Of three of two steps the second is masked: it would take the place of one that teaches something."""
    learnt = torch.tensor([[False, True], [False, False], [True, True]])
    sequences = TensorDict(number=torch.arange(3), learnt=learnt, batch_size=[3])
    assert stored(sequences)["number"].tolist() == [0, 2]


def test_of_workers_that_were_preempted_only_true_steps_are_stored():
    """One stops after 2 of 4 steps of 2 environments: 8 + 4 are there, and make as many batches."""
    recipe = sac(envs.pendulum(2), SAC(num_steps=4, hidden=(4,)))
    cut = collect_of(recipe) | workers(2, wait_for=1, preempt=0.5)
    params = recipe.init(0)
    found = list(steps(cut | replay(100, 3), 12, params))
    state, _, last = found[-1]
    assert state["replay"].count == 12 and state["replay"].owed == 0
    assert last.sums["env_steps"] == 12
    ring = state["replay"].ring[:12]
    assert "mask" not in ring.keys() and len(ring["observation"].unique(dim=0)) == 12


def half_cheetahs(num=1):
    """Transitions of HalfCheetahBullet, as ``collect`` makes them: 26 numbers are seen, 6 are done."""
    flags = {
        name: torch.zeros(num, dtype=torch.bool) for name in ("terminated", "truncated", "done")
    }
    reached = {"observation": torch.zeros(num, 26), "reward": torch.zeros(num)}
    return TensorDict(
        observation=torch.zeros(num, 26),
        action=torch.zeros(num, 6),
        action_log_prob=torch.zeros(num),
        params_version=torch.zeros(num, dtype=torch.int64),
        next=reached | flags,
        batch_size=(num,),
    )


def test_a_million_half_cheetahs_take_a_quarter_of_a_gigabyte():
    """26 + 26 + 6 + 1 + 1 floats of 4 bytes, three flags of 1, a version of 8: 251 bytes each.

    The ring is nothing but columns of these: what a thousand take is a thousand times that.
    """
    plain = 4 * (26 + 26 + 6 + 1 + 1) + 3 + 8
    assert 251 == plain <= bytes_each(half_cheetahs()) <= 1.1 * plain
    ring = allocated(half_cheetahs(5), 1000)[0]
    held = sum(x.untyped_storage().nbytes() for _, x in walk(ring))
    assert held <= 1.1 * 1000 * plain and len(ring) == 1000


def test_a_transition_of_a_recipe_has_no_other_keys():
    """So that the sum above is that of a run: pendulums see 3 numbers and do 1."""
    recipe = sac(envs.pendulum(2), SAC(num_steps=3, hidden=(4,)))
    params = recipe.init(0)
    ((_, rollout, _),) = steps(collect_of(recipe), 1, params)
    assert bytes_each(stored(rollout)) == 4 * (3 + 3 + 1 + 1 + 1) + 3 + 8
    assert {path for path, _ in walk(rollout)} == {path for path, _ in walk(half_cheetahs())}


def test_a_ring_beyond_the_memory_is_refused_with_both_figures(monkeypatch):
    """Ten million of 251 bytes are 2.5 GB; into 1 GB go 3,984,063 of them."""
    module = import_module("nappo2.stages.replaying.ring")
    monkeypatch.setattr(module, "available_memory", lambda: 1e9)
    message = (
        "a replay of 10,000,000 transitions takes 2.5 GB, and 1.0 GB are available; "
        "3,984,063 would fit"
    )
    with pytest.raises(ValueError, match=message):
        allocated(half_cheetahs(), 10_000_000)


def test_the_memory_that_is_there_is_looked_at_before_it_is_taken():
    """Nobody has an exabyte; the first step says so."""
    pipe = numbered((2, 1)) | replay(10**17, 1)
    with pytest.raises(ValueError, match=r"takes 1600000000\.0 GB, and \d+\.\d GB are available"):
        next(steps(pipe, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capacity": 0}, "capacity is an integer of at least 1, not 0"),
        ({"capacity": 1e6}, "capacity is an integer of at least 1, not 1000000.0"),
        ({"batch_size": -1}, "batch_size is an integer of at least 1, not -1"),
        ({"batch_size": True}, "batch_size is an integer of at least 1, not True"),
        ({"update_ratio": 0}, "update_ratio is above 0, not 0"),
        ({"update_ratio": -0.5}, "update_ratio is above 0, not -0.5"),
        ({"update_ratio": math.nan}, "update_ratio is above 0, not nan"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        replay(**{"capacity": 10, "batch_size": 2} | arguments)


@pytest.mark.parametrize("capacity", [4, 12])
def test_a_ring_is_adopted_into_one_of_the_new_capacity(capacity):
    """Of 8 that hold 4 to 11, by a replay of 4 or 12: the latest that fit are kept, in their order.

    Six more come, up to 17: the last 4 or the last 12 of 4 to 17 are there then.
    """
    old, new = (numbered((3, 2)) | replay(size, 50) for size in (8, capacity))
    *_, (state, _, _) = steps(old, 12)
    state, batch, _ = new.step(PARAMS, adopt(new, state, PARAMS, 0))
    there = range(18 - capacity, 18)
    assert collected(state) == 18 and set(batch["number"].tolist()) == set(there)
    ring, count = state["replay"].ring["number"], state["replay"].count
    assert ring.roll(-count).tolist() == list(there)


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"steps": 3.0}, {}, r"steps of those that it has is float32 \[N\], and of .* now missing"),
        ({}, {"steps": 3.0}, r"steps of those that it has is missing, and of .* now float32 \[N\]"),
        ({"steps": 3.0}, {"steps": 3}, r"steps .* is float32 \[N\], and .* int64 \[N\]"),
        ({"steps": [3.0] * 8}, {"steps": [3.0] * 6}, r"steps .* \[N, 8\], and .* \[N, 6\]"),
    ],
)
def test_a_ring_is_not_adopted_by_transitions_of_another_kind(before, now, message):
    """A column that they lack would keep the numbers of the transitions that they overwrite."""
    keys = (
        {k: torch.tensor(x).expand(3, 2, *torch.tensor(x).shape) for k, x in each.items()}
        for each in (before, now)
    )
    old, new = (numbered((3, 2), **each) | replay(8, 50) for each in keys)
    *_, (state, _, _) = steps(old, 6)
    with pytest.raises(ValueError, match=message):
        new.step(PARAMS, adopt(new, state, PARAMS, 0))


def drawing(name="noise", keys=("noise", "next_noise")):
    return noise(normal_noise(*keys, size=3), name=name)


def test_noise_is_normal_and_under_its_names():
    """Two of [500, 3], which are not the same: of mean 0 and deviation 1, within 5 / sqrt(1500)."""
    ((_, batch, _),) = steps(numbered((10, 1)) | replay(10, 500) | drawing(), 1)
    one, other = batch["noise"], batch["next_noise"]
    assert not torch.equal(one, other)
    for x in (one, other):
        assert x.shape == (500, 3)
        assert abs(x.mean()) < 5 / math.sqrt(1500) and abs(x.std() - 1) < 5 / math.sqrt(3000)


def noises(pipe, seed, key="noise"):
    return torch.stack([batch[key] for _, batch, _ in steps(pipe, 3, seed=seed)])


def test_equal_seeds_draw_equal_noise_and_others_do_not():
    pipe = numbered((4, 2)) | replay(20, 8) | drawing()
    one, other, third = (noises(pipe, seed) for seed in (5, 5, 6))
    assert torch.equal(one, other) and not torch.equal(one, third)
    assert not torch.equal(one[0], one[1])


def test_a_stage_of_noise_draws_by_its_name():
    """What another one draws changes nothing, and differs; two of one name are refused."""
    batches = numbered((4, 2)) | replay(20, 8)
    alone, both = batches | drawing(), batches | drawing("other", ["other"]) | drawing()
    assert torch.equal(noises(alone, 5), noises(both, 5))
    assert not torch.equal(noises(both, 5), noises(both, 5, "other"))
    with pytest.raises(ValueError, match="two stages are called 'noise'"):
        batches | drawing() | drawing()


def test_noise_is_added_to_a_copy():
    """A source that hands on the same item each time keeps it as it was."""
    item = TensorDict(number=torch.zeros(4), batch_size=(4,))
    source = Pipeline(lambda params, seed: {}, lambda params, state: (state, item, Report()))
    ((_, batch, _),) = steps(source | drawing(), 1)
    assert set(batch.keys()) == {"number", "noise", "next_noise"}
    assert set(item.keys()) == {"number"}


def following(step_size, online, target):
    """Params after one step of ``polyak``, where the weights stand still."""
    weights = TensorDict(critics=TensorDict(w=torch.tensor(online)), actor=torch.ones(1))
    target = TensorDict(critics=TensorDict(w=torch.tensor(target)))
    params = make_params(weights, target=target)
    still = Pipeline(lambda params, seed: {}, lambda params, state: (state, params, Report()))
    ((_, moved, _),) = steps(still | polyak(step_size), 1, params)
    return params, moved


def test_a_step_of_one_half_halves_the_distance():
    """From 0 towards 8 and from 6 towards -2; what is no target is not looked at."""
    params, moved = following(0.5, [8.0, -2.0], [0.0, 6.0])
    assert moved["target", "critics", "w"].tolist() == [4, 2]
    assert list(moved["target"].keys()) == ["critics"]
    assert params["target", "critics", "w"].tolist() == [0, 6]  # an argument, which stays
    assert moved["weights", "critics", "w"].tolist() == [8, -2]


def test_the_originals_polyak_is_one_minus_the_step():
    """0.995 of the target and 0.005 of the weights: of 1000 and 0, 5 are there after a step."""
    _, moved = following(0.005, [1000.0], [0.0])
    assert moved["target", "critics", "w"].item() == pytest.approx(5)


def test_a_step_of_one_copies_to_the_last_bit():
    online = [0.1, 1 / 3, 1e-30]
    params, moved = following(1.0, online, [1e8, -7.0, 3.0])
    assert torch.equal(moved["target", "critics", "w"], torch.tensor(online))
    again = replaced(moved, weights=params["weights"].apply(lambda x: x + 1))
    assert torch.equal(again["target", "critics", "w"], torch.tensor(online))  # no view of them


def test_targets_move_after_each_update_but_those_that_are_skipped():
    """Two of three are skipped: after six updates they have halved their distance to 8 twice."""
    weights = TensorDict(critics=TensorDict(w=torch.tensor([8.0])))
    params = make_params(weights, target=weights.apply(torch.zeros_like))

    def counting(params, state):
        params = replaced(state, version=state["version"] + 1)
        return params, params, Report()

    source, targets = Pipeline(lambda params, seed: params, counting), []
    pipe = source | polyak(0.5, skip=2)
    for version in range(1, 7):
        target = replaced(params, version=torch.tensor(version - 1))
        _, params, _ = pipe.step(params, target)
        targets.append(params["target", "critics", "w"].item())
    assert targets == [0, 0, 4, 4, 4, 6]
    with pytest.raises(ValueError, match="skip is an integer of at least 0, not -1"):
        polyak(0.5, skip=-1)


@pytest.mark.parametrize("step_size", [0, -0.1, 1.5, math.nan])
def test_a_step_is_within_its_range(step_size):
    with pytest.raises(ValueError, match=f"step_size is above 0 and at most 1, not {step_size}"):
        polyak(step_size)

"""A run whose timing was recorded is taken again, to the last bit, in one process."""

from itertools import islice

import pytest

from nappo2 import scheme, serial
from nappo2.schemes import SCHEMES, parse
from nappo2.schemes.obeying import RecordEnded, obeying
from nappo2.schemes.observed import taken
from nappo2.schemes.timing import record_timing
from tests.makers.recipes import CARTPOLE_PPO, scheme_arguments
from tests.makers.scheduling import drawn
from tests.makers.stepping import train

CUT = [name for name in SCHEMES if parse(name).arguments]


def recorded_steps(pipe, params, num, seed=1):
    """The notes of so many steps, and the params and env steps after each."""
    state, notes, rows = pipe.init(params, seed), [], []
    for _ in range(num):
        state, params, report = pipe.step(params, state)
        state, new = taken(state)
        notes += new
        rows.append((params, report.sums.get("env_steps", 0), report.sums["restarts"]))
    return notes, rows


def replayed_steps(pipe, params, seed=1):
    """The params and env steps after each step of a replay."""
    state = pipe.init(params, seed)
    while True:
        state, params, report = pipe.step(params, state)
        yield params, report.sums.get("env_steps", 0), report.sums["restarts"]


def is_replayed(name, on, same, num=10, recipe=CARTPOLE_PPO, **options):
    """Whether all steps of a scheme are the same again, in orders that are not those of ``serial``."""
    params = recipe.init(0)
    options = scheme_arguments(name, collectors=4, learners=2, **options)
    if "collectors" not in options:
        options["learners"] = 3
    pipe = scheme(name, recipe, on=record_timing(on), **options)
    notes, rows = recorded_steps(pipe, params, num)
    again = replayed_steps(scheme(name, recipe, on=obeying(notes), **options), params)
    for row, other in zip(rows, islice(again, num), strict=True):
        assert same(row[0], other[0]) and row[1:] == other[1:]
    with pytest.raises(RecordEnded, match=f"it has {num} steps"):
        next(again)
    return rows


@pytest.mark.parametrize("name", CUT)
def test_any_order_of_calls_is_replayed_to_the_last_bit(name, same):
    is_replayed(name, drawn(7), same, ahead=1)


def test_another_order_gives_other_params(same):
    """So that the tests here can fail."""
    options = {"recipe": CARTPOLE_PPO, "collectors": 4}
    params = CARTPOLE_PPO.init(0)
    results = [
        recorded_steps(scheme("da2cs", on=record_timing(on), **options), params, 10)[1][-1][0]
        for on in (serial, drawn(7))
    ]
    assert not same(*results)


@pytest.mark.parametrize("name", CUT)
def test_lost_workers_are_replayed_to_the_last_bit(name, same, monkeypatch):
    """One call in ten is lost, before or after it was taken; the next life begins in the same step."""
    monkeypatch.setattr("nappo2.schemes.cut_step.LONGEST_PAUSE", 0.0)
    rows = is_replayed(name, drawn(7, loss=0.1), same, num=20)
    assert sum(restarts for *_, restarts in rows) > 0


def test_lost_workers_and_the_lives_that_follow_have_spans(monkeypatch):
    """As many lives begin anew as there are restarts, and each follows a loss."""
    monkeypatch.setattr("nappo2.schemes.cut_step.LONGEST_PAUSE", 0.0)
    pipe = scheme("da2cs", CARTPOLE_PPO, collectors=4, on=drawn(7, loss=0.1))
    _, reports = train(pipe, CARTPOLE_PPO.init(0), 20)
    names = [span.name for report in reports for span in report.spans]
    restarts = sum(report.sums["restarts"] for report in reports)
    assert 0 < restarts == names.count("begun anew") <= names.count("lost")


@pytest.mark.parametrize("name", ["ds2cs", "2dacs", "3ds"])
def test_preempted_rollouts_are_replayed_to_the_last_bit(name, same):
    """They stop where they stopped."""
    rows = is_replayed(name, drawn(7), same, num=12, wait_for=1, preempt=0.25)
    complete = {"ds2cs": 12 * 4 * 16, "2dacs": 12 // 4 * 3 * 16, "3ds": 12 * 3 * 16}[name]
    assert sum(steps for _, steps, _ in rows) < complete


@pytest.mark.parametrize("name", ["3ds", "ds2ds", "da2ds"])
def test_learners_that_are_lost_before_they_deliver_are_replayed(name, same, monkeypatch):
    """They have averaged their gradients with the others, who deliver, and know what they collected."""
    monkeypatch.setattr("nappo2.schemes.cut_step.LONGEST_PAUSE", 0.0)
    preempted = {"wait_for": 1, "preempt": 0.25} if name == "3ds" else {}
    rows = is_replayed(name, drawn(7, 0.2, finished=1.0), same, **preempted)
    assert sum(restarts for *_, restarts in rows) > 0


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", CUT)
def test_runs_of_many_timings_are_replayed_to_the_last_bit(name, seed, same, monkeypatch):
    """Two rollouts ahead where a scheme takes that, one call in five lost, stragglers stopped.

    Also of learners that are lost when they have met the others, and before they deliver: what they
    noted of their rollouts is known to the others.
    """
    monkeypatch.setattr("nappo2.schemes.cut_step.LONGEST_PAUSE", 0.0)
    preempted = {"wait_for": 1, "preempt": 0.25} if name in ("ds2cs", "2dacs", "3ds") else {}
    is_replayed(name, drawn(seed, 0.2), same, num=30, ahead=2, **preempted)

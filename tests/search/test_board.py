"""The books of a search: what is asked, pruned, failed, killed and gone on with."""

import json
import os
import signal

import pytest

from nappo2.runs.interrupts import Signals
from nappo2.runs.metrics import read_csv
from nappo2.search import Budget, median, successive_halving, unpruned
from nappo2.search._search import books
from nappo2.search.driving import one_by_one
from nappo2.search.jobs import Rung
from tests.makers.searching import BUDGET, SPACE, parabola, searched


def test_the_score_is_the_interquartile_mean_over_seeds(tmp_path):
    """Of seeds -1, 0 and 1 around 100 (1 - x^2), the middle: no quarter of three is a whole run."""
    for trial in searched(tmp_path, pruning=unpruned):
        assert trial.state == "complete" and list(trial.rungs) == [25, 50, 75, 100]
        assert trial.score == pytest.approx(100 * (1 - trial.values["x"] ** 2))
        assert trial.scores == pytest.approx([trial.score - 1, trial.score, trial.score + 1])


def test_one_seed_that_is_far_off_does_not_count(tmp_path):
    """Of 0, 1, 2 and 1000 the middle half is 1 and 2."""

    def training(job, interrupted):
        yield Rung(100, {job.numbers[0]: (1000.0, 0.0, 2.0, 1.0)})

    budget = Budget(trials=1, total_steps=100, rungs=1)
    assert searched(tmp_path, training, budget)[0].score == 1.5


def test_the_sampler_finds_the_top_of_a_parabola(tmp_path):
    trials = searched(tmp_path, budget=Budget(40, 100, rungs=1))
    assert max(trial.score for trial in trials) > 99.9


@pytest.mark.parametrize("pruning", [median, successive_halving])
def test_bad_trials_are_pruned_and_the_best_is_not(tmp_path, pruning):
    trials = searched(tmp_path, budget=Budget(30, 100, rungs=4), pruning=pruning)
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned and all(len(trial.rungs) < 4 for trial in pruned)
    best = max(trials, key=lambda trial: 1 - trial.values["x"] ** 2)
    assert best.state == "complete"


def test_a_pruned_trial_trains_no_further(tmp_path):
    """Half of eight trials have a score of 0 at each rung, and the others of 1."""
    steps = []

    def training(job, interrupted):
        for env_steps in job.budget.steps:
            steps.append((job.numbers[0], env_steps))
            if not (yield Rung(env_steps, {job.numbers[0]: (float(job.numbers[0] < 6),)})):
                return

    searched(tmp_path, training, Budget(8, 100, seeds=1, rungs=4))
    assert [x for x in steps if x[0] == 7] == [(7, 25)]


def test_a_trial_that_raises_has_failed_and_says_why(tmp_path):
    def training(job, interrupted):
        if job.numbers == (2,):
            raise ArithmeticError("the third one")
        yield from parabola(job, interrupted)

    trials = searched(tmp_path, training, pruning=unpruned)
    assert [trial.number for trial in trials if trial.state == "failed"] == [2]
    assert trials[2].error == "ArithmeticError: the third one"
    assert sum(trial.state == "complete" for trial in trials) == BUDGET.trials - 1


def test_of_a_group_that_raises_each_trial_is_tried_alone(tmp_path):
    def training(job, interrupted):
        if 2 in job.numbers:
            raise ArithmeticError("the third one")
        yield from parabola(job, interrupted)

    trials = searched(tmp_path, training, size=4, pruning=unpruned)
    assert [trial.number for trial in trials if trial.state == "failed"] == [2]
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == [
        "0000", "0001", "0003", "0004-0007", "0008-0011",
    ]  # fmt: skip


def test_a_trial_without_a_score_has_failed_in_its_group(tmp_path):
    def training(job, interrupted):
        scores = {number: (1.0,) for number in job.numbers if number != 1}
        yield Rung(100, scores, {1: "weights are not finite"})

    trials = searched(tmp_path, training, Budget(4, 100, rungs=1), size=4)
    assert [trial.state for trial in trials] == ["complete", "failed", "complete", "complete"]
    assert trials[1].error == "weights are not finite"


def test_rows_are_in_the_folder_of_the_trial(tmp_path):
    trial = searched(tmp_path, pruning=unpruned)[3]
    rows = read_csv(tmp_path / "trials" / "0003" / "rows.csv")
    assert [row["env_steps"] for row in rows] == [25, 50, 75, 100]
    assert rows[-1]["score"] == trial.score and rows[-1]["score_2"] == trial.scores[2]


def summary(trials):
    return [(trial.number, trial.state, trial.values, trial.rungs) for trial in trials]


@pytest.mark.parametrize("size", [1, 4])
def test_a_search_that_is_killed_again_and_again_finds_the_same(tmp_path, size):
    """SIGKILL before a write to the journal, or after it: each life writes 11 times, and dies."""
    whole = searched(tmp_path / "whole", size=size)
    lives = 0
    while life(tmp_path / "killed", size, writes=11) == -signal.SIGKILL:
        lives += 1
    assert lives > 5
    assert summary(searched(tmp_path / "killed", size=size)) == summary(whole)


def life(folder, size, writes):
    """How a process ended that searches until it has written so often."""
    child = os.fork()
    if child == 0:
        count, sync = iter(range(writes)), os.fsync

        def last(descriptor):
            if next(count) == writes - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            sync(descriptor)

        os.fsync = last
        try:
            searched(folder, size=size)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_line_that_was_half_written_and_a_lock_that_was_left_do_no_harm(tmp_path):
    before = searched(tmp_path, budget=Budget(5, 100, seeds=3, rungs=4))
    journal = tmp_path / "journal.log"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":5,"work')
    (tmp_path / "journal.log.lock").symlink_to(journal)
    trials = searched(tmp_path)
    assert summary(trials)[:5] == summary(before) and len(trials) == BUDGET.trials


def test_a_signal_ends_a_search_in_order_and_it_goes_on(tmp_path):
    signals = Signals()

    def training(job, interrupted):
        if job.numbers == (4,):
            signals.number = int(signal.SIGINT)
        yield from parabola(job, interrupted)

    card = {"seed": 0, "group": 1, "pruning": "median"}
    with books(tmp_path / "ended", SPACE, BUDGET, card, median) as board:
        one_by_one(training, board, signals, lambda: None)
        assert len(board.results()) == 5
    whole = searched(tmp_path / "whole")
    assert summary(searched(tmp_path / "ended")) == summary(whole)


def test_more_trials_can_be_added_but_it_stays_one_search(tmp_path):
    searched(tmp_path, budget=Budget(3, 100, rungs=2))
    assert len(searched(tmp_path, budget=Budget(5, 100, rungs=2))) == 5
    with pytest.raises(ValueError, match="has another seed; only its trials may grow"):
        searched(tmp_path, budget=Budget(5, 100, rungs=2), seed=1)
    with pytest.raises(ValueError, match="another budget"):
        searched(tmp_path, budget=Budget(5, 200, rungs=2))
    assert json.loads((tmp_path / "search.json").read_text())["space"]["x"] == "uniform(-1, 1)"

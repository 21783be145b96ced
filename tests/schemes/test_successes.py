"""Success rates and scores that environments tell, counted by hand in every scheme and where workers die."""

import os
import signal
import time
from collections import Counter
from functools import partial

import pytest

from nappo2 import PPO, envs, ppo, scheme
from nappo2.runs.recorder import Recorder
from nappo2.saving.snapshots import close_state
from nappo2.schemes import SCHEMES
from tests.makers.environments import Exam, exams_written, faulty, pids
from tests.makers.processes import PATIENCE
from tests.makers.recipes import scheme_arguments
from tests.makers.stepping import steps_of

EXAMS = PPO(num_steps=8, num_epochs=1, num_minibatches=2, hidden=(8,), normalize=True)
"""A rollout of two environments has four exams."""


def exams(folder):
    return envs.make(Exam, 2, folder=folder, info_keywords=("score",))


class Books:
    """A run whose reports are kept beside its rows."""

    def __init__(self, recipe, name, **options):
        two = scheme_arguments(name, collectors=2, learners=2)
        self.pipe, params = scheme(name, recipe, **two | options), recipe.init(0)
        self.steps, self.recorder, self.reports = steps_of(self.pipe, params), Recorder(), []
        self.state, self.params = {}, params

    def step(self):
        self.state, self.params, report = next(self.steps)
        self.recorder.add(report, 1.0)
        self.reports.append(report)
        if report.sums.get("env_steps"):
            self.recorder.row(self.params)

    def column(self, name):
        columns = [x.episodes[name].tolist() for x in self.reports if x.episodes]
        return [number for column in columns for number in column]

    def check(self, folder):
        """Each exam that was delivered stands in the books once, with what was told of it."""
        returns, row = self.column("return"), self.recorder.metrics[-1]
        assert len(returns) == self.recorder.env_steps / 4
        assert self.column("is_success") == [x > 0 for x in returns]
        assert self.column("score") == [10 * x for x in returns]
        written = exams_written(folder)
        assert not Counter(returns) - Counter(written)
        recent = returns[-100:]
        assert row["success_rate"] == sum(x > 0 for x in recent) / len(recent)
        assert row["episode_score"] == 10 * sum(recent) / len(recent)
        return returns, written


@pytest.mark.parametrize("name", SCHEMES)
def test_success_rates_are_those_of_a_hand_count_in_every_scheme(name, tmp_path):
    books = Books(ppo(exams(tmp_path), EXAMS), name)
    while books.recorder.env_steps < 480:
        books.step()
    returns, written = books.check(tmp_path)
    assert len(returns) >= 120 and {0.0, 1.0} == set(books.column("is_success"))
    if name == "3cs":
        assert Counter(returns) == Counter(written)


@pytest.mark.faults
@pytest.mark.parametrize("name", [name for name in SCHEMES if name != "3cs"])  # it has no workers
def test_a_killed_worker_changes_nothing_of_what_is_counted(name, on_ray, tmp_path):
    """What it had not delivered is not counted, and nothing is counted twice."""
    env = faulty(tmp_path, env=exams(tmp_path))
    books = Books(ppo(env, EXAMS), name, on=on_ray())
    step_until(books, lambda: books.recorder.env_steps >= 160)
    victim = min(pids(tmp_path))
    os.kill(victim, signal.SIGKILL)
    step_until(books, partial(is_replaced, books, tmp_path, victim))
    before = books.recorder.env_steps
    step_until(books, lambda: books.recorder.env_steps >= before + 320)
    books.check(tmp_path)
    close_state(books.pipe, books.state)


def is_replaced(books, folder, victim):
    return books.recorder.sums.get("restarts", 0) >= 1 and pids(folder) - {victim}


def step_until(books, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        books.step()
        assert time.monotonic() < end, "it never came"

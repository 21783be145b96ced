"""Entries are run to the end however often they are interrupted, and kept in small files."""

import json
import signal
import subprocess
import sys

import pytest

from evidence import running
from evidence.__main__ import main as command
from evidence.entries import ENTRIES
from evidence.entry import OURS, Task, is_population, learner_of, tasks_of
from evidence.keeping import keep, read, rounded, small, thinned
from evidence.training import RESULT, train
from nappo2.cli.seeds import last_row
from nappo2.cli.train_options import parse
from tests.evidence.tiny import TINY
from tests.makers.processes import until


def is_of_command(entry):
    return entry.make is None and entry.process == OURS


def result_of(task):
    return json.loads((task.folder / RESULT).read_text())["runs"]


def without_clocks(run):
    rows = {name: x for name, x in run["rows"].items() if name != "seconds"}
    return {k: x for k, x in run.items() if not k.endswith("seconds")} | {"rows": rows}


def test_a_run_that_was_broken_off_ends_as_one_that_was_not(tmp_path):
    """Rows, evaluations and 200 episodes are the same to the last digit; so is the file, but for times."""
    once, twice = Task(0, 1, tmp_path / "once"), Task(0, 1, tmp_path / "twice")
    assert train(TINY, once) == 0
    learner = learner_of(TINY, twice)
    for row in learner:
        if row["env_steps"] >= 640:
            break
    learner.checkpoint()
    learner.files.finish()
    learner.close()  # it is lost from here on
    assert train(TINY, twice) == 0
    (whole,), (resumed,) = result_of(once), result_of(twice)
    assert len(whole["rows"]["env_steps"]) == 20 and whole["rows"]["env_steps"][-1] == 1280
    assert whole["rows"]["recent_return"] == resumed["rows"]["recent_return"]
    assert whole["last"] == resumed["last"] and len(whole["last"]["return"]) == 100


def test_seeds_are_kept_as_they_end(tmp_path):
    """Of two seeds: one card but for seeds and times, and of each 4 evaluations and 200 episodes."""
    results = tmp_path / "results"
    tasks = running.missing(TINY, tmp_path, results)
    assert [task.seed for task in tasks] == [0, 1]
    running.keep_done(TINY, tasks, results)
    assert not results.exists()
    train(TINY, tasks[0])
    running.keep_done(TINY, tasks, results)
    (first,) = read(results / "tiny.json")["runs"]
    assert not running.is_kept(TINY, results)
    (left,) = running.missing(TINY, tmp_path / "another machine", results)
    assert left.seed == 1
    train(TINY, left)
    running.keep_done(TINY, [left], results)
    data = read(results / "tiny.json")
    assert data["runs"][0]["last"] == first["last"]
    assert data["card"]["algorithm"] == "ppo" and "log_dir" not in data["card"]
    assert [run["card"]["seed"] for run in data["runs"]] == [0, 1]
    for run in data["runs"]:
        assert len(run["evaluations"]["return"]) == 4
        assert len(run["last"]["return"]) == len(run["best"]["return"]) == 100
        assert run["best"]["env_steps"] in run["evaluations"]["env_steps"]
    assert running.is_kept(TINY, results)
    assert not running.is_kept(TINY._replace(steps=9), results)


@pytest.mark.parametrize("cut", [0, 40])
def test_a_damaged_file_is_named_in_a_sentence(cut, tmp_path, monkeypatch, capsys):
    """An empty file, or half of one, ended every command in a traceback that did not say which it was."""
    (tmp_path / "tiny.json").write_text('{"format":1,"entry":{"name":"tiny","env":"x"}}'[:cut])
    with pytest.raises(ValueError, match=r"tiny\.json is damaged: .*; git restore"):
        read(tmp_path / "tiny.json")
    monkeypatch.setattr("evidence.running.runs_of", lambda *_: read(tmp_path / "tiny.json"))
    assert command(["--list", "ppo-catch"]) == 2
    assert "tiny.json is damaged" in capsys.readouterr().err


def test_a_folder_of_an_entry_that_has_changed_is_refused(tmp_path):
    task = Task(0, 1, tmp_path)
    train(TINY, task)
    with pytest.raises(ValueError, match=f"{tmp_path} is of an entry tiny that has changed since"):
        train(TINY._replace(steps=64), task)


@pytest.mark.faults
def test_a_run_that_is_killed_goes_on_with_the_same_command(tmp_path):
    task = Task(3, 1, tmp_path / "seed-3")
    command = [sys.executable, "-m", "tests.evidence.tiny", "tiny", "3", "1", str(task.folder)]
    with subprocess.Popen(command) as process:
        until(lambda: last_row(task.folder).get("env_steps", 0) >= 256)
        process.send_signal(signal.SIGKILL)
    assert not running.done(task)
    assert subprocess.run(command).returncode == 0
    assert train(TINY, Task(3, 1, tmp_path / "whole")) == 0
    (killed,), (whole,) = result_of(task), result_of(Task(3, 1, tmp_path / "whole"))
    assert killed["last"]["return"] == whole["last"]["return"]


def test_seeds_in_torch_are_one_population():
    assert is_population(ENTRIES["ppo-torch-cartpole"])
    assert not is_population(ENTRIES["ppo-cartpole"])


MADE = [name for name, entry in ENTRIES.items() if entry.make]


@pytest.mark.parametrize("name", [x for x in MADE if x != "sac-recorded-pendulum"])  # trains first
def test_what_no_command_trains_can_be_made_as_many_seeds_at_once_as_it_says(name, tmp_path):
    """Those of MiniGrid and the panda are left out where these are not installed."""
    entry = ENTRIES[name]
    for module, tag in (("minigrid", "multi-room"), ("panda_gym", "panda-reach")):
        if tag in entry.tags:
            pytest.importorskip(module)
    (task, *others) = tasks_of(entry, tmp_path)
    assert task.num == (entry.seeds if entry.at_once else 1)
    assert task.num + sum(other.num for other in others) == entry.seeds
    learner = learner_of(entry, task)
    learner.close()


@pytest.mark.faults
def test_of_a_population_each_member_is_evaluated_alone(tmp_path):
    pole = TINY._replace(env="torch/CartPole-v1", steps=640)
    (task,) = tasks_of(pole, tmp_path)
    assert train(pole, task) == 0
    path = keep(pole, [task], tmp_path / "results")
    runs = read(path)["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    assert all(run["last"]["env_steps"] == 640 for run in runs)
    assert runs[0]["last"]["return"] != runs[1]["last"]["return"]
    assert runs[0]["rows"]["env_steps"][-1] <= 640


def test_rows_are_thinned_to_the_last_before_even_positions():
    """Of rows at 1, 2, ... 1,000 and four points: 250, 500, 750, 1,000; of three rows all."""
    steps = list(range(1, 1001))
    assert [steps[i] for i in thinned(steps, 4)] == [250, 500, 750, 1000]
    assert thinned([10, 20, 30], 200) == [0, 1, 2]


def test_numbers_are_kept_to_five_digits_and_without_nan():
    assert rounded([1.23456789, 500.0, float("nan"), 7, "x"]) == [1.2346, 500, None, 7, "x"]
    run = {"rows": {"env_steps": [1, 2], "seconds": [0.123456, 0.2]}, "card": {}}
    assert small(run)["rows"]["seconds"] == [0.12346, 0.2]


@pytest.mark.parametrize("name", [x for x, entry in ENTRIES.items() if is_of_command(entry)])
def test_the_options_of_every_entry_are_understood(name):
    entry = ENTRIES[name]
    recipe, *words = entry.words
    options = parse(recipe, [*words, "--env", entry.env, "--total-steps", str(entry.steps)])
    assert options.total_steps == entry.steps

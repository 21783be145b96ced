"""The loop, as something one holds in hand."""

import gc
import json
import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module

import pytest
import torch

from nappo2 import (
    DQN,
    PPO,
    Learner,
    compose,
    dqn,
    envs,
    evaluate,
    load,
    load_params,
    load_run,
    ppo,
    scheme,
)
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.runs.metrics import read_csv
from nappo2.saving.log_dir import Claim, unused
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, learn_of, update_of

RECIPE = ppo(envs.cartpole(2), PPO(num_steps=32, num_minibatches=2, num_epochs=2, hidden=(8,)))


def learner(**options):
    options = {"target_steps": 320, "progress": False} | options
    return Learner(scheme("3cs", RECIPE), RECIPE.init(0), **options)


def test_a_run_is_as_many_steps_as_it_takes():
    """64 env steps and 4 updates per step: 320 take five."""
    run = learner()
    rows = list(run)
    assert [row["env_steps"] for row in rows] == [64, 128, 192, 256, 320]
    assert [row["updates"] for row in rows] == [4, 8, 12, 16, 20]
    assert run.done() and run.metrics == rows and not run.interrupted
    assert list(run) == []


def test_steps_one_by_one_are_the_loop(same):
    one, other = learner(), learner()
    while not one.done():
        one.step()
    assert len(list(other)) == 5 and same(one.params, other.params)


def test_a_hyper_parameter_that_is_set_holds_from_the_next_step(same):
    run = learner()
    run.step()
    before = run.params
    run.set(learning_rate=0.0)
    run.step()
    assert same(run.params["weights"], before["weights"])
    with pytest.raises(
        ValueError, match="these can be set: clip_eps, entropy_coef, gamma, learning_rate"
    ):
        run.set(learning_rat=0.1)


def test_what_a_run_leaves(tmp_path, same):
    run = learner(log_dir=tmp_path / "run")
    list(run)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "curve.png",
        "metrics.csv",
        "params.npz",
        "run.json",
    ]
    assert same(load_params(tmp_path / "run" / "params.npz"), run.params)
    rows = read_csv(tmp_path / "run" / "metrics.csv")
    assert len(rows) == 5 and rows[-1].keys() == run.metrics[-1].keys()
    assert rows[-1]["episode_return"] == pytest.approx(run.metrics[-1]["episode_return"])
    assert (tmp_path / "run" / "curve.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("lose", [shutil.rmtree, lambda path: path.rename(path.with_name("moved"))])
def test_a_folder_that_goes_during_a_run_is_made_again(lose, tmp_path, same):
    folder = tmp_path / "runs" / "x"
    run = learner(log_dir=folder, checkpoint_every=64)
    run.step()
    with pytest.warns(UserWarning, match="was removed or renamed, and is made again") as seen:
        run.files.finish()
        lose(folder)
        run.run()
    assert len(seen) == 1 and len(load_run(folder).metrics) == 5
    assert same(load(folder).params, run.params)
    again = learner()
    again.resume(folder)
    assert again.env_steps == 320
    run.close()


def test_metrics_that_are_removed_during_a_run_are_written_again(tmp_path):
    run = learner(log_dir=tmp_path)
    run.step()
    (tmp_path / "metrics.csv").unlink()
    run.step()
    assert [row["env_steps"] for row in read_csv(tmp_path / "metrics.csv")] == [64, 128]


@pytest.mark.parametrize("output", ["full", "unread", "none"])
def test_a_bar_that_cannot_be_shown_ends_no_run(output, monkeypatch):
    """As on a full disk, behind a reader that has gone, and in a process without a standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    where = {"full": "/dev/full", "unread": writer}
    with open(where.get(output, os.devnull), "w", buffering=1) as file:
        monkeypatch.setattr(sys, "stderr", None if output == "none" else file)
        assert learner(progress=True).run().env_steps == 320
        assert learner(progress=None).run().env_steps == 320
        monkeypatch.undo()
        with suppress(OSError):  # what was kept to be written
            file.close()


def test_a_run_stays_in_its_folder_wherever_its_process_goes(tmp_path, monkeypatch, recwarn):
    """As by ``%cd`` in a notebook; other commands are told the path as one would type it there."""
    monkeypatch.chdir(tmp_path)
    run = learner(log_dir="runs/x", checkpoint_every=64)
    assert next(iter(run))["env_steps"] == 64
    described = json.loads((tmp_path / "runs" / "x" / "run.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    run.run().close()
    assert not recwarn.list and not list(other.iterdir())
    assert run.log_dir == tmp_path / "runs" / "x" and described["log_dir"] == "runs/x"
    assert len(read_csv(run.log_dir / "metrics.csv")) == 5
    assert int(load_params(run.log_dir / "params.npz")["version"]) == 20
    again = learner()
    again.resume(run.log_dir)
    assert again.env_steps == 320 and (run.log_dir / "curve.png").exists()


def test_an_earlier_run_is_set_aside(tmp_path):
    for _ in range(3):
        list(learner(log_dir=tmp_path, target_steps=64))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["curve.png", "earlier-1", "earlier-2", "metrics.csv", "params.npz", "run.json"]
    assert len(read_csv(tmp_path / "earlier-2" / "metrics.csv")) == 1


def test_evaluations_come_every_so_many_env_steps():
    """After 128, 256 of 320 steps, by the greedy policy, on environments of their own."""
    env = envs.cartpole(3, time_limit=20)
    run = learner(evaluate=lambda p: evaluate(env, RECIPE.greedy, p, 4), evaluate_every=128)
    list(run)
    found = {
        row["env_steps"]: row["evaluation_return"]
        for row in run.metrics
        if "evaluation_return" in row
    }
    assert list(found) == [128, 256] and all(5 < x <= 20 for x in found.values())


@pytest.mark.parametrize("value", [3.0, None, (1.0, 2.0)])
def test_what_is_no_evaluation_is_a_sentence(value):
    run = learner(evaluate=lambda params: value, evaluate_every=64)
    with pytest.raises(ValueError, match=r"evaluate is a function params -> Evaluation.* gave"):
        run.run()


def test_tensorboard_gets_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = learner(log_dir=tmp_path, loggers=["tensorboard"])
    list(run)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [(e.step, e.value) for e in events.Scalars("loss")]
    assert losses == [(row["env_steps"], pytest.approx(row["loss"])) for row in run.metrics]


def test_an_interrupt_is_told_with_how_to_go_on(tmp_path, caplog):
    run = learner(log_dir=tmp_path / "run", checkpoint_every=64)
    for _ in run:
        os.kill(os.getpid(), signal.SIGINT)
    (said,) = [record.message for record in caplog.records if "interrupted" in record.message]
    how = f"run the loop again to continue, or nappo2 resume {tmp_path / 'run'}"
    assert said == f"interrupted by SIGINT after {run.env_steps} env steps; {how}"


def test_an_interrupt_ends_the_loop_after_the_step_and_it_goes_on_in_the_next(same):
    run, rows, before = learner(), [], signal.getsignal(signal.SIGINT)
    for row in run:
        rows.append(row)
        if len(rows) == 2:
            os.kill(os.getpid(), signal.SIGINT)
    assert run.interrupted and run.env_steps == 128
    rows += list(run)
    assert run.done() and not run.interrupted and same(run.params, _whole())
    assert signal.getsignal(signal.SIGINT) is before


def _whole():
    run = learner()
    list(run)
    return run.params


def test_a_second_interrupt_aborts(tmp_path):
    run = learner(log_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        for _ in run:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
    assert (tmp_path / "params.npz").exists()


def test_a_loop_in_another_thread_is_not_interrupted():
    run = learner()
    thread = threading.Thread(target=lambda: list(run))
    thread.start()
    thread.join()
    assert run.done()


def test_looking_at_a_learner_starts_nothing(capsys):
    run = learner()
    assert "at 0 env steps, 0 updates" in repr(run)
    list(run)
    run.print_info()
    assert capsys.readouterr().out.startswith("320 env steps, 20 updates, ")


def test_bad_input_is_refused_where_it_is_given(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for options, message in [
        ({"target_steps": -5}, "target_steps is an integer of at least 1, not -5"),
        ({"log_dir": file}, "is a file"),
        ({"log_dir": file / "below"}, "cannot be made"),
        ({"seed": -1}, "seed is an integer of at least 0, not -1"),
        ({"seed": None}, "seed is an integer of at least 0, not None"),
        ({"loggers": ["tensorboard"]}, "tensorboard needs a log_dir"),
    ]:
        with pytest.raises(ValueError, match=message):
            learner(**options)
    with pytest.raises(ValueError, match="pipeline ends with update or learn"):
        Learner(collect_of(RECIPE) | RECIPE.prepare, RECIPE.init(0)).step()
    with pytest.raises(ValueError, match="pipeline is a pipeline, as scheme"):
        Learner(RECIPE.prepare, RECIPE.init(0))


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_damaged_file_is_named(tmp_path, kept):
    path = learner().save_model(tmp_path / "params.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"params.npz holds no params of nappo2, or is damaged"):
        load_params(path)


def test_a_file_of_pickles_is_not_executed(tmp_path):
    import numpy as np

    class Canary:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    np.savez(tmp_path / "params.npz", weights=np.array([Canary()], dtype=object))
    with pytest.raises(ValueError, match="holds no params"):
        load_params(tmp_path / "params.npz")
    assert not (tmp_path / "executed").exists()


def test_params_survive_the_disk_in_order(tmp_path):
    """The order of the leaves is that of the vector of weights."""
    from nappo2 import ravel

    run = learner()
    loaded = load_params(run.save_model(tmp_path / "p.npz"))
    assert torch.equal(ravel(loaded["weights"])[0], ravel(run.params["weights"])[0])


# --- a log_dir belongs to one run


def test_the_latest_learner_of_a_process_has_the_folder(tmp_path):
    """As a cell that is run again makes one; the earlier one is refused, and its rows stay apart."""
    first, second = learner(log_dir=tmp_path), learner(log_dir=tmp_path)
    second.step()
    with pytest.raises(ValueError, match="another one was made for this log_dir"):
        first.step()
    second.step()
    assert [row["env_steps"] for row in read_csv(tmp_path / "metrics.csv")] == [64, 128]


def test_an_earlier_run_that_goes_on_is_refused_and_touches_nothing(tmp_path):
    first = learner(log_dir=tmp_path)
    first.step()
    second = learner(log_dir=tmp_path, target_steps=64).run()
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    for call in (
        first.step,
        first.save,
        first.checkpoint,
        first.run,
        lambda: first.resume(tmp_path),
    ):
        with pytest.raises((ValueError, FileNotFoundError)):
            call()
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before
    assert second.env_steps == 64


@pytest.mark.parametrize("ends", ["is closed", "is forgotten"])
def test_a_folder_is_free_once_its_run(ends, tmp_path):
    """Another process would have it then: nobody holds its lock."""
    run = learner(log_dir=tmp_path)
    run.step()
    assert not _free(tmp_path)
    if ends == "is closed":
        run.close()
    else:
        del run
        gc.collect()
    assert _free(tmp_path)


def _free(folder):
    """Whether a process of its own can have it: a fork of this one, which has opened nothing there."""
    pid = os.fork()
    if pid == 0:
        _claim_and_exit(folder)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 1)
    return code == 0


def _claim_and_exit(folder):
    code = 2
    try:
        Claim(folder)
        code = 0
    except ValueError as error:
        code = 1 if f"another run writes to {folder}" in str(error) else 2
    finally:
        os._exit(code)


def test_folders_without_a_name_never_collide(tmp_path):
    """However many begin in the same second."""
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: unused(tmp_path / "ppo-0"), range(40)))
    assert len(set(folders)) == 40 and all(folder.is_dir() for folder in folders)
    assert {"ppo-0", "ppo-0-2", "ppo-0-40"} <= {folder.name for folder in folders}


# --- rows, and what is told in them


def test_each_row_is_yielded_once_also_by_a_pipe_that_is_not_fused():
    """64 env steps per rollout, learnt from in 4 steps of the pipeline: rows for 320 are five."""
    whole = RECIPE.replace(all_batches=None)
    run = Learner(scheme("3cs", whole), whole.init(0), target_steps=320, progress=False)
    rows = list(run)
    assert [row["env_steps"] for row in rows] == [64, 128, 192, 256, 320]
    assert rows == run.metrics == list(run.metrics)


def test_what_was_changed_is_told_in_the_next_row(tmp_path):
    """In memory, in the CSV, in a table of pandas, and where pictures look."""
    run = learner(log_dir=tmp_path, checkpoint_every=64, loggers=["tensorboard"])
    run.step()
    run.set(learning_rate=0.5, gamma=0.25)
    run.step()
    run.adopt(scheme("2dacs", RECIPE, learners=1))
    while run.env_steps < 192:
        run.step()
    run.save()
    rows = read_csv(tmp_path / "metrics.csv")
    assert [row["env_steps"] for row in rows if "event" in row] == [128, 192]
    assert rows[1]["event"] == "set learning_rate 0.5; set gamma 0.25"
    assert rows[2]["event"] == "adopt 2dacs"
    assert [row["learning_rate"] for row in rows] == pytest.approx([3e-4, 0.5, 0.5])
    assert rows[0]["gamma"] == pytest.approx(run.metrics[0]["gamma"]) == pytest.approx(0.99)
    assert run.metrics.to_pandas()["event"].notna().sum() == 2
    four = ppo(envs.cartpole(4), PPO(num_steps=32, num_minibatches=2, num_epochs=2, hidden=(8,)))
    again = Learner(scheme("3cs", four), four.init(0), log_dir=tmp_path / "again", progress=False)
    again.resume(tmp_path)
    again.step()
    assert again.metrics[-1]["event"].startswith("resume: the episodes of cartpole begin anew")
    assert again.metrics[1]["event"] == rows[1]["event"]


def test_an_interrupt_is_told_in_the_last_row(tmp_path):
    run = learner(log_dir=tmp_path, target_steps=10**9)
    for row in run:
        if row["env_steps"] == 128:
            os.kill(os.getpid(), signal.SIGINT)
    run.save()
    rows = read_csv(tmp_path / "metrics.csv")
    assert rows[-1]["event"] == run.metrics[-1]["event"] == "interrupted by SIGINT"
    assert "event" not in rows[0] and (tmp_path / "curve.png").exists()


# --- sources that say less


def source(without):
    """collect_of(RECIPE), whose reports or rollouts lack something."""

    def step(params, state):
        state, rollout, report = collect_of(RECIPE).step(params, state)
        sums = {name: x for name, x in report.sums.items() if name != without}
        return state, rollout.exclude(without), report._replace(sums=sums)

    return Pipeline(collect_of(RECIPE).init, step)


@pytest.mark.parametrize("fused", [True, False])
def test_a_source_that_counts_nothing_took_a_step_per_transition(fused):
    learn = (
        learn_of(RECIPE)
        if fused
        else compose(batches_of(RECIPE), gradients_of(RECIPE), update_of(RECIPE))
    )
    pipe = source("env_steps") | RECIPE.prepare | learn
    run = Learner(pipe, RECIPE.init(0), target_steps=128, progress=False).run()
    assert [row["env_steps"] for row in run.metrics] == [64, 128]


def test_a_replay_of_a_source_that_counts_nothing_ends():
    """All batches that a rollout feeds are one step, which waited for env_steps for ever."""
    recipe = dqn(envs.cartpole(2), DQN(hidden=(8,), num_steps=32, start_steps=0, capacity=100))

    def step(params, state):
        state, rollout, report = collect_of(recipe).step(params, state)
        return state, rollout, Report(episodes=report.episodes)

    pipe = Pipeline(collect_of(recipe).init, step) | learn_of(recipe)
    run = Learner(pipe, recipe.init(0), target_steps=128, progress=False).run()
    assert [row["env_steps"] for row in run.metrics] == [64, 128]


def test_a_pipeline_that_never_counts_is_a_sentence(monkeypatch):
    monkeypatch.setattr(import_module("nappo2.runs.learner"), "MOST_STEPS", 50)
    still = Pipeline(lambda params, seed: {}, lambda params, state: (state, params, Report()))
    run = Learner(still, RECIPE.init(0), progress=False)
    with pytest.raises(ValueError, match=r"50 steps of .* reported no env_steps"):
        run.run()


@pytest.mark.parametrize("fused", [True, False])
def test_a_rollout_without_a_version_is_a_sentence(fused):
    learn = (
        learn_of(RECIPE)
        if fused
        else compose(batches_of(RECIPE), gradients_of(RECIPE), update_of(RECIPE))
    )
    run = Learner(source("params_version") | RECIPE.prepare | learn, RECIPE.init(0), progress=False)
    with pytest.raises(ValueError, match="a batch lacks params_version"):
        run.step()

"""Evaluations and films in a process beside the run."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from nappo2 import Evaluation, Learner, beside, envs, evaluate, load_params, scheme, videos
from nappo2.runs.beside import Job
from nappo2.runs.curve import evaluated
from tests.makers.comparing import timeless
from tests.makers.processes import until
from tests.makers.recipes import CARTPOLE_PPO

ENV = envs.cartpole(2, time_limit=30)
TEST = partial(evaluate, ENV, CARTPOLE_PPO.greedy, num_episodes=4)


def learner(**options):
    """16 env steps and 4 updates per row."""
    options = {"target_steps": 160, "evaluate_every": 32, "progress": False} | options
    return Learner(scheme("3cs", CARTPOLE_PPO), CARTPOLE_PPO.init(0), 1, **options)


def evaluations(run):
    """Results by the env steps at which the params were taken."""
    rows = [row for row in run.metrics if "evaluation_return" in row]
    names = ("evaluation_return", "evaluation_std", "evaluation_length")
    return {
        row.get("evaluation_env_steps", row["env_steps"]): [row[name] for name in names]
        for row in rows
    }


def trained(rows):
    """Rows without evaluations and times."""
    return [
        {k: x for k, x in row.items() if "evaluation" not in k and k != "event"}
        for row in timeless(rows)
    ]


def children():
    """The processes beside runs of this one."""
    return [x for x in psutil.Process().children() if "beside_process" in " ".join(x.cmdline())]


def until_answered(run):
    """Waits until the process has answered, so that the next row has its result."""
    (worker,) = run.evaluations._workers.values()
    until(lambda: worker._background.idle())


def test_an_evaluation_beside_the_run_is_the_one_in_the_loop(same, tmp_path):
    """To the last bit, of the same params; and so are the params of the run, and its best."""
    here = learner(evaluate=TEST, log_dir=tmp_path / "here").run()
    there = learner(evaluate=beside(TEST), log_dir=tmp_path / "there")
    for row in there:
        if row["env_steps"] % 32 == 0:
            until_answered(there)
    without = learner().run()
    assert evaluations(there) == evaluations(here) and list(evaluations(here)) == [
        32,
        64,
        96,
        128,
        160,
    ]
    assert same(there.params, without.params) and same(here.params, without.params)
    assert trained(there.metrics) == trained(here.metrics) == trained(without.metrics)
    best = [load_params(tmp_path / name / "best.npz") for name in ("here", "there")]
    assert same(*best)
    scores = evaluations(here)
    last_best = max(scores, key=lambda steps: (scores[steps][0], steps))
    assert int(best[0]["version"]) == last_best // 4
    there.close()


def test_results_come_to_later_rows_and_the_last_ones_to_the_last_rows(tmp_path):
    """Nothing waits before the end; of those that are due meanwhile the newest is kept."""
    gate = tmp_path / "gate"

    def waits(params):
        while not gate.exists():
            time.sleep(0.01)
        return TEST(params)

    run = learner(evaluate=beside(waits), log_dir=tmp_path / "run")
    for row in run:
        assert "evaluation_return" not in row
        if run.done():
            gate.write_text("")
    assert list(evaluations(run)) == [32, 160]
    assert [row["env_steps"] for row in run.metrics if "evaluation_return" in row] == [144, 160]
    here = evaluations(learner(evaluate=TEST).run())
    assert evaluations(run) == {steps: here[steps] for steps in (32, 160)}
    run.close()


def exits(params):
    os._exit(3)


def raises(params):
    raise ZeroDivisionError("the simulator broke")


def hangs(params):
    time.sleep(3600)


def numbers(params):
    return 3.0


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (raises, "evaluate failed, and the run goes on: .*ZeroDivisionError: the simulator broke"),
        (numbers, "the run goes on: .*evaluate is a function params -> Evaluation.* gave 3.0"),
        (Job(lambda params, place: 3.0), "the path of a file, or None, not 3.0"),
        pytest.param(
            exits,
            "evaluate failed, and the run goes on: .*ended with exit code 3",
            marks=pytest.mark.faults,
        ),
        pytest.param(
            hangs,
            "evaluate failed, and the run goes on: .*it took more than 1 s, and was ended",
            marks=pytest.mark.faults,
        ),
    ],
)
def test_an_evaluation_that_breaks_ends_nothing(broken, message, same):
    run = learner(evaluate=beside(broken, seconds=1.0))
    with pytest.warns(UserWarning, match=message) as seen:
        run.run()
        run.close()
    assert len(seen) == 1 and run.done() and same(run.params, learner().run().params)
    assert evaluations(run) == {} and not children()


def test_a_process_that_was_killed_is_started_again(same):
    run = learner(evaluate=beside(TEST))
    with pytest.warns(UserWarning, match="ended with exit code -9"):
        for row in run:
            if row["env_steps"] == 64:
                until_answered(run)
                (process,) = children()
                process.kill()
    assert 160 in evaluations(run) and same(run.params, learner().run().params)
    run.close()


def test_a_run_does_not_wait_longer_than_it_says_at_its_end():
    run = learner(evaluate=beside(hangs, wait=0.2))
    with pytest.warns(UserWarning, match="under way still, after 0.2 s"):
        run.run()
    run.close()
    until(lambda: not children())


def test_a_curve_shows_an_evaluation_where_its_params_were_taken():
    rows = [{"env_steps": 32, "evaluation_return": 1.0}, {"env_steps": 48}]
    rows += [{"env_steps": 96, "evaluation_env_steps": 64, "evaluation_return": 2.0}]
    assert evaluated(rows) == [(32, 1.0), (64, 2.0)]


def test_an_interrupt_does_not_wait_for_an_evaluation():
    run = learner(evaluate=beside(hangs, wait=3600.0))
    for row in run:
        if row["env_steps"] == 64:
            os.kill(os.getpid(), signal.SIGINT)
    assert run.interrupted and run.env_steps == 64
    run.close()


def test_a_run_that_is_forgotten_leaves_no_process():
    run = learner(evaluate=beside(TEST)).run()
    assert len(children()) == 1
    del run
    until(lambda: not children())


def test_a_function_of_a_script_or_a_notebook_is_taken_along():
    """It is pickled with what it closes over, as it is when it is given."""
    factor = 2.0

    def scaled(params):
        result = TEST(params)
        return Evaluation(factor * result.returns, result.lengths)

    value = beside(scaled)
    factor = 3.0
    run = learner(evaluate=value, evaluate_every=160).run()
    assert (
        evaluations(run)[160][0]
        == 2 * evaluations(learner(evaluate=TEST, evaluate_every=160).run())[160][0]
    )
    run.close()


def test_films_are_made_beside_the_run_and_shown_to_loggers(tmp_path):
    """At 64 and 128 env steps; the loggers get them besides the curve."""
    pytest.importorskip("imageio_ffmpeg")

    class Shown:
        def __init__(self):
            self.files = []

        def log(self, row):
            pass

        def file(self, path, env_steps):
            self.files.append((path.name, env_steps))

    shown, film = Shown(), videos(ENV, CARTPOLE_PPO.greedy, every=64, num_steps=5)
    run = learner(evaluate=beside(TEST, film), log_dir=tmp_path, loggers=[shown])
    for row in run:
        if row["env_steps"] % 32 == 0:
            until_answered(run)
    names = [f"step-{steps:012d}.mp4" for steps in (64, 128)]
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == names
    assert shown.files == [(names[0], 64), (names[1], 128), ("curve.png", 160)]
    assert len(evaluations(run)) == 5
    run.close()


def test_videos_without_a_folder_are_told():
    run = learner(evaluate=beside(videos(ENV, CARTPOLE_PPO.greedy, every=160)))
    with pytest.warns(UserWarning, match="videos need a log_dir to be written to"):
        run.run()
        run.close()


def test_a_better_evaluation_of_another_branch_is_set_aside(tmp_path):
    """The run goes on from 96 env steps, and the best of 160 is none of this branch."""
    scores = iter([1.0, 2.0, 3.0, 4.0, 5.0])

    def better(params):
        return TEST(params)._replace(returns=TEST(params).returns * 0 + next(scores))

    run = learner(evaluate=better, log_dir=tmp_path, checkpoint_every=64)
    run.run()
    assert int(load_params(tmp_path / "best.npz")["version"]) == 40
    again = learner(log_dir=tmp_path)
    again.resume(tmp_path / "checkpoints" / "steps-000000000096.npz")
    assert not (tmp_path / "best.npz").exists()
    assert int(load_params(tmp_path / "earlier-1" / "best.npz")["version"]) == 40
    again.close()


def test_what_cannot_be_sent_is_named_where_it_is_given():
    import threading

    lock = threading.Lock()

    def locked(params):
        with lock:
            return TEST(params)

    with pytest.raises(ValueError, match=r"jobs\[0\].*lock cannot be sent to a worker"):
        beside(locked)
    with pytest.raises(ValueError, match=r"beside\(...\) has no job"):
        beside()
    with pytest.raises(ValueError, match="evaluate is a function of one argument, or a Beside"):
        learner(evaluate=3)


def test_a_job_of_ones_own_has_its_own_interval(tmp_path):
    def write(params, place):
        (Path(place.log_dir) / f"seen-{place.env_steps}").write_text(str(int(params["version"])))

    run = learner(evaluate=beside(Job(write, every=80)), log_dir=tmp_path)
    for row in run:
        until_answered(run)
    assert {x.name: x.read_text() for x in tmp_path.glob("seen-*")} == {
        "seen-80": "20",
        "seen-160": "40",
    }
    assert evaluations(run) == {}
    run.close()

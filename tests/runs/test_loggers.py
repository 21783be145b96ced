"""Where rows go besides metrics.csv, and what becomes of a run whose loggers fail."""

import csv
import json
import os
import subprocess
import sys
import time
import warnings

import pytest

from nappo2 import Learner, loggers, scheme
from nappo2.runs import background
from nappo2.runs.background import Seconds
from nappo2.runs.loggers import LoggerMaker
from tests.makers import logged
from tests.makers.recipes import CARTPOLE_PPO


def learner(**options):
    """16 env steps and 4 updates per row."""
    options = {"target_steps": 160, "progress": False} | options
    return Learner(scheme("3cs", CARTPOLE_PPO), CARTPOLE_PPO.init(0), 1, **options)


def run_with_events(folder, logger):
    """A run in whose rows there is all that a row can have; one event comes after its row."""
    run = learner(log_dir=folder, loggers=[logger])
    for row in run.until(env_steps=96):
        if row["env_steps"] == 32:
            run.set(learning_rate=1e-3)
            run.record(mine=0.125)
    run.close()
    return run


def rows_of(path):
    """The rows of a CSV file, with texts where there are no numbers."""
    with open(path, newline="") as file:
        return [
            {k: x if k == "event" else float(x) for k, x in row.items() if x != ""}
            for row in csv.DictReader(file)
        ]


READERS = {
    "tensorboard": lambda folder: logged.of_tensorboard(folder / "run" / "tensorboard"),
    "wandb": lambda folder: logged.of_wandb(folder / "run"),
    "mlflow": lambda folder: logged.of_mlflow(f"sqlite:///{folder}/mlflow.db"),
    "trackio": lambda folder: logged.of_trackio(folder / "trackio"),
}


@pytest.fixture
def service(request, tmp_path, monkeypatch):
    """A logger by its name, which writes below a folder of the test."""
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    if request.param == "trackio":  # which reads its folder once, when it is imported
        for module in ("utils", "sqlite_storage"):
            monkeypatch.setattr(f"trackio.{module}.TRACKIO_DIR", tmp_path / "trackio")
    if request.param == "mlflow":
        monkeypatch.chdir(tmp_path)  # where pictures go
        return request.param, loggers.mlflow(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    return request.param, request.param


@pytest.mark.parametrize("service", READERS, indirect=True)
def test_the_rows_of_a_logger_are_those_of_the_csv(service, tmp_path):
    """Events and numbers that come after their row among them; TensorBoard keeps 32 bits."""
    name, logger = service
    run_with_events(tmp_path / "run", logger)
    rows, expected = READERS[name](tmp_path), rows_of(tmp_path / "run" / "metrics.csv")
    assert len(rows) == len(expected) == 6 and expected[-1]["event"].startswith("stopped: ")
    exact = {"rel": 1e-6} if name == "tensorboard" else {"rel": 0, "abs": 0}
    for row, numbers in zip(rows, expected, strict=True):
        assert row.pop("event", "") == numbers.pop("event", "")
        assert row == pytest.approx(numbers, nan_ok=True, **exact)


def test_tensorboard_shows_the_settings_and_the_curve(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    learner(log_dir=tmp_path, loggers=["tensorboard"]).run().close()
    folder = tmp_path / "tensorboard"
    assert logged.pictures_of_tensorboard(folder)["curve"] == (tmp_path / "curve.png").read_bytes()
    events = EventAccumulator(str(folder)).Reload()
    (text,) = events.Tensors("settings/text_summary")
    assert '"total_steps": 160' in text.tensor_proto.string_val[0].decode()


def test_tensorboard_stays_in_the_folder_that_was_given(tmp_path, monkeypatch):
    """Also where the process changes its own between two cells, before the first row."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    run = learner(loggers=[loggers.tensorboard("board")])
    monkeypatch.chdir(tmp_path / "other")
    run.run().close()
    assert list((tmp_path / "board").iterdir()) and not list((tmp_path / "other").iterdir())


def test_tensorboard_shows_a_film_as_a_gif(tmp_path):
    """Of 250 frames every third."""
    imageio = pytest.importorskip("imageio.v2")
    pytest.importorskip("imageio_ffmpeg")
    import numpy as np

    (tmp_path / "videos").mkdir()
    path = tmp_path / "videos" / "step-1.mp4"
    with imageio.get_writer(path, fps=30) as writer:
        for i in range(250):
            writer.append_data(np.full((32, 64, 3), i, np.uint8))
    run = learner(log_dir=tmp_path / "run", loggers=["tensorboard"])
    run.begin()
    run.files.show(path, 16)
    run.close()
    data = logged.pictures_of_tensorboard(tmp_path / "run" / "tensorboard")["videos"]
    assert data.startswith(b"GIF89a") and len(imageio.mimread(data)) == 84


# --- anything with log(row)


class Kept:
    """Keeps its rows."""

    def __init__(self):
        self.rows = []

    def log(self, row):
        self.rows.append(row)


def test_anything_with_log_is_a_logger_with_and_without_a_folder(tmp_path):
    kept, other = Kept(), Kept()
    run = learner(loggers=[kept, other]).run()
    assert kept.rows == other.rows == run.metrics and kept.rows[0] is not run.metrics[0]
    learner(loggers=(kept,), log_dir=tmp_path).run()
    assert len(kept.rows) == 20


def test_what_a_maker_makes_is_told_of_the_run_and_closed_and_what_is_given_is_not(tmp_path):
    class Closed(Kept):
        closed = 0

        def close(self):
            self.closed += 1

    runs, made, given = [], Closed(), Closed()

    def make(run):
        runs.append(run)
        return made

    run = learner(loggers=[LoggerMaker("mine", make), given], log_dir=tmp_path / "pole").run()
    run.close()
    assert (made.closed, given.closed) == (1, 0) and made.rows == given.rows == run.metrics
    ((name, log_dir, settings),) = runs
    assert (name, log_dir) == ("pole", tmp_path / "pole")
    assert settings["seed"] == 1 and settings["total_steps"] == 160
    assert settings["hyper"]["clip_eps"] == pytest.approx(0.2)
    assert settings.items() >= json.loads((tmp_path / "pole" / "run.json").read_text()).items()


def test_numbers_of_ones_own_come_with_the_next_row(tmp_path):
    run = learner(log_dir=tmp_path)
    run.step()
    run.record(temperature=21.5, note="warm")
    run.step()
    assert "temperature" not in run.metrics[0] and run.metrics[1]["temperature"] == 21.5
    assert "21.5,warm" in (tmp_path / "metrics.csv").read_text()
    names = "env_steps", "evaluation_return", "learning_rate", "approx_kl", "gae_seconds"
    for name in (*names, "episode_return_7"):  # which would make a population of it
        with pytest.raises(ValueError, match=f"'{name}' is a column of the Learner"):
            run.record(**{name: 1.0})


def test_a_number_of_ones_own_replaces_none_of_the_first_row():
    """Before it, nobody knows what the stages report."""
    run = learner()
    run.record(approx_kl=99.0, temperature=21.5)
    with pytest.warns(UserWarning, match="'approx_kl' is a column of this run; .* is left out"):
        run.step()
    assert run.metrics[0]["approx_kl"] < 1 and run.metrics[0]["temperature"] == 21.5


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (["tensorbord"], ValueError, r"no logger is called 'tensorbord'; .* mean 'tensorboard'\?"),
        (
            [3],
            ValueError,
            r"loggers\[0\] has log\(row\), or is one of tensorboard, wandb, .* not 3",
        ),
        ([Kept], ValueError, r"loggers\[0\] has log\(row\), .* not the class Kept"),
        ("wandb", ValueError, "loggers is several, in a tuple or a list, not 'wandb'"),
        (["tensorboard"], ValueError, "tensorboard needs a log_dir to write to"),
    ],
)
def test_what_is_no_logger_is_told_in_a_sentence(given, error, message):
    with pytest.raises(error, match=message):
        learner(loggers=given)


@pytest.mark.parametrize("name", [name for name in loggers.BY_NAME if name != "trace"])
def test_a_missing_package_is_one_sentence(name, monkeypatch):
    monkeypatch.setattr("nappo2.runs.loggers.logger.is_installed", lambda package: False)
    with pytest.raises(ImportError, match=rf"logger {name} needs {name}: pip install '"):
        learner(loggers=[name])


# --- loggers that fail


class Full(Kept):
    def log(self, row):
        super().log(row)
        raise OSError(28, "No space left on device")


class Hanging(Kept):
    def log(self, row):
        time.sleep(3600)


class Served(Kept):
    """Writes its rows to a process."""

    def __init__(self):
        super().__init__()
        self.server = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def log(self, row):
        super().log(row)
        self.server.stdin.write(f"{row}\n".encode())
        self.server.stdin.flush()


def test_a_full_disk_of_a_logger_is_warned_of_once_and_it_gets_the_next_rows(same, tmp_path):
    full, good = Full(), Kept()
    with pytest.warns(UserWarning, match="Full failed, and the run goes on") as seen:
        run = learner(loggers=[full, good], log_dir=tmp_path).run()
        run.close()
    assert len(seen) == 1 and full.rows == good.rows == run.metrics
    assert len(rows_of(tmp_path / "metrics.csv")) == 10 and same(run.params, learner().run().params)


def test_a_logger_that_hangs_is_left_behind_and_the_others_go_on(same, tmp_path, monkeypatch):
    defaults = Seconds(calling=0.3, closing=0.3)
    monkeypatch.setattr(background.Background.__init__, "__defaults__", (defaults,))
    good = Kept()
    with pytest.warns(UserWarning, match="Hanging has not answered for 0.3 s") as seen:
        run = learner(loggers=[Hanging(), good], log_dir=tmp_path).run()
        run.close()
    assert len(seen) == 1 and good.rows == run.metrics and run.done()
    assert len(rows_of(tmp_path / "metrics.csv")) == 10 and same(run.params, learner().run().params)


def test_a_logger_whose_process_is_killed_changes_no_number(same, tmp_path):
    served = Served()
    run = learner(loggers=[served], log_dir=tmp_path)
    with pytest.warns(
        UserWarning, match="Served failed, and the run goes on: BrokenPipeError"
    ) as seen:
        for row in run:
            if row["env_steps"] == 48:
                served.server.kill()
                served.server.wait()
        run.close()
    assert len(seen) == 1 and served.rows == run.metrics and len(run.metrics) == 10
    assert len(rows_of(tmp_path / "metrics.csv")) == 10 and same(run.params, learner().run().params)


KILLED = """
import sys, psutil, warnings
from tests.runs.test_loggers import learner

run = learner(log_dir=sys.argv[1], loggers=["wandb"])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for row in run:
        if row["env_steps"] == 48:
            run.files.finish()
            cores = [x for x in psutil.Process().children(True) if "wandb-core" in x.name()]
            for core in cores:
                core.kill()
    run.close()
print("cores", len(cores))
print("told", len([x for x in caught if "wandb failed, and the run goes on" in str(x.message)]))
run.save_model(sys.argv[2])
"""


def test_wandb_whose_process_is_killed_changes_no_number(same, tmp_path):
    """In a process of its own, as W&B complains once more when that ends."""
    from nappo2 import load_params

    pytest.importorskip("wandb", reason="wandb is not installed")
    environment = os.environ | {"WANDB_MODE": "offline"}
    environment.pop("WANDB_SERVICE", None)  # by which it would share the process of this one
    command = [sys.executable, "-c", KILLED, str(tmp_path / "run"), str(tmp_path / "params.npz")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "cores 1\ntold 1\n" in done.stdout
    assert len(rows_of(tmp_path / "run" / "metrics.csv")) == 10
    assert same(load_params(tmp_path / "params.npz"), learner().run().params)


def test_two_runs_in_one_process_do_not_share_a_service(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    first, second = (learner(log_dir=tmp_path / name, loggers=["wandb"]) for name in "ab")
    first.step()
    second.step()
    first.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # before an episode has ended, there is no curve to show
        for run in (first, second):
            run.save()
            run.close()
    assert [len(logged.of_wandb(tmp_path / name)) for name in "ab"] == [2, 1]

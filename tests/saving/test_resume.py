"""A run that is resumed equals one that was never interrupted, to the last bit."""

import json
import signal
import subprocess
from dataclasses import replace

import pytest
import torch

from nappo2 import Evaluation, Learner, envs, load_params, ppo, preset, scheme
from nappo2.cli import train
from tests.makers.commands import NAPPO2, SHORT, rows_written
from tests.makers.comparing import equal, states, timeless
from tests.makers.processes import until
from tests.makers.recipes import ANNEALED, RESUMED, run_of
from tests.makers.stepping import step

pytestmark = pytest.mark.usefixtures("without_curves")

STEPS = 12


@pytest.mark.parametrize("k", [1, STEPS // 2, STEPS - 1])
@pytest.mark.parametrize("name", ["3cs", "2dacs", "3ds"])
@pytest.mark.parametrize("recipe", ["ppo", "sac"])
def test_a_resumed_run_is_the_uninterrupted_one(recipe, name, k, tmp_path):
    """Params, optimizer, seeds, simulators, metrics; after the first, a middle, the last step but one."""
    check_resume(RESUMED[recipe], name, k, tmp_path)


def check_resume(make_recipe, name, k, folder, **options):
    """The whole run is one of serial workers, wherever those are that are interrupted."""
    whole = step(run_of(make_recipe(), name), STEPS)
    first = step(run_of(make_recipe(), name, folder, **options), k)
    first.save()
    first.close()
    second = run_of(make_recipe(), name, seed=99, **options)
    second.resume(folder)
    step(second, STEPS - k)
    assert equal(second.params, whole.params)
    assert equal(states(second), states(whole))
    assert equal(timeless(second.metrics), timeless(whole.metrics))
    assert second.env_steps == whole.env_steps > 0
    second.close(), whole.close()


@pytest.mark.parametrize("name", ["2daca", "da2cs", "dadaca"])
def test_an_asynchronous_run_that_is_resumed_is_the_uninterrupted_one(name, tmp_path):
    """Rollouts and gradients that are under way are in the checkpoint, with the params of their calls."""
    check_resume(RESUMED["ppo"], name, 5, tmp_path)


def test_a_simulator_of_mujoco_goes_on(tmp_path):
    pytest.importorskip("mujoco")
    check_resume(lambda: ppo(envs.make("HalfCheetah-v5", 2), ANNEALED), "3cs", 2, tmp_path)


@pytest.mark.faults
def test_workers_in_processes_of_their_own_are_asked_for_their_states(on_ray, tmp_path):
    check_resume(RESUMED["ppo"], "2dacs", 5, tmp_path, on=on_ray())


def resumed(folder, name, steps=STEPS, **options):
    """A run of another scheme, from where a central one has ended."""
    first = step(run_of(RESUMED["ppo"](), "3cs", folder), steps)
    first.save()
    recipe = RESUMED["ppo"]()
    second = Learner(scheme(name, recipe, **options), recipe.init(9), 5, 10**9, progress=False)
    second.resume(folder)
    return first, second


@pytest.mark.parametrize(
    "name, options",
    [("da2cs", {"collectors": 2}), ("2dacs", {"learners": 3}), ("dadacs", {"learners": 2})],
)
def test_a_run_goes_on_under_another_scheme(name, options, tmp_path):
    """12 steps of 32 env steps and 4 updates; counters, schedules and the optimizer go on."""
    first, second = resumed(tmp_path, name, **options)
    assert equal(second.params, first.params) and second.env_steps == 12 * 32
    assert equal(second.state["update"], first.state["update"])
    rate = float(second.params["hyper", "learning_rate"])
    assert rate == pytest.approx(3e-4 * (1 - 48 / 60))
    while second.env_steps < 20 * 32:
        second.step()
    assert second.params["version"] > 48 and len(second.metrics) > 12
    assert second.metrics[12]["updates"] > second.metrics[11]["updates"] == 48
    counted = second.params["normalizer", "observation", "moments"][0, 0]
    assert second.env_steps == counted
    assert float(second.params["hyper", "learning_rate"]) < rate


def test_a_run_of_many_workers_goes_on_as_one(tmp_path):
    """Collector and minibatches are those of the first of them."""
    first = step(run_of(RESUMED["ppo"](), "2dacs", tmp_path), 6)
    first.save()
    second = run_of(RESUMED["ppo"](), "3cs", seed=99)
    second.resume(tmp_path)
    ours, theirs = second.state["collect"], first.state["learners"].ask(0)["collect"]
    assert equal(ours, theirs) and equal(second.state["update"], first.state["update"])


def test_what_cannot_be_saved_restarts_its_episodes(tmp_path):
    """Not those that were played first: their seed is derived from where the run was."""
    recipe = ppo(envs.cartpole(2)._replace(save=None, load=None), ANNEALED)

    def run(log_dir=None):
        every = {"checkpoint_every": 64} if log_dir else {}
        pipe = scheme("3cs", recipe)
        return Learner(pipe, recipe.init(0), 1, 10**9, log_dir, progress=False, **every)

    first, second = step(run(tmp_path), 3), run()
    first.save()
    begun = second.state["collect"].observation
    second.resume(tmp_path)
    assert second.state["collect"].seed == first.state["collect"].seed
    assert not torch.equal(second.state["collect"].observation, begun)
    assert step(second, 1).env_steps == 4 * 32


def test_a_resumed_run_keeps_its_files(tmp_path):
    """In the same folder nothing is set aside, and metrics.csv has the rows of both runs."""
    from nappo2.runs.metrics import read_csv

    step(run_of(RESUMED["ppo"](), "3cs", tmp_path), 3).save()
    second = run_of(RESUMED["ppo"](), "3cs", tmp_path)
    second.resume(tmp_path)
    step(second, 2).save()
    assert [row["env_steps"] for row in read_csv(tmp_path / "metrics.csv")] == [
        32,
        64,
        96,
        128,
        160,
    ]
    assert not list(tmp_path.glob("earlier-*"))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["steps-000000000096.npz", "steps-000000000160.npz"]


def test_a_preempted_run_is_resumed_from_the_command_line(tmp_path, monkeypatch, capsys):
    """SIGTERM: a checkpoint, and exit code 143; then the line that a whole run would have ended with."""
    command = [*NAPPO2, "train", *SHORT, "--seed", "3", "--log-dir", "x"]
    command += ["--total-steps", "100000000"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True) as run:
        until(lambda: rows_written(tmp_path / "x") >= 3)
        run.send_signal(signal.SIGTERM)
        printed, errors = run.communicate(timeout=240)
    assert run.returncode == 143, errors
    steps = json.loads(printed.splitlines()[-1])["env_steps"]
    more = ["--total-steps", str(steps + 640)]
    monkeypatch.chdir(tmp_path)
    results = []
    for line in (["--resume", "x"], [*SHORT, "--seed", "3", "--log-dir", "y"]):
        assert train.run([*line, *more]) == 0
        results.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    ours, theirs = results
    assert ours["env_steps"] == theirs["env_steps"] == steps + 640 and ours["log_dir"] == "x"
    assert ours["episode_return"] == theirs["episode_return"]
    assert equal(*(load_params(tmp_path / name / "params.npz") for name in ("x", "y")))


def test_a_run_that_is_not_there_or_would_import_cannot_be_resumed(tmp_path, capsys):
    from nappo2.cli import main

    (tmp_path / "run.json").write_text(
        '{"algorithm": "ppo", "env": "os:CartPole-v1", "config": {}}'
    )
    for path, message in [
        (tmp_path / "nothing", "there is no run to resume at"),
        (tmp_path, "no file makes nappo2 import a module"),
    ]:
        with pytest.raises(SystemExit):
            main(["train", "--resume", str(path)])
        assert message in capsys.readouterr().err


def commanded(capsys, *argv):
    """The JSON line of ``nappo2 train``, and run.json, after so many more options."""
    assert train.run([*argv]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_what_is_said_when_resuming_counts(tmp_path, monkeypatch, capsys):
    """Each option that is given with --resume is that of the run from there on, and in run.json."""
    monkeypatch.chdir(tmp_path)
    commanded(capsys, *SHORT, "--seed", "3", "--log-dir", "x", "--total-steps", "256")
    more = ["--resume", "x", "--total-steps", "512"]
    given = {"learning-rate": 1e-5, "gamma": 0.9, "clip-eps": 0.3, "num-envs": 1, "num-epochs": 1}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    line = commanded(capsys, *more, *words, "--scheme", "da2cs", "--checkpoint-every", "64")
    hyper = load_params(tmp_path / "x" / "params.npz")["hyper"]
    for name in ("learning_rate", "gamma", "clip_eps"):
        assert hyper[name].item() == pytest.approx(given[name.replace("_", "-")])
    described = json.loads((tmp_path / "x" / "run.json").read_text())
    assert described["config"]["learning_rate"] == 1e-5 and described["config"]["num_epochs"] == 1
    assert described["num_envs"] == 1 and described["scheme"] == "da2cs"
    assert line["env_steps"] >= 512 and line["scheme"] == "da2cs"


def test_a_resumed_run_has_its_seed_and_may_name_a_preset(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commanded(capsys, *SHORT, "--seed", "3", "--log-dir", "x", "--total-steps", "256")
    with pytest.raises(ValueError, match="those of seed 3: --seed 4 would change nothing"):
        train.parse("ppo", ["--resume", "x", "--seed", "4"], train.description_of(tmp_path / "x"))
    named = ["--resume", "x", "--preset", "default"]
    options = train.parse("ppo", named, train.description_of(tmp_path / "x"))
    default = preset("ppo", "default")
    assert (options.config, options.num_envs) == (default.config, default.num_envs)
    assert options.env == train.description_of(tmp_path / "x")["env"]


def test_what_was_recorded_for_the_next_row_is_in_it(tmp_path):
    """The body of the loop records of the last row, too; the row that gets it is of who resumes."""
    first = run_of(RESUMED["ppo"](), "3cs", tmp_path)
    step(first, 1)
    first.record(height=2.5, phase="late")
    first.save()
    first.close()
    second = run_of(RESUMED["ppo"](), "3cs", seed=99)
    second.resume(tmp_path)
    step(second, 2)
    columns = [(row.get("height"), row.get("phase")) for row in second.metrics]
    assert columns == [(None, None), (2.5, "late"), (None, None)]
    second.close()


def test_what_was_set_or_scheduled_is_kept_and_what_is_told_anew_counts(tmp_path):
    """entropy_coef was set to 0.05 and is kept; gamma is given as 0.9 by who resumes, and is 0.9."""

    def run(gamma, log_dir=None):
        recipe = ppo(envs.cartpole(2), replace(ANNEALED, gamma=gamma))
        every = {"checkpoint_every": 10**9} if log_dir else {}
        pipe = scheme("3cs", recipe)
        return Learner(pipe, recipe.init(0), 1, 10**9, log_dir, progress=False, **every)

    first, second = run(0.99, tmp_path), run(0.9)
    first.set(entropy_coef=0.05)
    step(first, 2).save()
    rate = first.params["hyper", "learning_rate"]
    second.resume(tmp_path)
    hyper = second.params["hyper"]
    assert hyper["entropy_coef"].item() == pytest.approx(0.05)
    assert hyper["gamma"].item() == pytest.approx(0.9)
    assert torch.equal(hyper["learning_rate"], rate) and rate < 3e-4  # it was scheduled


@pytest.mark.parametrize("every", [32, 64, 100])
def test_intervals_are_those_of_who_resumes(every, tmp_path):
    """From 128 to 640 env steps, in rollouts of 32: at each multiple of ``every`` above 128."""
    step(run_of(RESUMED["ppo"](), "3cs", tmp_path), 4).save()
    recipe, at = RESUMED["ppo"](), []

    def tested(params):
        at.append(second.env_steps)
        return Evaluation(torch.ones(1), torch.ones(1))

    second = Learner(
        scheme("3cs", recipe), recipe.init(0), 1, 640, progress=False,
        evaluate=tested, evaluate_every=every,
    )  # fmt: skip
    second.resume(tmp_path)
    second.run()
    expected = [-(-k * every // 32) * 32 for k in range(128 // every + 1, 640 // every + 1)]
    assert at == expected


@pytest.mark.parametrize("name", ["best.npz", "steps-000000000064.npz"])
def test_a_branch_that_is_left_is_set_aside_and_not_gone_on_with(name, tmp_path):
    """Ten rollouts; back to the second, and two more: the newest is that of the new branch."""
    run = run_of(RESUMED["ppo"](), "3cs", tmp_path)
    run.checkpoint_every = 10**9
    step(run, 2)
    run.checkpoint(best=True)
    step(run, 8).save()
    back = run_of(RESUMED["ppo"](), "3cs", tmp_path)
    back.resume(tmp_path / "checkpoints" / name)
    back.set(gamma=0.5)
    step(back, 2).save()
    again = run_of(RESUMED["ppo"](), "3cs")
    again.resume(tmp_path)
    assert again.env_steps == 128 and again.params["hyper", "gamma"].item() == 0.5
    aside = {path.name for path in (tmp_path / "earlier-1" / "checkpoints").iterdir()}
    assert aside == {"steps-000000000320.npz"}
    assert (tmp_path / "earlier-1" / "metrics.csv").read_text().count("\n") == 11

"""A recorded run at any of its updates, and another run that begins there."""

import pytest

from nappo2 import envs, fork, load_params, ppo, read_timing, record_timing, rewind
from nappo2.cli import train
from nappo2.schemes.obeying import OtherRun, RecordEnded
from tests.makers.comparing import equal, timeless
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO, run_of
from tests.makers.replays import recorded_run
from tests.makers.scheduling import drawn
from tests.makers.stepping import step

pytestmark = pytest.mark.usefixtures("without_curves")


@pytest.mark.parametrize("name", ["da2cs", "dadaca"])
def test_a_run_is_rewound_to_any_update(name, tmp_path):
    """By its folder alone: params, metrics and counters are those that it had."""
    run = recorded_run(CARTPOLE_PPO, name, tmp_path, 0)
    params, rows = [], []
    for _ in range(6):
        step(run, 1)
        params.append(run.params.clone())
        rows.append(len(run.metrics))
    run.close()
    for i in (0, 3, 5):
        again = rewind(tmp_path, int(params[i]["version"]))
        assert equal(again.params, params[i])
        assert equal(timeless(again.metrics), timeless(run.metrics[: rows[i]]))
    with pytest.raises(RecordEnded):
        again.step()


@pytest.mark.parametrize("name", ["da2cs", "dadaca"])
def test_a_run_is_rewound_from_the_nearest_checkpoint(name, tmp_path, monkeypatch):
    """Calls under way are in the checkpoint: three steps are taken, not ten."""
    run = recorded_run(CARTPOLE_PPO, name, tmp_path, 7)
    run.save()
    step(run, 3)
    run.close()
    taken, real = [], type(run).step
    monkeypatch.setattr(type(run), "step", lambda self: (taken.append(1), real(self))[1])
    again = rewind(tmp_path)
    assert len(taken) == 3
    assert equal(again.params, run.params)
    assert equal(timeless(again.metrics), timeless(run.metrics))


def test_what_was_set_is_set_again(tmp_path):
    run = recorded_run(CARTPOLE_PPO, "da2cs", tmp_path, 2)
    run.set(learning_rate=0.125)
    step(run, 2)
    again = rewind(run)
    assert equal(again.params, run.params) and again.params["hyper", "learning_rate"] == 0.125


def test_a_resumed_run_is_rewound_across_the_place_where_it_went_on(tmp_path):
    """Its first three steps, and three of the run that was resumed; two others are no part of it."""
    run = recorded_run(CARTPOLE_PPO, "da2cs", tmp_path, 3)
    run.save()
    step(run, 2).close()
    run = recorded_run(CARTPOLE_PPO, "da2cs", tmp_path, 0, timing=8)
    run.resume(tmp_path)
    step(run, 3).close()
    for path in (tmp_path / "checkpoints").iterdir():
        path.unlink()
    again = rewind(tmp_path)
    assert equal(again.params, run.params)
    assert equal(timeless(again.metrics), timeless(run.metrics))


def test_a_run_of_the_command_line_is_rewound_by_its_folder(tmp_path, capsys):
    """Ended and resumed, with another number of steps."""
    line = "ppo --env torch/CartPole-v1 --num-envs 2 --num-steps 8 --num-minibatches 2 --hidden 8"
    line += f" --scheme da2cs --record-timing --log-dir {tmp_path} --total-steps"
    train.run([*line.split(), "64"])
    train.run(["--resume", str(tmp_path), "--total-steps", "128"])
    again, params = rewind(tmp_path), load_params(tmp_path / "params.npz")
    assert again.env_steps == 128 and equal(again.params, params)
    assert len(read_timing(tmp_path).steps) == 8
    capsys.readouterr()


def test_a_fork_goes_on_with_what_is_changed(tmp_path):
    """With the same learning rate, two forks are the same; with another one, they are not."""
    run = recorded_run(CARTPOLE_PPO, "dadaca", tmp_path / "run")
    run.close()
    same, also, other = (
        step(fork(tmp_path / "run", updates=5, **hyper), 4)
        for hyper in ({}, {}, {"learning_rate": 0.5})
    )
    assert equal(same.params, also.params)
    assert same.params["version"] == other.params["version"] == 9
    assert not equal(same.params["weights"], other.params["weights"])
    assert other.params["hyper", "learning_rate"] == 0.5


def test_an_environment_that_is_no_function_of_its_seed_is_found_out(tmp_path):
    """Its rewards depend on how often it was stepped in this process."""
    env, counted = envs.cartpole(2), [0]

    def stepped(state, action):
        counted[0] += 1
        state, observation, outcome = env.step(state, action)
        return state, observation, outcome._replace(reward=outcome.reward + counted[0])

    recipe = ppo(env._replace(step=stepped), SMALL_PPO)
    run = recorded_run(recipe, "da2cs", tmp_path, 3)
    with pytest.raises(OtherRun, match="not a function of its seed"):
        rewind(run)


def test_more_updates_than_there_are_and_runs_without_a_record_are_refused(tmp_path):
    run = recorded_run(CARTPOLE_PPO, "2daca", tmp_path, 3)
    run.close()
    with pytest.raises(ValueError, match="has 3 updates, not 9"):
        rewind(tmp_path, updates=9)
    (tmp_path / "timing.bin").unlink()
    with pytest.raises(FileNotFoundError, match="record_timing"):
        rewind(tmp_path)


@pytest.mark.usefixtures("without_curves")
@pytest.mark.parametrize("name", ["da2cs", "2daca", "dadaca"])
def test_a_record_takes_less_than_a_byte_for_each_update_and_worker(name, tmp_path):
    """Of 400 updates on drawn timings, but for the first 100, in which most entries are new."""
    run = run_of(CARTPOLE_PPO, name, tmp_path, on=record_timing(drawn(7)))
    sizes = []
    for updates in (100, 500):
        while int(run.params["version"]) < updates:
            run.step()
        sizes.append((tmp_path / "timing.bin").stat().st_size)
    run.close()
    num_workers = 4 if name == "dadaca" else 2
    assert sizes[1] - sizes[0] <= 400 * num_workers

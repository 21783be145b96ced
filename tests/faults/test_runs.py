"""Runs whose disk, loggers or driver fail."""

import json
import signal
import subprocess

import pytest
import torch

from nappo2 import scheme
from tests.makers.commands import NAPPO2, SHORT, completed, rows_written
from tests.makers.processes import until
from tests.makers.recipes import RESUMED, run_of
from tests.makers.stepping import step


def test_a_folder_that_takes_nothing_ends_no_run(tmp_path):
    """A file stands where the checkpoints should be: each that is due is refused with a warning."""
    run = step(run_of(RESUMED["ppo"](), "3cs", tmp_path), 1)
    (tmp_path / "checkpoints").write_text("not a folder")
    run.checkpoint_every = 32
    with pytest.warns(UserWarning, match="no checkpoint was written, and the run goes on") as seen:
        step(run, 3).save()
    assert len([w for w in seen if "no checkpoint" in str(w.message)]) >= 3
    assert run.env_steps == 4 * 32 and (tmp_path / "params.npz").exists()


def test_two_threads_of_torch_change_no_more_than_rounding():
    """Twice with one thread is equal to the last bit; two threads may add in another order."""
    from nappo2.machine.threads import torch_threads

    def weights(threads):
        recipe = RESUMED["ppo"]()
        pipe, params = scheme("3cs", recipe), recipe.init(0)
        state = pipe.init(params, 1)
        with torch_threads(threads):
            for _ in range(4):
                state, params, _ = pipe.step(params, state)
        return torch.cat([x.flatten() for x in params["weights"].flatten_keys().values()])

    assert torch.equal(weights(1), weights(1))
    assert torch.allclose(weights(1), weights(2), atol=1e-6)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_driver_that_is_killed_loses_no_more_than_an_interval(tmp_path):
    """SIGKILL; the run goes on from the last checkpoint, of one every 640 steps."""
    more = ["--checkpoint-every", "640", "--log-dir", "x"]
    command = [*NAPPO2, "train", *SHORT, *more, "--total-steps", "100000000"]
    log_dir = tmp_path / "x"
    with subprocess.Popen(command, cwd=tmp_path, stderr=-1) as run:
        until(lambda: rows_written(log_dir) >= 60, seconds=150)
        run.send_signal(signal.SIGKILL)
    reached = rows_written(log_dir) * 64
    done = completed("train", "--resume", "x", "--total-steps", reached + 64, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps = sorted(path.name for path in (tmp_path / "x" / "checkpoints").iterdir())
    last = json.loads(done.stdout.splitlines()[-1])["env_steps"]
    print(f"\nkilled after about {reached} env steps; went on to {last}; {steps}")
    assert last >= reached + 64
    assert rows_written(log_dir) == -(-last // 64)  # no row is lost or twice

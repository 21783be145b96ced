"""How long Ctrl-C takes, wherever a run is: once, and twice."""

import signal
import subprocess
import sys
import time

import pytest

from nappo2 import Learner, envs, ppo, scheme
from tests.faults.situations import PLAIN, SITUATIONS
from tests.makers.processes import check_all_gone, environ_with, until

BEFORE_THE_FIRST_STEP = ("actors that start", "a wait for a place")
pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def interrupted(name, folder, pauses):
    """The seconds from the last signal to the end, and the run."""
    command = [sys.executable, "-m", "tests.faults.situations", name, str(folder)]
    with subprocess.Popen(
        command, env=environ_with(folder), stdout=-1, stderr=-1, text=True
    ) as run:
        until(lambda: (folder / "now").exists() or run.poll() is not None, seconds=120)
        time.sleep(1.0)  # until all workers are where it waits for them
        assert run.poll() is None, run.communicate()[1]
        run.send_signal(signal.SIGINT)
        for seconds in pauses:
            time.sleep(seconds)
            run.send_signal(signal.SIGINT)
        start = time.monotonic()
        try:
            printed, errors = run.communicate(timeout=60)
        finally:
            run.kill()
    return time.monotonic() - start, run.returncode, printed, errors


@pytest.mark.parametrize("name", SITUATIONS)
def test_one_interrupt_ends_a_run_with_what_was_learnt(name, tmp_path):
    """Within 5 s; its checkpoint can be resumed, and no process is left."""
    seconds, code, printed, errors = interrupted(name, tmp_path, ())
    print(f"\n{name}: ended {seconds:.1f} s after Ctrl-C")
    if name not in BEFORE_THE_FIRST_STEP:
        assert code == 0, errors
        number, steps, _ = map(int, printed.split())
        assert number == signal.SIGINT
        assert (tmp_path / "run" / "params.npz").exists()
        if name not in ("before the first batch", "compiling", "learning"):
            recipe = ppo(envs.cartpole(2), PLAIN)
            again = Learner(scheme("3cs", recipe), recipe.init(9), progress=False)
            again.resume(tmp_path / "run")
            assert again.env_steps == steps
            again.step()
    assert seconds < 5
    check_all_gone(tmp_path)


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("pause", [0.02, 0.5])
def test_a_second_interrupt_aborts_at_once(name, pause, tmp_path):
    seconds, _, _, _ = interrupted(name, tmp_path, [pause])
    print(f"\n{name}: ended {seconds:.1f} s after a second Ctrl-C, {pause} s after the first")
    assert seconds < 2
    check_all_gone(tmp_path)

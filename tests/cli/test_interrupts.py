"""Ctrl-C, and paths that cannot be used: one line and an exit code, whichever the command."""

import errno
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from nappo2.cli import COMMANDS, main, seeds

ROOT = Path(__file__).parents[2]
INTERRUPTED = """
import signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background ignores
module = sys.argv[1]

class AtAnImport:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, AtAnImport())
sys.argv = ["nappo2", *sys.argv[2:]]
from {} import {}
{}()
"""
"""A command that is interrupted when it imports the module that is its first argument."""


def told(capsys, *words):
    """The exit code of a command, and the lines of its standard error."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, words)])
    return stopped.value.code, capsys.readouterr().err.splitlines()


def raising(error):
    """A function that raises an error."""

    def run(*_):
        raise error

    return run


@pytest.mark.parametrize("module", ["torch", "nappo2.show", "nappo2.cli.plot"])
def test_ctrl_c_at_any_import_is_one_line(module):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module_of_main, function = scripts["nappo2"].split(":")
    code = INTERRUPTED.format(module_of_main, function, function)
    command = [sys.executable, "-c", code, module, "plot", "no-run"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "nappo2: interrupted\n")


@pytest.mark.parametrize("command", [x for x in COMMANDS if x != "resume"])
def test_ctrl_c_in_any_command_is_one_line(command, monkeypatch, capsys):
    monkeypatch.setattr(import_module(f"nappo2.cli.{command}"), "run", raising(KeyboardInterrupt()))
    assert told(capsys, command) == (130, ["nappo2: interrupted"])


@pytest.mark.parametrize(("closed", "kept"), [(">&- 2>&-", False), ("<&- 2>&-", True)])
def test_outputs_that_are_closed_take_what_is_printed(closed, kept):
    """As a daemon starts a command; a file that it opens must not come to stand in for one of them."""
    command = f'exec "$0" -m nappo2_command --version {closed}'
    run = subprocess.run(["sh", "-c", command, sys.executable], cwd=ROOT, capture_output=True)
    assert (run.returncode, b"nappo2" in run.stdout, run.stderr) == (0, kept, b"")


def test_ctrl_c_twice_says_where_the_params_are(tmp_path, monkeypatch, capsys):
    from nappo2.runs.learner import Learner

    monkeypatch.setattr(Learner, "step", raising(KeyboardInterrupt()))
    words = ("train", "ppo", "--env", "torch/CartPole-v1", "--log-dir", tmp_path)
    code, lines = told(capsys, *words)
    assert code == 130
    assert lines[-1] == f"nappo2: interrupted; what was learnt so far is in {tmp_path}"
    assert (tmp_path / "params.npz").exists()


@pytest.mark.parametrize("by", ["sys.exit(130)", "signal.raise_signal(signal.SIGINT)"])
def test_a_seed_that_is_interrupted_before_its_first_step_is_none_that_failed(by, tmp_path):
    code = f"import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); {by}"
    run = seeds.started([sys.executable, "-c", code], 7, tmp_path)
    assert seeds.finished(run) == {}


@pytest.mark.parametrize(
    "words",
    [
        ("plot", "RUN", "--output", "/no/dir/x.png"),
        ("compare", "RUN", "--output", "/no/dir/x.png"),
        ("report", "RUN", "--output", "/no/dir/x.html"),
        ("play", "RUN", "--output", "/no/dir/x.mp4"),
        ("trace", "RUN", "--output", "/no/dir/x.json"),
        ("export", "RUN", "/no/dir/x.pt2"),
        ("export", "RUN", "/no/dir/x.safetensors"),
    ],
)
def test_an_output_without_a_folder_is_refused_before_the_run_is_read(words, tmp_path, capsys):
    """There is no run, and it is the output that is refused."""
    words = [str(tmp_path) if word == "RUN" else word for word in words]
    path = next(word for word in words if word.startswith("/no"))
    text = f"nappo2: {path} cannot be written, as its folder /no/dir does not exist"
    assert told(capsys, *words) == (2, [text])


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x cannot be used: Perm"),
        (OSError(errno.ENOSPC, "No space left on device"), "could not be: No space left"),
    ],
)
def test_what_a_disk_refuses_is_one_sentence(error, text, monkeypatch, capsys):
    monkeypatch.setattr("nappo2.cli.plot.run", raising(error))
    code, (line,) = told(capsys, "plot")
    assert code == 2 and text in line


def test_an_error_of_a_network_is_none_of_a_path(monkeypatch):
    error = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    monkeypatch.setattr("nappo2.cli.plot.run", raising(error))
    with pytest.raises(ConnectionRefusedError):
        main(["plot"])

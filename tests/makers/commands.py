"""Commands of ``nappo2``, in this process or in ones of their own."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nappo2.cli import main
from nappo2.runs.metrics import Row, read_csv

NAPPO2 = (sys.executable, "-m", "nappo2.cli")
SHORT = (
    *("--env", "torch/CartPole-v1", "--num-envs", "2", "--num-steps", "32"),
    *("--num-minibatches", "2"),
)
"""Options of ``train`` by which a rollout is 64 env steps and takes milliseconds."""


def said(capsys, *args):
    """The JSON that a command prints last."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, args)])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return json.loads(printed.out.splitlines()[-1])


def completed(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """A command of ``nappo2``, when it has ended."""
    command = [*NAPPO2, *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def rows_written(log_dir: Path) -> int:
    """How many rows of metrics a run has written so far."""
    metrics = log_dir / "metrics.csv"
    return max(0, metrics.read_text().count("\n") - 1) if metrics.exists() else 0


def trained(log_dir: Path, *options: str) -> tuple[dict, list[Row]]:
    """The JSON line of a run, and its rows of metrics."""
    run = completed("train", *options, "--log-dir", log_dir)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1]), read_csv(log_dir / "metrics.csv")


def trained_with_seeds(log_dir: Path, seeds: range, *options: str) -> list[tuple[dict, list[Row]]]:
    """A run per seed, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(trained, log_dir / str(seed), *options, "--seed", str(seed))
            for seed in seeds
        ]
        return [run.result() for run in runs]

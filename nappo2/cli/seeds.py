"""``nappo2 train --seeds 5``: several seeds at once, in one folder, with one bar and one curve.

They are one population where environments are in torch and the recipe goes with it, and else
processes side by side, as many as there are cores.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from nappo2.cli.train_options import Train
from nappo2.machine.children import cores, ending_with_parent
from nappo2.runs.interrupts import SIGNALS, interruptible
from nappo2.saving.log_dir import Claim, set_aside

SECONDS = 0.5  # between two looks at the runs
BY_SIGNAL = tuple(code for n in SIGNALS for code in (128 + n, -n))  # which it told, or died of
TAIL = 8_192  # bytes of metrics.csv in which its last row is


class Process(NamedTuple):
    """A run in a process of its own."""

    seed: int
    folder: Path
    process: subprocess.Popen
    errors: IO[str]


def without(argv: Sequence[str], *names: str) -> list[str]:
    """The words of a command line without some options that have a value."""
    kept, skip = [], False
    for word in argv:
        if skip or word.partition("=")[0] in names:
            skip = not skip and "=" not in word
            continue
        kept.append(word)
    return kept


def side_by_side(argv: Sequence[str], options: Train, log_dir: Path) -> dict[str, Any]:
    """Trains seeds in processes, as many at once as there are cores.

    Earlier runs in the folder are set aside, as they are none of these seeds. The first SIGINT or
    SIGTERM is handed on, so that each run ends after its step and is saved; a second one ends them at
    once.

    Args:
        argv: the words after ``nappo2 train``.
        options: what they say.
        log_dir: the folder, in which each seed has one.

    Returns:
        ``runs``, the result of each by seed, and ``interrupted``, the number of the signal or 0.

    Raises:
        ValueError: if a run failed, with what it said last; or if one of another process writes there.
    """
    words = without(argv, "--seeds", "--seed", "--log-dir")
    waiting = [options.seed + i for i in range(options.seeds)]
    running: list[Process] = []
    results: dict[int, dict[str, Any]] = {}

    def start(seed: int) -> Process:
        folder = log_dir / f"seed-{seed}"
        line = [sys.executable, "-m", "nappo2.cli", "train", *words]
        return started([*line, "--seed", str(seed), "--log-dir", str(folder)], seed, folder)

    with (
        alone_in(log_dir),
        interruptible() as signals,
        one_bar(options) as show,
        ended(running),
    ):
        sent = 0
        while waiting or running:
            while waiting and len(running) < cores() and not signals.number:
                running.append(start(waiting.pop(0)))
            if signals.number and not sent:
                sent, waiting = signals.number, []
                for each in running:
                    each.process.send_signal(sent)
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                results |= finished(each)
            show([log_dir / f"seed-{options.seed + i}" for i in range(options.seeds)])
            time.sleep(SECONDS)
    return {"runs": results, "interrupted": signals.number}


@contextmanager
def alone_in(log_dir: Path) -> Iterator[None]:
    """Sets earlier runs in a folder aside, of seeds too, and keeps other processes out of it.

    Raises:
        ValueError: if a run of another process writes there.
    """
    from nappo2.show.runs import seeds_in

    claim, folders = Claim(log_dir), seeds_in(log_dir)
    try:
        for folder in folders:
            Claim(folder).release()
        set_aside(log_dir, *folders)
        yield
    finally:
        claim.release()


def started(command: list[str], seed: int, folder: Path) -> Process:
    """Starts a run in a session of its own, so that a terminal's Ctrl-C reaches it through us alone.

    Args:
        command: of the process.
        seed: of the run.
        folder: of the run.

    Returns:
        The process.
    """
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by finished)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        start_new_session=True,
        preexec_fn=ending_with_parent(signal.SIGTERM),
    )
    return Process(seed, folder, process, errors)


@contextmanager
def ended(running: list[Process]) -> Iterator[None]:
    """Ends all processes that still run when the block is left, as by an error."""
    try:
        yield
    finally:
        for each in running:
            each.process.terminate()
        for each in running:
            each.process.wait()


def finished(run: Process) -> dict[int, dict[str, Any]]:
    """The result that a run printed, by its seed; nothing if a signal came before its first step.

    Raises:
        ValueError: if it failed.
    """
    printed = run.process.communicate()[0]
    run.errors.seek(0)
    messages = run.errors.read().strip().splitlines()
    run.errors.close()
    if run.process.returncode in BY_SIGNAL and not printed.strip():
        return {}
    if run.process.returncode not in (0, *BY_SIGNAL):
        last = next((line for line in reversed(messages) if line.strip()), "nothing was said")
        raise ValueError(f"seed {run.seed} failed: {last.removeprefix('nappo2: ')}")
    return {run.seed: json.loads(printed.strip().splitlines()[-1])}


@contextmanager
def one_bar(options: Train) -> Iterator[Callable[[Sequence[Path]], None]]:
    """A bar of the env steps of all seeds, and the function that moves it."""
    from nappo2.runs.progress import progress_bar
    from nappo2.runs.targets import Target

    with progress_bar(Target(options.seeds * options.total_steps, 0, "step"), True) as bar:

        def show(folders):
            rows = [row for folder in folders if (row := last_row(folder))]
            returns = [row["episode_return"] for row in rows if "episode_return" in row]
            bar.update(int(sum(row.get("env_steps", 0) for row in rows)) - bar.n)
            if returns:
                mean = sum(returns) / len(returns)
                bar.set_postfix_str(f"return {mean:.1f} over {len(returns)} seeds", refresh=False)

        yield show


def last_row(folder: Path) -> dict[str, float]:
    """Env steps and return in the last whole row of a run's metrics.csv; empty before there is one."""
    try:
        with open(folder / "metrics.csv", newline="") as file:
            names = file.readline()
            file.seek(max(file.tell(), os.path.getsize(file.name) - TAIL))
            lines = file.read().rpartition("\n")[0].splitlines()
    except OSError:
        return {}
    row = next(csv.DictReader([names, lines[-1]]), {}) if lines else {}
    wanted = {name: row.get(name) for name in ("env_steps", "episode_return")}
    return {name: float(x) for name, x in wanted.items() if x and _is_number(x)}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

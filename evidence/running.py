"""Runs the tasks of entries side by side, as many at once as there are cores."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from evidence.entry import Entry, Task, tasks_of
from evidence.keeping import RESULTS, keep, path_of, runs_of
from evidence.training import RESULT
from nappo2.cli.seeds import Process, last_row, started
from nappo2.runs.interrupts import interruptible

RUNS = Path("runs/zoo")
SECONDS = 0.5  # between two looks at the processes
STOPPED = (-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)


class Running(NamedTuple):
    """A task in its process."""

    entry: Entry
    task: Task
    process: Process


def run(entries: Sequence[Entry], cores: int, runs: Path = RUNS, results: Path = RESULTS) -> int:
    """Trains the seeds of entries that their files lack, and keeps each that is done; returns the exit code.

    The first SIGINT or SIGTERM is handed on, so that each process is saved and ends. The same call goes
    on, after a SIGKILL as well. An entry of which a seed failed is left as it is, and the others go on.

    Args:
        entries: in this order.
        cores: that may be busy at once.
        runs: the folder of all runs.
        results: the folder of the files.

    Returns:
        0, 1 if a seed failed, or 128 and the number of the signal.
    """
    entries = [entry for entry in entries if not is_kept(entry, results)]
    tasks = {entry.name: missing(entry, runs, results) for entry in entries}
    waiting = [(entry, task) for entry in entries for task in tasks[entry.name] if not done(task)]
    running: list[Running] = []
    failed = 0
    for entry in entries:
        keep_done(entry, tasks[entry.name], results)
    with interruptible() as signals, all_ended(running):
        sent = 0
        while waiting or running:
            while waiting and not signals.number and free(cores, running, waiting[0][0]):
                running.append(start(*waiting.pop(0)))
            if signals.number and not sent:
                sent, waiting = signals.number, []
                for each in running:
                    each.process.process.send_signal(sent)
            for each in [x for x in running if x.process.process.poll() is not None]:
                running.remove(each)
                failed |= not report(each)
                keep_done(each.entry, tasks[each.entry.name], results)
            time.sleep(SECONDS)
    return 128 + signals.number if signals.number else int(failed)


def is_kept(entry: Entry, results: Path) -> bool:
    """Tests whether all seeds of an entry are in its file already, and says so."""
    if len(runs_of(entry, results)) < entry.seeds:
        return False
    path = shown(path_of(entry, results))
    print(f"{entry.name} is kept in {path}; without this file it would be run again", flush=True)
    return True


def missing(entry: Entry, runs: Path, results: Path) -> list[Task]:
    """The tasks of an entry whose seeds are not in its file."""
    seeds = {run["seed"] for run in runs_of(entry, results)}
    return [task for task in tasks_of(entry, runs) if task.seed not in seeds]


def free(cores: int, running: Sequence[Running], entry: Entry) -> bool:
    """Tests whether there are cores for another run; one that wants more than there are runs alone."""
    busy = sum(each.entry.cores for each in running)
    return not busy or busy + entry.cores <= cores


def start(entry: Entry, task: Task) -> Running:
    """Starts the process of a task."""
    words = [entry.name, str(task.seed), str(task.num), str(task.folder)]
    command = [sys.executable, "-m", entry.process, *words]
    print(f"{name_of(entry, task)}: from {steps_of(task):,} env steps on", flush=True)
    return Running(entry, task, started(command, task.seed, task.folder))


@contextmanager
def all_ended(running: list[Running]) -> Iterator[None]:
    """Ends all processes that still run when the block is left, as by an error."""
    try:
        yield
    finally:
        for each in running:
            each.process.process.terminate()
        for each in running:
            each.process.process.wait()


def report(each: Running) -> bool:
    """Prints how a process ended; returns whether it did as it should."""
    process, name = each.process.process, name_of(each.entry, each.task)
    process.communicate()
    each.process.errors.seek(0)
    lines = [line for line in each.process.errors.read().splitlines() if line.strip()]
    each.process.errors.close()
    if process.returncode == 0:
        print(f"{name}: done", flush=True)
    elif process.returncode in STOPPED:
        print(f"{name}: stopped at {steps_of(each.task):,} env steps", flush=True)
    else:
        said = lines[-1] if lines else "it said nothing"
        print(f"{name}: failed with {process.returncode}: {said}", file=sys.stderr, flush=True)
    return process.returncode in (0, *STOPPED)


def done(task: Task) -> bool:
    """Tests whether a task has its result."""
    return (task.folder / RESULT).exists()


def keep_done(entry: Entry, tasks: Sequence[Task], results: Path) -> None:
    """Adds the runs of tasks that are done to the file of an entry."""
    finished = [task for task in tasks if done(task)]
    if not finished:
        return
    path = keep(entry, finished, results)
    size, num = path.stat().st_size / 1000, len(runs_of(entry, results))
    print(
        f"{entry.name}: {num} of {entry.seeds} seeds kept in {shown(path)} ({size:.0f} kB)",
        flush=True,
    )


def shown(path: Path) -> str:
    """A path as one would write it here."""
    return os.path.relpath(path)


def steps_of(task: Task) -> int:
    """Env steps of a task so far, those of all members."""
    return int(last_row(task.folder).get("env_steps", 0))


def name_of(entry: Entry, task: Task) -> str:
    """A task in messages."""
    return f"{entry.name}, " + (f"seed {task.seed}" if task.num == 1 else f"{task.num} seeds")


def progress(entries: Sequence[Entry], runs: Path = RUNS, results: Path = RESULTS) -> Iterator[str]:
    """How far each entry is: kept, how much of its steps, or nothing."""
    for entry in entries:
        num, tasks = len(runs_of(entry, results)), missing(entry, runs, results)
        steps = num * entry.steps + sum(steps_of(task) for task in tasks)
        share = f"{steps / entry.steps / entry.seeds:.0%}" if steps else ""
        yield "kept" if num == entry.seeds else share

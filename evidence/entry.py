"""An entry of the zoo: what is trained where, how long, on how many seeds, and what others published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.runs.learner import Learner
from nappo2.saving.checkpoint import checkpoints_in

EVALUATIONS = 20  # in the course of a run
OURS, PEERS = "evidence.training", "evidence.peers"
SEEDS = "--seeds"  # of nappo2 train, for a population


class Published(NamedTuple):
    """A figure of somebody else.

    Attributes:
        mean: return.
        spread: beside it, as the source has it; 0 if it gives none.
        of: what it is the mean and the spread of.
        source: a link.
    """

    mean: float
    spread: float
    of: str
    source: str


class Task(NamedTuple):
    """What one process trains.

    Attributes:
        seed: the first, or that of a population.
        num: of seeds: 1, or the members of a population.
        folder: of the run.
    """

    seed: int
    num: int
    folder: Path


class Entry(NamedTuple):
    """A row of the table.

    Attributes:
        name: of the entry and of its file.
        tags: words by which it is found; the first is its section of the page, the second its picture.
        words: the recipe, and options of ``nappo2 train``.
        env: the id of the environment.
        steps: env steps of each seed.
        seeds: how many.
        cores: that a run keeps busy.
        published: what it is compared with.
        make: ``(entry, task) -> Learner`` at its beginning, or where it was saved.
        evaluations: in the course of a run, of ten greedy episodes each.
        process: the module that trains a seed.
        at_once: whether ``make`` makes one population of all seeds.
        note: why it falls short of what was published, where it does.
    """

    name: str
    tags: tuple[str, ...]
    words: tuple[str, ...]
    env: str
    steps: int
    seeds: int = 5
    cores: int = 1
    published: tuple[Published, ...] = ()
    make: Callable[["Entry", Task], Learner] | None = None
    evaluations: int = EVALUATIONS
    process: str = OURS
    at_once: bool = False
    note: str = ""


def command_of(entry: Entry) -> str:
    """The command that trains the seeds of an entry, without evaluations."""
    if entry.make is not None or entry.process != OURS:
        return f"nox -s zoo -- {entry.name}"
    recipe, *words = entry.words
    line = ["nappo2 train", recipe, "--env", entry.env, *words]
    return " ".join([*line, "--total-steps", str(entry.steps), SEEDS, str(entry.seeds)])


def definition_of(entry: Entry) -> dict[str, Any]:
    """What must be equal of an entry and its file, as data for JSON."""
    names = ("name", "env", "steps", "seeds", "cores")
    return {name: getattr(entry, name) for name in names} | {"words": list(entry.words)}


def learner_of(entry: Entry, task: Task) -> Learner:
    """The Learner of a task, which goes on where it was saved last."""
    return (entry.make or from_command)(entry, task)


def from_command(entry: Entry, task: Task) -> Learner:
    """The Learner that ``nappo2 train`` would make, or with a checkpoint ``nappo2 resume``."""
    from nappo2.cli.train import learner_of
    from nappo2.cli.train_options import description_of, parse

    recipe, *words = entry.words
    every = str(interval_of(entry, task))
    words += ["--total-steps", str(entry.steps), "--seed", str(task.seed), SEEDS, str(task.num)]
    words += ["--evaluate-every", every, "--checkpoint-every", every]
    words += ["--log-dir", str(task.folder)]
    resumed = is_begun(task)
    words += ["--resume", str(task.folder)] if resumed else ["--env", entry.env]
    card = description_of(task.folder) if resumed else {}
    return learner_of(recipe, parse(recipe, words, card), card)


def interval_of(entry: Entry, task: Task) -> int:
    """Env steps of all members between two evaluations."""
    return entry.steps * task.num // entry.evaluations


def is_begun(task: Task) -> bool:
    """Tests whether there is a checkpoint to go on from."""
    return bool(checkpoints_in(task.folder / "checkpoints"))


def is_population(entry: Entry) -> bool:
    """Tests whether the seeds are trained as one population, as ``nappo2 train`` would or ``make`` does."""
    from nappo2.cli.train import is_population
    from nappo2.cli.train_options import parse

    if entry.make is not None or entry.process != OURS or entry.seeds == 1:
        return entry.at_once
    recipe, *words = entry.words
    words += ["--env", entry.env, SEEDS, str(entry.seeds)]
    return is_population(recipe, parse(recipe, words))


def tasks_of(entry: Entry, runs: Path) -> list[Task]:
    """The processes that an entry takes: one of a population, or one of each seed."""
    folder = runs / entry.name
    if is_population(entry):
        return [Task(0, entry.seeds, folder / f"population-{entry.seeds}")]
    return [Task(seed, 1, folder / f"seed-{seed}") for seed in range(entry.seeds)]

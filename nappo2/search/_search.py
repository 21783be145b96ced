"""``search``: tries values of a space, and finds those with the best returns."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from nappo2.checks import checked, positive
from nappo2.machine.stop import Stop, stopped_by
from nappo2.runs.interrupts import Signals, interruptible
from nappo2.runs.progress import progress_bar
from nappo2.runs.targets import Target
from nappo2.saving.log_dir import Claim, made, unused, write_whole
from nappo2.search.board import Board
from nappo2.search.driving import one_by_one, side_by_side
from nappo2.search.found import Search, found_by, importances_of
from nappo2.search.jobs import Budget, Training
from nappo2.search.joining import pipeline_of, recipe_of, together
from nappo2.search.pruning import Pruning, median
from nappo2.search.space import Space, check_space
from nappo2.search.study import quiet_optuna, study_in
from nappo2.search.training import Make, train

CARD = "search.json"


@checked
def search(
    make: Make,
    space: Mapping[str, Any],
    budget: Budget = Budget(),
    log_dir: str | Path | None = None,
    *,
    seed: int = 0,
    processes: int = 1,
    members: int = 8,
    pruning: Pruning = median,
    first: Sequence[Mapping[str, Any]] = (),
    progress: bool | None = None,
) -> Search:
    """Searches a space for the values whose runs have the best returns.

    Each trial is trained with several seeds. At each rung its runs are evaluated with their most
    probable actions, and the interquartile mean over seeds counts; a trial that is worse than others
    were there is pruned. Trials and seeds that differ in ``params["hyper"]`` alone, in environments in
    torch, are members of one population. A trial that raises, or whose params are not finite, has
    failed, and says why; the search goes on.

    SIGINT or SIGTERM ends the search in order. The same call with the same ``log_dir`` goes on, after a
    SIGKILL, too: each run from its last checkpoint. A larger ``budget.trials`` adds trials.

    Args:
        make: ``(**values) -> recipe``, or what ``scheme`` makes of one; values may be of pieces, too.
        space: ``uniform``, ``log_uniform``, ``integers`` or ``choice`` by the name of an argument.
        budget: how many trials, and how long they are.
        log_dir: folder for the books, the preset and the runs; None for a new one under runs/.
        seed: of all random numbers.
        processes: how many jobs are trained at once; one is this process.
        members: trials in a population, where the space has nothing but ``params["hyper"]``.
        pruning: ``median``, ``successive_halving``, ``unpruned``, or another maker of a pruner.
        first: values that are tried first; the sampler chooses those that they lack.
        progress: whether to show a bar; None shows it on a terminal and in a notebook.

    Returns:
        What was found, with a preset to train from.

    Raises:
        ValueError: if all trials failed, the space is empty, or the search in the folder is another one.
        ImportError: without optuna.

    Example:
        >>> import tempfile
        >>> from nappo2.search import Budget, choice, search
        >>> def make(num_steps):
        ...     return ppo(envs.cartpole(2), PPO(num_steps=num_steps, num_minibatches=1, hidden=(8,)))
        >>> budget = Budget(trials=2, total_steps=32, seeds=1, rungs=1, episodes=1)
        >>> found = search(make, {"num_steps": choice(8, 16)}, budget, tempfile.mkdtemp(), progress=False)
        >>> len(found.trials), found.values["num_steps"] in (8, 16)
        (2, True)
    """
    positive(processes=processes, members=members)
    check_space(space, first)
    name = f"search-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = (unused(Path("runs") / name) if log_dir is None else Path(log_dir)).absolute()
    size = group_size(make, space, members, seed) if members > 1 else 1
    card = {"seed": seed, "pruning": getattr(pruning, "__name__", "?"), "group": size}
    drive = one_by_one if processes == 1 else partial(side_by_side, processes=processes)
    with books(folder, space, budget, card, pruning, first) as board:
        signals = driven(partial(train, make), board, drive, progress)
        results, weights = board.results(), importances_of(board.study)
    return found_by(make, folder, budget, results, weights, signals.number)


def group_size(make: Make, space: Space, members: int, seed: int) -> int:
    """How many trials are one job: ``members`` where the space has nothing but ``params["hyper"]``.

    Args:
        make: makes the recipe of a trial.
        space: of the values.
        members: of a population.
        seed: of two trials on which it is tried.

    Returns:
        The number.
    """
    with quiet_optuna() as optuna:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**32))
        trials = [study.ask(), study.ask()]
        samples = [{name: x.suggest(trial, name) for name, x in space.items()} for trial in trials]
    try:
        lines = [pipeline_of(make(**values)) for values in samples]
        hyper = set(recipe_of(lines[0]).init(0)["hyper"].keys())
        fits = set(space) <= hyper and together(lines, members) is not None
    except Exception:  # of anybody's recipe; the trials say it
        return 1
    return members if fits else 1


@contextmanager
def books(
    folder: Path,
    space: Space,
    budget: Budget,
    card: Mapping[str, Any],
    pruning: Pruning,
    first: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Board]:
    """The books in a folder, open to this process alone.

    Args:
        folder: of the search.
        space: of the values.
        budget: of the search.
        card: ``seed`` and ``group``, the number of trials in a job, among other entries.
        pruning: makes the pruner.
        first: values that are tried first.

    Returns:
        A context of the board.

    Raises:
        ValueError: if another process has them open, or the search in the folder is another one.
    """
    claim = Claim(made(folder))
    try:
        with quiet_optuna():
            settings = {name: repr(x) for name, x in space.items()}
            _check_card(folder / CARD, dict(card) | {"space": settings, "budget": asdict(budget)})
            study = study_in(folder, pruning(budget))
            size, seed = card["group"], card["seed"]
            yield Board(study, space, budget, folder, size=size, seed=seed, first=first)
    finally:
        claim.release()


def _check_card(path: Path, card: dict[str, Any]) -> None:
    """Writes the card of a search, and refuses to go on with one of which more than the trials differ."""
    if path.exists():
        before = json.loads(path.read_text())
        before["budget"]["trials"] = card["budget"]["trials"]
        differing = [name for name in card if before.get(name) != card[name]]
        if differing:
            raise ValueError(
                f"the search in {path.parent} has another {' and '.join(differing)}; only its trials "
                "may grow, and another folder is for another search"
            )
    write_whole(path, json.dumps(card, indent=2) + "\n")


def driven(
    training: Training, board: Board, drive: Callable[..., None], progress: bool | None
) -> Signals:
    """Takes all jobs of a board; a signal ends them in order.

    Args:
        training: of a job.
        board: whose jobs they are.
        drive: ``(training, board, signals, show)``: takes them.
        progress: whether to show a bar; None shows it on a terminal and in a notebook.

    Returns:
        The signals that arrived.
    """
    shown = partial(progress_bar, Target(board.budget.trials, 0, "trial"), progress)
    with interruptible() as signals, shown() as bar:
        stop = Stop(lambda share: signals.over(), lambda: None, interrupted=signals.over)

        def show() -> None:
            ended = [x for x in board.results() if x.state != "running"]
            scores = [x.score for x in ended if x.state == "complete"]
            if scores:
                bar.set_postfix_str(f"best {max(scores):.1f}", refresh=False)
            bar.update(len(ended) - bar.n)

        show()
        with stopped_by(stop):
            drive(training, board, signals, show)
    return signals

"""The study of Optuna in the folder of a search."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nappo2.checks import installs

NAME = "search"  # of the study, which is alone in its journal


@contextmanager
def quiet_optuna() -> Iterator[Any]:
    """Optuna without its lines of information.

    Raises:
        ImportError: if it is not installed; says how to.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError(f"a search needs optuna: {installs('search')}") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def study_in(folder: Path, pruner: Any) -> Any:
    """The study of Optuna in a folder to which nobody else writes; a new one if there is none.

    A line that a killed process left unfinished is taken off, and so is its lock.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    path = folder / "journal.log"
    path.with_name("journal.log.lock").unlink(missing_ok=True)
    if path.exists():
        data = path.read_bytes()
        path.write_bytes(data[: data.rfind(b"\n") + 1]) if data[-1:] != b"\n" else None
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.create_study(
        storage=storage, study_name=NAME, direction="maximize", pruner=pruner, load_if_exists=True
    )


def known_rungs(study: Any, number: int) -> Mapping[int, float]:
    """The scores of a trial that are in the books, by env steps."""
    return study.get_trials(deepcopy=False)[number].intermediate_values

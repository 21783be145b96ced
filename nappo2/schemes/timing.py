"""The record of a run, ``timing.bin``: what the clock and other processes, and whoever ran it, decided."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nappo2.checks import checked
from nappo2.saving.calls import remembering
from nappo2.saving.entry_file import Checked, read_entries
from nappo2.saving.log_dir import folder_of
from nappo2.schemes.backend import Backend
from nappo2.schemes.obeying import obeying
from nappo2.schemes.observed import noting
from nappo2.schemes.timing_file import MAGIC, NAME, Kind, numbers_of, with_noted

FIRST = "first.npz"  # the params before the first step


class Step(NamedTuple):
    """A step of a Learner.

    Attributes:
        version: of the params after it.
        notes: of the steps of the last cut in it.
        set: hyper-parameters that were set before it.
        digest: of the params after it; None if it was not noted.
    """

    version: int
    notes: tuple[tuple, ...]
    set: Mapping[str, float] = {}
    digest: int | None = None


class Record(NamedTuple):
    """A run without breaks: all steps from its beginning.

    Attributes:
        seed: of the run.
        steps: of the Learner.
        saved: how many steps were taken before each checkpoint, by its position.
        broken: whether it went on after the last of them, by steps that cannot be taken again.
    """

    seed: int
    steps: tuple[Step, ...]
    saved: Mapping[int, int]
    broken: bool = False

    @property
    def notes(self) -> list[tuple]:
        """The notes of all steps of the last cut."""
        return [note for step in self.steps for note in step.notes]


@remembering
@checked
def record_timing(on: Backend) -> Backend:
    """Records the timing of a run, so that it can be replayed: ``on=record_timing(on_ray())``.

    A Learner with a ``log_dir`` writes ``timing.bin`` there: per step of each cut, also of nested ones,
    which calls were ready, which workers were lost and when new lives began, and where ``preempt``
    stopped a rollout. ``replay_timing(run)`` takes the same steps again, in one process.

    Args:
        on: where the workers are: ``serial``, or ``on_ray(...)``.

    Returns:
        The same backend, whose workers also compute a check of each item that they deliver: the lowest
        seven bits of its CRC-32.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> pipe = scheme("da2cs", recipe, collectors=2, on=record_timing(serial))
        >>> learner = Learner(pipe, recipe.init(0), target_steps=96, log_dir=folder, progress=False).run()
        >>> again = scheme("da2cs", recipe, collectors=2, on=replay_timing(folder))
        >>> replayed = Learner(again, recipe.init(0), target_steps=96, progress=False).run()
        >>> bool((replayed.params == learner.params).all())
        True
    """
    return on._replace(runs=noting, notes=())


@remembering
@checked
def replay_timing(run: str | Path) -> Backend:
    """Takes the steps of a recorded run again, in this process: ``on=replay_timing("runs/pole")``.

    With the pipeline, the first params and the seed of that run, all params are the same to the last bit,
    whatever Ray, kills and ``preempt`` did to their order. Where an item is another one, an error says
    so: an environment is not a function of its seed, or something was changed.

    Args:
        run: the folder of a run of ``record_timing``.

    Returns:
        The backend, for each cut of the line.

    Raises:
        FileNotFoundError: if the run was not recorded.
        ValueError: if its record is damaged.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> pipe = scheme("da2cs", recipe, collectors=2, on=record_timing(serial))
        >>> learner = Learner(pipe, recipe.init(0), target_steps=96, log_dir=folder, progress=False).run()
        >>> again = scheme("da2cs", recipe, collectors=2, on=replay_timing(folder))
        >>> replayed = Learner(again, recipe.init(0), target_steps=96, progress=False).run()
        >>> bool((replayed.params == learner.params).all())
        True
    """
    return obeying(read_timing(run).notes)


@checked
def read_timing(run: str | Path) -> Record:
    """Reads the record of a run.

    Where the run went on from a checkpoint, the steps after that checkpoint which it had taken before
    are not among its steps.

    Args:
        run: its folder, or a file in it.

    Returns:
        The record.

    Raises:
        FileNotFoundError: if the run was not recorded.
        ValueError: if its record is damaged.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> pipe = scheme("da2cs", recipe, collectors=2, on=record_timing(serial))
        >>> _ = Learner(pipe, recipe.init(0), target_steps=96, log_dir=folder, progress=False).run()
        >>> [step.version for step in read_timing(folder).steps]
        [20, 40, 60]
    """
    path = folder_of(run) / NAME
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {NAME} in {path.parent}: a run is recorded with on=record_timing(on_ray()), "
            "or nappo2 train --record-timing"
        )
    return record_of(read_entries(path, MAGIC))


def record_of(entries: Sequence[Checked]) -> Record:
    """The record that entries of ``timing.bin`` make."""
    seed, first, steps, saved, hyper = 0, 0, [], {}, {}
    broken = not entries or entries[0].entry[0] != Kind.BEGUN
    for (kind, *values), checks in entries:
        if kind == Kind.RESUMED:
            broken = values[0] not in saved
            del steps[saved.get(values[0], len(steps)) :]
            hyper = {}
        elif kind == Kind.BROKEN or broken:
            broken = True
        elif kind == Kind.BEGUN:
            seed, first = values
        elif kind == Kind.STEP:
            version = values[0] + (steps[-1].version if steps else first)
            steps.append(Step(version, with_noted(values[1:], checks), hyper))
            hyper = {}
        elif kind == Kind.SET:
            hyper = hyper | numbers_of(values)
        elif kind == Kind.SAVED:
            saved[values[0]] = len(steps)
        if kind in (Kind.SAVED, Kind.PARAMS) and steps and not broken:
            steps[-1] = steps[-1]._replace(digest=values[-1])
    return Record(seed, tuple(steps), saved, broken)

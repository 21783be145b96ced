"""``record_timing``: a backend whose cuts note what the clock and other processes decide."""

from nappo2.checks import checked
from nappo2.saving.calls import remembering
from nappo2.schemes.backend import Backend
from nappo2.schemes.observed import noting


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
        The same backend, whose workers also compute a CRC-32 of each item that they deliver.
    """
    return on._replace(runs=noting, notes=())

"""Whether two runs are the same."""

from nappo2.runs.learner import Learner
from nappo2.saving.packing import pack
from nappo2.saving.snapshots import packed_state


def equal(a: object, b: object) -> bool:
    """Whether two values are the same data: structure, numbers, and tensors to the last bit."""
    ours, theirs = pack(a), pack(b)
    return ours.skeleton == theirs.skeleton and all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes()
        for x, y in zip(ours.arrays, theirs.arrays, strict=True)
    )


def states(run: Learner) -> tuple[object, list]:
    """The data of a run's state, without the seconds that it has counted."""
    state = packed_state(run.pipeline, run.state)
    return without_seconds(state.skeleton), state.arrays


def without_seconds(skeleton: object) -> object:
    if isinstance(skeleton, dict):
        return {k: without_seconds(x) for k, x in skeleton.items() if not k.endswith("seconds")}
    return list(map(without_seconds, skeleton)) if isinstance(skeleton, list) else skeleton


def timeless(rows: list[dict]) -> list[dict]:
    """Rows of metrics without what depends on the clock."""
    return [
        {k: x for k, x in row.items() if not k.endswith(("seconds", "per_second"))} for row in rows
    ]

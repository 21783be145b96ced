"""Which dataset a run learns from, so that it is noticed if it goes on with another one."""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict

from nappo2.saving.snapshots import LiveState
from nappo2.trees import walk


class Fingerprint(NamedTuple):
    """What two datasets share only if they are equal.

    Attributes:
        num: of transitions.
        digest: a short text of their keys, shapes, dtypes and numbers.
    """

    num: int
    digest: str


NONE = Fingerprint(0, "")
"""That of no dataset."""


def fingerprint(dataset: TensorDict) -> Fingerprint:
    """The fingerprint of transitions [N].

    Example:
        >>> from nappo2.stages.recording.fingerprints import fingerprint
        >>> data = dataset([{"observation": [[0.0], [1.0]], "action": [0], "reward": [1]}])
        >>> fingerprint(data) == fingerprint(data.clone()), fingerprint(data).num
        (True, 1)
    """
    digest = blake2b(digest_size=16)
    for path, x in sorted(walk(dataset), key=lambda pair: pair[0]):
        digest.update(f"{path}{x.dtype}{tuple(x.shape)}".encode())
        # of bytes, as numpy lacks some dtypes; without a copy, as images may fill the memory
        digest.update(x.detach().cpu().contiguous().view(torch.uint8).numpy())
    return Fingerprint(len(dataset), digest.hexdigest())


def fingerprint_when_needed(dataset: TensorDict) -> Callable[[], Fingerprint]:
    """The function that returns the fingerprint of a dataset, which it computes once."""
    return cache(lambda: fingerprint(dataset))


def is_other(before: TensorDict | None, after: TensorDict | None) -> bool:
    """Tests for two datasets that differ; without one of them there is none to differ from."""
    if before is None or after is None or before is after:
        return False
    return len(before) != len(after) or fingerprint(before) != fingerprint(after)


def live_fingerprint(name: str, present: Callable[[], Fingerprint]) -> LiveState:
    """How a state with a field ``fingerprint`` is loaded: it is kept, and another dataset is said.

    Args:
        name: of the stage.
        present: ``() -> fingerprint`` of the dataset that it reads.

    Returns:
        The functions. What an earlier version saved has no fingerprint: it is taken for this dataset.
    """

    def load(fresh: Any, old: Any) -> tuple[Any, list[str]]:
        now = present()
        if not hasattr(old, "fingerprint"):
            return fresh.of_earlier(old, now), []
        # by its fields, as a class that was reloaded in a notebook is another with the same
        state = type(fresh)(*old)
        if state.fingerprint in (NONE, now):
            return state, []
        what = (
            f"{now.num:,} transitions, and {state.fingerprint.num:,} were saved"
            if now.num != state.fingerprint.num
            else f"{now.num:,} other transitions than were saved"
        )
        return state, [f"the dataset of stage {name!r} is another one: {what}"]

    return LiveState(lambda state: state, load, lambda state: None, of_episodes=False)

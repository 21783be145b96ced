"""Recorded data in a pipeline: a source in place of ``collect``, and transitions beside a replay's.

A dataset is a TensorDict [N] of transitions, as ``dataset`` makes it. The source yields all of it, and
counts no env steps; the ``replay`` right of it samples batches of the dataset itself, which is its ring.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.masks import unmasked
from nappo2.maths.moments import moments, named
from nappo2.params import Params
from nappo2.pipeline import Pipeline, Transform, compose, described, is_empty, positive, stage
from nappo2.reports import Report
from nappo2.seeds import fold_in, split
from nappo2.stages.recording.checking import check_dataset, kind
from nappo2.stages.recording.fingerprints import (
    NONE,
    Fingerprint,
    fingerprint_when_needed,
    live_fingerprint,
)
from nappo2.stages.recording.sampling import of_version, sampled
from nappo2.stages.replaying.replay import replay

NOT_NEEDED = ("action_log_prob",)  # keys of a replay that no off-policy loss reads


class RecordedState(NamedTuple):
    """The state of ``recorded``.

    Attributes:
        fingerprint: of the dataset whose moments were reported; ``NONE`` before the first step.
        moments: which these were, [3, ...] by name.
    """

    fingerprint: Fingerprint = NONE
    moments: dict[str, Tensor] = {}

    def of_earlier(self, old: Any, present: Fingerprint) -> "RecordedState":
        """The state of what an earlier version saved: whether moments were reported, bool."""
        return self._replace(fingerprint=present) if old is True else self


class DrawState(NamedTuple):
    """The state of ``with_recorded``.

    Attributes:
        seed: of the next draw.
        fingerprint: of the dataset from which is drawn; ``NONE`` before the first step.
    """

    seed: int
    fingerprint: Fingerprint = NONE

    def of_earlier(self, old: Any, present: Fingerprint) -> "DrawState":
        """The state of what an earlier version saved: the seed alone."""
        return DrawState(old, present) if isinstance(old, int) else self


@stage
def recorded(dataset: TensorDict) -> Pipeline:
    """Yields the transitions [N] of a dataset at each step: a source that acts nowhere.

    ``replay`` right of it samples batches of the dataset. The first report has the moments of all
    observations for which ``params["normalizer"]`` has entries, and none counts env steps: a Learner
    of such a pipeline has ``target_updates``. Where a run goes on with another dataset, its moments
    take the place of those of the first one.

    Raises:
        ValueError: if it is no dataset, as ``dataset`` or ``record`` make one; names what it lacks.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> data = record(collect_of(recipe), recipe.init(0), 100)
        >>> recorded(data)
        recorded
    """
    check_dataset(dataset)
    present = fingerprint_when_needed(dataset)

    def init(params, seed):
        return {"recorded": RecordedState()}

    def step(params, state):
        before, new = state["recorded"], {}
        if before.fingerprint != present():
            counts = _moments(params, dataset)
            new = instead_of(counts, before.moments, params)
            before = RecordedState(present(), counts)
        return {"recorded": before}, of_version(params, dataset), Report(moments=new)

    live = live_fingerprint("recorded", present)
    return described(Pipeline(init, step), dataset=dataset, live=live)


@stage
def with_recorded(dataset: TensorDict, batch_size: int) -> Transform:
    """Adds ``batch_size`` transitions of a dataset to each batch [N] of a replay, [N + batch_size].

    Half of each batch are then demonstrations in RLPD (Ball et al., https://arxiv.org/abs/2302.02948).

    Raises:
        ValueError: if it is no dataset, or ``batch_size`` is not at least 1; in a step, if the batches
            have keys that the dataset lacks, or has of another shape or dtype.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> data = record(collect_of(recipe), recipe.init(0), 100)
        >>> half = collect_of(recipe) | replay(1_000, batch_size=16) | with_recorded(data, batch_size=16)
        >>> first(half, recipe.init(0)).item.batch_size
        torch.Size([32])
    """
    check_dataset(dataset)
    positive(batch_size=batch_size)
    present = fingerprint_when_needed(dataset)

    def transform(source):
        def init(params, seed):
            state = DrawState(fold_in(seed, "with_recorded"))
            return source.init(params, seed) | {"with_recorded": state}

        def step(params, state):
            inner, batch, report = source.step(params, state)
            if is_empty(batch):
                return inner | {"with_recorded": state["with_recorded"]}, batch, report
            seed, key = split(state["with_recorded"].seed)
            other = sampled(of_version(params, dataset), batch_size, key)
            return (
                inner | {"with_recorded": DrawState(seed, present())},
                joined(batch, other),
                report,
            )

        return Pipeline(init, step)

    return described(transform, dataset=dataset, live=live_fingerprint("with_recorded", present))


@checked
def replay_with(
    dataset: TensorDict,
    capacity: int,
    batch_size: int,
    update_ratio: float = 1.0,
    start_steps: int = 0,
    recorded_share: float = 0.5,
) -> Transform:
    """A ``replay`` whose batches are partly of a dataset: half in RLPD (https://arxiv.org/abs/2302.02948).

    ``partial(replay_with, dataset)`` is an argument ``replay`` of off-policy recipes. To go on after learning
    from the dataset alone, take a large share: else batches repeat the few new transitions.

    Args:
        dataset: transitions [N].
        capacity: transitions in the ring.
        batch_size: transitions in a batch, of both, at least one of each.
        update_ratio: batches per env step.
        start_steps: env steps before the first batch.
        recorded_share: of a batch, which is of the dataset, rounded down to whole transitions.

    Returns:
        A transform from rollouts to batches.

    Raises:
        ValueError: for a ``batch_size`` below 2, a ``recorded_share`` of 0 or 1, and as ``replay`` and
            ``with_recorded`` do.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> data = record(collect_of(recipe), recipe.init(0), 100)
        >>> pipe = collect_of(recipe) | replay_with(data, capacity=1_000, batch_size=32)
        >>> first(pipe, recipe.init(0)).item.batch_size
        torch.Size([32])
    """
    if batch_size < 2:
        raise ValueError(f"a batch of both has at least 2 transitions, not {batch_size}")
    if not 0 < recorded_share < 1:
        raise ValueError(f"recorded_share is between 0 and 1, not {recorded_share}")
    num = min(max(int(batch_size * recorded_share), 1), batch_size - 1)
    ring = replay(capacity, batch_size - num, update_ratio, start_steps)
    return compose(ring, with_recorded(dataset, num))


def joined(batch: TensorDict, other: TensorDict) -> TensorDict:
    """Joins two batches [N] and [M] to [N + M].

    Raises:
        ValueError: names the first key that the other batch lacks, or has of another shape or dtype.
    """
    batch = batch.exclude(*NOT_NEEDED)
    for key in batch.keys(True, True):
        name = "/".join(key) if isinstance(key, tuple) else key
        if key not in other.keys(True, True):
            raise ValueError(
                f"the replay's batches have the key {name!r}, which the dataset lacks: it is recorded "
                "of an environment of the same spaces, without n_step and priorities"
            )
        if kind(batch[key]) != kind(other[key]):
            raise ValueError(
                f"{name} of the replay's batches is {kind(batch[key])}, and of the dataset "
                f"{kind(other[key])}"
            )
    return torch.cat([batch, other.select(*batch.keys(True, True)).to(batch.device)], -1)


def _moments(params: Params, dataset: TensorDict) -> dict[str, torch.Tensor]:
    """The moments of those parts of observations that the normalizer counts."""
    counted = {name for name, x in params["normalizer"].items() if "moments" in x.keys()}
    parts = named(unmasked(dataset["observation"])).items()
    return {name: moments(x[None]) for name, x in parts if name in counted}


def instead_of(
    new: Mapping[str, Tensor], old: Mapping[str, Tensor], params: Params
) -> dict[str, Tensor]:
    """The moments to add, so that those of one dataset take the place of those of another.

    Args:
        new: moments of a dataset, [3, ...] by name.
        old: those of the dataset before it; empty if there was none.
        params: whose normalizer is said to have counted ``old``.

    Returns:
        Differences [3, ...] by name; of what the normalizer has not counted, as it refused a gradient,
        nothing is taken back.
    """

    def is_counted(name: str) -> bool:
        if name not in old or old[name].shape != new[name].shape:
            return False
        counts = params["normalizer", name, "moments"][0].to(old[name].device)
        return bool((counts >= old[name][0]).all())

    return {name: x - old[name] if is_counted(name) else x for name, x in new.items()}

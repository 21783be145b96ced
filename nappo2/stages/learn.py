"""A whole rollout's minibatches in one step: ``minibatches | gradients | update | unroll``, fused."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from nappo2.losses import Loss
from nappo2.optim import GradientTransformation
from nappo2.params import ravel, replaced
from nappo2.pipeline import Pipeline, Transform, positive, stage
from nappo2.reports import counting, note
from nappo2.seeds import generator, split
from nappo2.stages.compiling import any_number, or_else
from nappo2.stages.descent import Descent, descend
from nappo2.stages.dump import dump, dumped_at_the_end
from nappo2.stages.gradients import counted, mean_age
from nappo2.stages.minibatches import (
    SEQUENCES,
    TRANSITIONS,
    Pieces,
    no_minibatches,
    repeated,
    selected,
    shuffled,
)
from nappo2.stages.scanned import scan_descend
from nappo2.stages.stop import broken_off_after
from nappo2.stages.update import moved


@stage
def learn(
    loss: Loss,
    optimizer: GradientTransformation,
    num_epochs: int,
    num_minibatches: int,
    jit: bool = False,
) -> Transform:
    """The parts it is the sum of, in one step: the same numbers, names, seeds and states.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        optimizer: of the vector of weights.
        num_epochs: passes over each rollout.
        num_minibatches: per pass.
        jit: whether all of them are one compiled call. That pays after some 15,000 minibatches;
            where it fails, or there is no C++ compiler, a warning says so and nothing changes.

    Raises:
        ValueError: as ``minibatches`` and ``gradients`` do.
    """
    return learning(TRANSITIONS, loss, optimizer, num_epochs, num_minibatches, jit)


@stage
def learn_sequences(
    loss: Loss,
    optimizer: GradientTransformation,
    num_epochs: int,
    num_minibatches: int,
    jit: bool = False,
) -> Transform:
    """``sequences | gradients | update | unroll``, fused, as ``learn`` is.

    Raises:
        ValueError: as ``sequences`` and ``gradients`` do.
    """
    return learning(SEQUENCES, loss, optimizer, num_epochs, num_minibatches, jit)


def learning(
    pieces: Pieces,
    loss: Loss,
    optimizer: GradientTransformation,
    num_epochs: int,
    num_minibatches: int,
    jit: bool,
) -> Transform:
    """Gradients and updates of all pieces of a rollout; the bare transform."""
    positive(num_epochs=num_epochs, num_minibatches=num_minibatches)
    one_by_one, at_once = (partial(f, loss, optimizer, pieces.dim) for f in (_in_turn, _at_once))
    at_once = or_else(at_once, one_by_one, "learn") if jit else one_by_one

    def transform(source):
        def init(params, seed):
            own = {
                pieces.name: no_minibatches(pieces, seed),
                "update": optimizer.init(ravel(params["weights"])[0]),
            }
            return source.init(params, seed) | own

        @torch.no_grad()
        def step(params, state):
            inner, rollout, report = source.step(params, state)
            seed, key = split(state[pieces.name].seed)
            batch, sizes = pieces.of(rollout), pieces.sizes(rollout, num_minibatches)
            total = batch.shape[pieces.dim]
            orders = repeated(shuffled(total, num_epochs, generator(key)), sum(sizes))
            age = mean_age(params, batch)
            report = counting(report, batch.numel())
            size, batch = counted(batch), batch.exclude("params_version").to_dict()
            take = at_once if len(set(sizes)) == 1 else one_by_one
            with dumped_at_the_end(partial(dict, batch)), broken_off_after(inner):
                weights, _, own, means = take(params, state["update"], batch, orders, sizes)
            if not means["grad_norm"].isfinite():
                dump(batch)
            normalizer, report = moved(params["normalizer"], report, own)
            num_updates = num_epochs * num_minibatches
            version = params["version"] + num_updates
            params = replaced(params, weights=weights, normalizer=normalizer, version=version)
            means |= {"collection_lag": age + (num_updates - 1) / 2, "gradient_lag": 0 * age}
            own = {"update": own, pieces.name: state[pieces.name]._replace(seed=seed)}
            return inner | own, params, note(report, num_epochs * size, **means)

        return Pipeline(init, step)

    return transform


def _in_turn(loss, optimizer, dim, params, state, batch, orders, sizes) -> Descent:
    passes = (parts(selected(batch, order, dim), sizes, dim) for order in orders)
    return descend(loss, optimizer, params, state, chain.from_iterable(passes))


def _at_once(loss, optimizer, dim, params, state, batch, orders, sizes) -> Descent:
    orders = any_number(orders.reshape(-1, sizes[0]))
    return scan_descend(loss, optimizer, params, state, batch, orders, VIEWS[dim])


VIEWS = (selected, partial(selected, dim=1))  # one function each, by which programs are found again


def parts(batch: Mapping, sizes: Sequence[int], dim: int = 0) -> list[dict]:
    """A batch in parts of these sizes, as views: gathered once per pass, not once per minibatch."""
    found = {
        key: _cut(x, sizes, dim) if isinstance(x, Tensor) else parts(x, sizes, dim)
        for key, x in batch.items()
    }
    return [{key: x[i] for key, x in found.items()} for i in range(len(sizes))]


def _cut(x: Tensor, sizes: Sequence[int], dim: int) -> list[Tensor]:
    """Contiguous, as strides may change the order of a sum."""
    return [part.contiguous() for part in x.split(sizes, dim)]

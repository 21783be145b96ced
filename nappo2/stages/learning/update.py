"""Gradients to params."""

from collections.abc import Callable
from typing import Any

import torch
from tensordict import TensorDict

from nappo2.checks import suggestion
from nappo2.maths.moments import absorb_if
from nappo2.optim import GradientTransformation, Schedule
from nappo2.optim.finite import last_accepted
from nappo2.params import Params, beside_params, device_of, ravel, replaced
from nappo2.pipeline import Pipeline, Transform, described, is_empty, positive, stage, stateless
from nappo2.reports import Report, count, note


@stage
def update(optimizer: GradientTransformation) -> Transform:
    """Turns gradients into params, and moments that a report brings into the normalizer's.

    These stay as they are where the optimizer refuses the gradient, or moments are not finite.
    """

    def transform(source):
        def init(params, seed):
            vector, _ = ravel(params["weights"])
            return source.init(params, seed) | {"update": optimizer.init(vector)}

        @torch.no_grad()
        def step(params, state):
            inner, grads, report = source.step(params, state)
            if is_empty(grads):
                return inner | {"update": state["update"]}, grads, report
            grads = beside_params(params, grads)  # those of other processes come on the CPU
            vector, unravel = ravel(params["weights"])
            updates, own = optimizer.update(
                grads["weights"], state["update"], params["hyper"], vector
            )
            normalizer, report = moved(params["normalizer"], report, own)
            lag, norm = (params["version"] - grads["version"]).float(), grads["weights"].norm()
            weights, version = TensorDict(unravel(vector + updates)), params["version"] + 1
            params = replaced(params, weights=weights, normalizer=normalizer, version=version)
            return (
                inner | {"update": own},
                params,
                note(report, 1, gradient_lag=lag, grad_norm=norm),
            )

        return Pipeline(init, step)

    return described(transform, updates=True)


def moved(
    normalizer: TensorDict, report: Report, state: Any, absorb: Callable = absorb_if
) -> tuple[TensorDict, Report]:
    """Moves the moments of a report, if it has any, into the normalizer.

    Statistics stay as they are where the last gradient was refused, or moments are not finite: the
    report then counts ``refused_moments``.

    Args:
        normalizer: of params.
        report: of the gradient's batch, or of batches.
        state: the optimizer's, after the gradient.
        absorb: ``absorb_if``, or what does so for all members of a population.
    """
    if not report.moments:
        return normalizer, report
    device = device_of(normalizer)
    moments = {name: x.to(device) for name, x in report.moments.items()}
    normalizer, refused = absorb(last_accepted(state).to(device), normalizer, moments)
    report = report._replace(moments={})
    return normalizer, count(report, refused_moments=refused) if refused else report


@stage
def scheduled(every: int = 1, **schedules: Schedule) -> Transform:
    """Sets hyper-parameters by schedules of the number of updates, at each multiple of ``every``.

    With the number of updates per rollout for ``every``, they stand still within a rollout, and
    fused learning equals composed. Right of an update; the first values are those of the params.

    Raises:
        ValueError: if ``every`` is not at least 1; in a step, if params have no such name.
    """
    positive(every=every)

    def fn(_, params):
        version = params["version"] // every * every
        return replaced(params, hyper=with_values(params, version))

    def with_values(params: Params, version):
        unknown = [name for name in schedules if name not in params["hyper"].keys()]
        if unknown:
            known = suggestion(unknown[0], sorted(params["hyper"].keys()))
            raise ValueError(f"no hyper-parameter is called {unknown[0]!r}; there are {known}")
        values = {name: schedule(version).float() for name, schedule in schedules.items()}
        return params["hyper"].copy().update(values)

    return stateless(fn)

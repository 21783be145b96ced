"""All gradient steps of a rollout in one stage, eager or compiled."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nappo2.losses import Loss
from nappo2.machine.compiling import with_fallback
from nappo2.machine.stop import broken_off_after
from nappo2.machine.threads import without_denormals
from nappo2.maths.moments import absorb_if
from nappo2.optim import GradientTransformation
from nappo2.params import Params, ravel, replaced
from nappo2.pipeline import Pipeline, Transform, described, is_empty, stage
from nappo2.pipeline.tensor_functions import Part, Parts
from nappo2.reports import Report, note
from nappo2.stages.learning.batches import Batches
from nappo2.stages.learning.loops import (
    Delayed,
    EarlyStop,
    LoopResult,
    Rule,
    Target,
    eager_loop,
    in_segments,
)
from nappo2.stages.learning.refused_batches import refused_at_the_end, write_refused
from nappo2.stages.learning.scan_loop import scan_loop, tensors_of
from nappo2.stages.learning.update import absorb_moments


@stage
def learn(
    loss: Loss,
    optimizer: GradientTransformation,
    *,
    target: Target | None = None,
    stop_early: EarlyStop | None = None,
    delayed: Delayed | None = None,
    jit: bool = False,
) -> Transform:
    """Takes all gradient steps of a rollout: ``gradients | update | polyak | repeat``, fused.

    Right of ``all_minibatches``, ``all_sequences`` or ``all_due``. Numbers, seeds and states equal
    those of the stages it replaces. With ``delayed``, means such as the actor's loss are of those updates
    alone that computed them; a gradient of weights that do not move is not refused, as there is none.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        optimizer: of the vector of weights.
        target: how ``params["target"]`` follows the weights; None for params without.
        stop_early: when the rest of a rollout's batches are left out, such as ``kl_exceeds``.
        delayed: what is computed at updates at which some of the weights do not move; None for the
            whole loss. Of batches of a replay.
        jit: whether all steps are one compiled call. That pays after some 15,000 batches; where it
            fails, or there is no C++ compiler, a warning says so and the eager loop runs.

    Returns:
        A transform from all batches of a rollout to params.

    Raises:
        ValueError: in a step, if the loss is no scalar, or depends on no weight.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=0.99, entropy_coef=0.0, learning_rate=1e-3)
        >>> pipe = collect(envs.cartpole(4), agent.policy(dist), num_steps=8) | gae(agent)
        >>> pipe = pipe | all_minibatches(num_epochs=2, num_minibatches=4)
        >>> pipe = pipe | learn(losses.a2c(agent, dist), optim.adam())
        >>> _, params, _ = pipe.step(params, pipe.init(params, 0))
        >>> params["version"]
        tensor(8)
    """
    rule = Rule(loss, optimizer, target, stop_early)
    loop = with_fallback(scan_loop, eager_loop, "learn") if jit else eager_loop

    def each(rule: Rule, params: Params, state: Any, batches: Batches) -> LoopResult:
        return (loop if batches.scannable() else eager_loop)(rule, params, state, batches)

    take = partial(each if delayed is None else in_segments(each, delayed), rule)
    part = partial(part_of, rule) if delayed is None and target is None else None
    return fused_stage(take, lambda params: optimizer.init(ravel(params["weights"])[0]), part=part)


def kl_exceeds(hyper: Any, means: Any) -> torch.Tensor:
    """Tests whether ``approx_kl > 1.5 * target_kl``, [] bool, as SB3 does.

    Example:
        >>> from nappo2.stages import kl_exceeds
        >>> kl_exceeds({"target_kl": torch.tensor(0.02)}, {"approx_kl": torch.tensor(0.04)})  # above 0.03
        tensor(True)
    """
    return means["approx_kl"] > 1.5 * hyper["target_kl"]


def fused_stage(
    take: Callable[[Params, Any, Batches], LoopResult],
    first_state: Callable[[Params], Any],
    absorb: Callable = absorb_if,
    part: Parts | None = None,
) -> Transform:
    """The stage around a loop of gradient steps: versions, statistics, lags, refused batches.

    Args:
        take: the loop, ``(params, optimizer state, batches) -> LoopResult``.
        first_state: ``params -> state`` of the optimizer.
        absorb: adds moments to the normalizer, as ``absorb_if`` does.
        part: the stage as a function of tensors; None if it is none.

    Returns:
        A transform from all batches of a rollout to params.
    """

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {"update": first_state(params)}

        @torch.no_grad()
        def step(params, state):
            inner, batches, report = source.step(params, state)
            if is_empty(batches):
                return inner | {"update": state["update"]}, batches, report
            check_batches(batches)
            with refused_at_the_end(batches.whole), broken_off_after(inner), without_denormals():
                result = take(params, state["update"], batches)
            if not result.means["grad_norm"].isfinite():
                write_refused(batches.whole())
            lag = batches.lag(result.num_updates)
            params, report = learnt(params, report, result, batches.num_samples, lag, absorb)
            return inner | {"update": result.state}, params, report

        return Pipeline(init, step)

    return described(transform, keys=("update",), updates=True, part=part)


def learnt(
    params: Params,
    report: Report,
    result: LoopResult,
    num_samples: int,
    lag: Tensor,
    absorb: Callable = absorb_if,
) -> tuple[Params, Report]:
    """The params after the gradient steps of a rollout, and the report with their means.

    Args:
        params: before the steps.
        report: of the rollout.
        result: of the steps.
        num_samples: transitions that were learnt from.
        lag: the mean age of the data, [].
        absorb: adds moments to the normalizer.

    Returns:
        Params and report.
    """
    normalizer, report = absorb_moments(params["normalizer"], report, result.state, absorb)
    version = params["version"] + result.num_updates
    changed = {"weights": result.weights, "target": result.target}
    params = replaced(params, **changed, normalizer=normalizer, version=version)
    lags = {"collection_lag": lag, "gradient_lag": 0 * lag}
    report = note(report, num_samples, **result.means, **lags)
    for name, share in result.shares.items():
        report = note(report, share * num_samples, **{name: result.means[name]})
    return params, report


def part_of(rule: Rule, params: Params, state: Mapping, shape: tuple[int, int]) -> Part:
    """The gradient steps of a rollout as a function of tensors.

    Args:
        rule: what a step does; without a target.
        params: before the first step.
        state: of the pipeline.
        shape: (K, N), of K minibatches of N transitions.

    Returns:
        The part.
    """
    steps, inputs, result_of = tensors_of(rule, params, state["update"], shape[0])

    def end(params, state, outputs, report):
        result = result_of(*outputs)
        if not result.means["grad_norm"].isfinite():
            return None
        lag = torch.tensor((max(result.num_updates, 1) - 1) / 2)
        params, report = learnt(params, report, result, shape[0] * shape[1], lag)
        return {**state, "update": result.state}, params, report

    return Part(steps, inputs, end)


def check_batches(item: Any) -> None:
    """Refuses an item that is not all batches of a rollout.

    Raises:
        ValueError: names the stages that make such an item.
    """
    if not hasattr(item, "stacked"):
        raise ValueError(
            "learn takes all batches of a rollout as one item, as all_minibatches(num_epochs, "
            "num_minibatches), all_sequences(...) or all_due() make them; what came is of shape "
            f"{list(getattr(item, 'batch_size', []))}"
        )

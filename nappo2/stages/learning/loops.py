"""Gradient steps over the batches of a rollout: what a step does, and the eager loop.

``eager_loop`` is the reference: it takes one batch after the other, with ``torch.autograd`` and leaves
that are views of one vector. ``scan_loop`` has the same as one compiled scan. ``in_segments`` has a loop
compute less where some of the weights do not move.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.losses.loss import Loss
from nappo2.machine.stop import check_interrupt
from nappo2.optim import GradientTransformation
from nappo2.params import Params, Plain, ravel, replaced
from nappo2.stages.learning.batches import Batches, Sampled
from nappo2.stages.learning.gradients import gradient, leaves_of
from nappo2.trees import nested, walk

EarlyStop = Callable[[Mapping, Mapping], Tensor]
"""``(hyper, means) -> [] bool``: whether a batch, and those of the rollout after it, are left out."""


class Target(NamedTuple):
    """How target networks follow the weights, as ``polyak`` moves them.

    Attributes:
        step_size: towards the weights, within 0 and 1.
        delay: updates per movement.
    """

    step_size: float
    delay: int = 1


class Rule(NamedTuple):
    """What one gradient step does.

    Attributes:
        loss: ``(params, batch) -> (loss, means)``.
        optimizer: of the vector of weights.
        target: how ``params["target"]`` follows the weights; None for params without.
        stop_early: when the rest of a rollout's batches are left out; None for never.
    """

    loss: Loss
    optimizer: GradientTransformation
    target: Target | None = None
    stop_early: EarlyStop | None = None


class Delayed(NamedTuple):
    """A lighter loss, for updates at which an optimizer leaves some of the weights where they are.

    Attributes:
        loss: ``(params, batch) -> (loss, means)``, with the whole loss's gradient of the weights that move.
        wait: ``optimizer state -> updates`` before the next one at which all may move; 0 if that is the
            next one. See ``optim.until_due``.
    """

    loss: Loss
    wait: Callable[[Any], int]


class LoopResult(NamedTuple):
    """The state of learning after the gradient steps of a rollout.

    Attributes:
        weights: after the last step.
        target: after the last step.
        state: of the optimizer.
        means: over the steps, of the loss, its means and the gradients' norms.
        num_updates: steps that were taken; of many members the most that any took.
        shares: of the steps, by the name of a mean that is over some of them alone.
    """

    weights: TensorDict
    target: TensorDict
    state: Any
    means: dict[str, Tensor]
    num_updates: int
    shares: Mapping[str, float] = {}


def eager_loop(rule: Rule, params: Params, state: Any, batches: Batches) -> LoopResult:
    """Takes a gradient step on one batch after the other, in eager code.

    The weights are leaves that are views of one vector, which is moved in place, so that from batch to
    batch only the gradient is put together.

    Args:
        rule: what a step does.
        params: before the first step; not written to.
        state: of the optimizer.
        batches: of a rollout.

    Returns:
        Weights, target and optimizer state after the last step, and means over the steps.
    """
    vector, paths, leaves = leaves_of(params["weights"])
    plain = Plain(params.to_dict() | {"weights": nested(paths, leaves)})
    target, rows, num_updates = None, [], 0
    if rule.target:
        target, unravel = ravel(params["target"])
        plain["target"] = unravel(target)
    for version, batch in enumerate(batches.one_by_one(), int(params["version"]) + 1):
        check_interrupt()
        grad, means = gradient(rule.loss, plain, leaves, batch)
        rows.append(means | {"grad_norm": grad.norm()})
        if rule.stop_early is not None and rule.stop_early(plain["hyper"], means):
            break
        updates, state = rule.optimizer.update(grad, state, plain["hyper"], vector)
        vector.add_(updates)
        if rule.target and version % rule.target.delay == 0:
            target.lerp_(target_source(plain), rule.target.step_size)
        num_updates += 1
    weights = TensorDict(nested(paths, [leaf.detach() for leaf in leaves]))
    means = {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}
    return LoopResult(weights, TensorDict(plain["target"]), state, means, num_updates)


Loop = Callable[[Rule, Params, Any, Batches], LoopResult]
"""``(rule, params, optimizer state, batches) -> result``, as ``eager_loop``."""


def in_segments(loop: Loop, delayed: Delayed) -> Loop:
    """A loop that computes ``delayed.loss`` where it may, and the rule's own loss where all weights may move.

    Before each segment it looks at the optimizer's state. A gradient that was refused has not counted
    there, so that all weights move later than was foreseen, and never sooner. A single batch has the
    whole loss, as another length is another compiled program.

    Args:
        loop: of the updates of a segment.
        delayed: what is computed while some of the weights stay.

    Returns:
        A loop of batches that were sampled; other batches have the whole loss, and so has a rule that
        stops early.
    """

    def run(rule: Rule, params: Params, state: Any, batches: Batches) -> LoopResult:
        if not isinstance(batches, Sampled) or rule.stop_early is not None:
            return loop(rule, params, state, batches)
        results = []
        while batches.num:
            now, batches = batches.split(max(delayed.wait(state), 1))
            computed = rule if now.num == 1 else rule._replace(loss=delayed.loss)
            result = loop(computed, params, state, now)
            version, state = params["version"] + now.num, result.state
            branches = {"weights": result.weights, "target": result.target}
            params = replaced(params, **branches, version=version)
            results.append(result)
        return joined(results)

    return run


def joined(results: Sequence[LoopResult]) -> LoopResult:
    """The result of segments, whose means are weighted by their updates.

    ``loss`` is that of what each update computed. What some segments do not compute, as the actor's loss,
    is a mean over the updates of the others.
    """
    total = sum(result.num_updates for result in results)
    names = dict.fromkeys(name for result in results for name in result.means)
    means, shares = {}, {}
    for name in names:
        parts = [(r.means[name], r.num_updates) for r in results if name in r.means]
        num = sum(size for _, size in parts)
        means[name] = sum(mean * size for mean, size in parts) / num
        if num < total:
            shares[name] = num / total
    return results[-1]._replace(means=means, num_updates=total, shares=shares)


def target_source(params: Mapping) -> Tensor:
    """The weights that have a target network, as one vector [P]."""
    online = walk({name: params["weights"][name] for name in params["target"].keys()})
    return torch.cat([leaf.detach().reshape(-1) for _, leaf in online])

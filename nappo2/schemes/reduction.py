"""A decentralised update: workers of a cut average their gradients, and take all updates of a rollout.

Gradient, samples and moments travel as one vector, so that one gather is enough for an update.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.machine.stop import broken_off_after
from nappo2.params import Params, device_of, ravel
from nappo2.pipeline import Pipeline, Stage, Transform, described, is_empty, is_recorded, stage
from nappo2.reports import Report, join
from nappo2.schemes.group import group
from nappo2.schemes.merging import averaged_gradients


@stage
def all_reduce() -> Transform:
    """Averages gradients over the workers of the enclosing cut, as ``jax.lax.pmean`` does, and adds moments.

    Everything travels as one vector, and is added in the order of the workers, so that any backend
    gives the same numbers.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> pipe = collect_of(recipe) | recipe.prepare | batches_of(recipe) | gradients_of(recipe)
        >>> pipe = pipe | all_reduce() | update_of(recipe) | workers(2)
        >>> _, params, _ = pipe.step(recipe.init(0), pipe.init(recipe.init(0), 0))
        >>> params["version"]
        tensor(1)
    """

    def transform(source):
        def step(params, state):
            state, grads, report = source.step(params, state)
            workers = group()
            if workers.size == 1:
                return state, grads, report
            if is_empty(grads):  # it meets the others, and adds nothing
                grads = no_gradient(params)
            with broken_off_after(state):
                vectors = workers.gather(packed(params, grads, report))
            unpacked_vectors = [unpacked(vector, params, grads) for vector in vectors]
            all_grads, all_moments = zip(*unpacked_vectors, strict=True)
            mean = averaged_gradients(all_grads)
            if is_recorded(source):
                all_moments = all_moments[:1]  # all of them tell those of one dataset
            total = {name: sum(moments[name] for moments in all_moments) for name in all_moments[0]}
            mean = mean if mean["samples"] else TensorDict(batch_size=[0])
            return state, mean, report._replace(moments=report.moments | total)

        return Pipeline(source.init, step)

    return described(transform, reduces=True)


@stage
def all_updates() -> Transform:
    """Takes all updates that a rollout is good for as one step; right of ``update``.

    The step ends as soon as a worker of the enclosing cut has no batch left, so that none of them
    collects twice in it. They tell each other once how many they have.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> collect_of(recipe) | gradients_of(recipe) | update_of(recipe) | all_updates()
        collect(num_steps=8) | gradients | update | all_updates
    """

    def transform(source):
        collecting = keys_before_updates(source.stages)
        left = [x.batches_left for x in source.stages if x.batches_left is not None]

        def step(params, state):
            state, item, report = source.step(params, state)
            reports = [report]
            with broken_off_after(only(state, collecting)):
                num = least(max((num_left(state) for num_left in left), default=0))
            for _ in range(num):
                params = params if is_empty(item) else item
                with broken_off_after(only(state, collecting)):
                    state, item, report = source.step(params, state)
                reports.append(report)
            return state, item, join(reports)

        return Pipeline(source.init, step)

    return Transform(transform)


def least(num: int) -> int:
    """The least of the numbers that all workers of the enclosing cut have."""
    workers = group()
    if workers.size == 1:
        return num
    return min(int(x) for x in workers.gather(torch.tensor([num])))


def keys_before_updates(stages: Sequence[Stage]) -> set[str]:
    """The names of states that an update which is broken off leaves behind: of the stages before it."""
    updating = (i for i, x in enumerate(stages) if x.reduces or x.updates)
    return {key for x in stages[: next(updating, len(stages))] for key in x.keys}


def only(state: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    """The states of these names."""
    return {key: x for key, x in state.items() if key in keys}


def no_gradient(params: Params) -> TensorDict:
    """A gradient of no samples, which adds nothing to a mean."""
    weights = torch.zeros_like(ravel(params["weights"])[0])
    return TensorDict(weights=weights, version=params["version"], samples=torch.tensor(0))


def packed(params: Params, grads: TensorDict, report: Report) -> Tensor:
    """Packs a gradient for ``gather``.

    Args:
        params: whose normalizer says which moments there are.
        grads: ``weights`` [P] float32 and ``samples`` [].
        report: whose moments are packed; 0 where it has none.

    Returns:
        A vector float32, whose last part has the bits of float64 numbers: samples and moments.
    """
    moments = [
        torch.as_tensor(report.moments.get(name, torch.zeros_like(zeros)))
        for name, zeros in counted(params).items()
    ]
    doubles = [grads["samples"].double().view(1), *(x.reshape(-1) for x in moments)]
    doubles = [x.to(device_of(grads)) for x in doubles]
    return torch.cat([grads["weights"], torch.cat(doubles).view(torch.float32)])


def unpacked(vector: Tensor, params: Params, grads: TensorDict) -> tuple[TensorDict, dict]:
    """Takes apart what ``packed`` put together.

    Args:
        vector: of ``packed``, [n] float32.
        params: whose normalizer says which moments there are.
        grads: of this worker, for the size and the version.

    Returns:
        The gradient, and moments [3, ...] float64 by their names.
    """
    size, zeros = len(grads["weights"]), counted(params)
    weights, rest = vector[:size], vector[size:].clone().view(torch.float64)
    samples, *parts = rest.split([1, *(x.numel() for x in zeros.values())])
    moments = {
        name: part.view(x.shape) for (name, x), part in zip(zeros.items(), parts, strict=True)
    }
    grads = TensorDict(weights=weights, version=grads["version"], samples=samples[0].long())
    return grads, moments


def counted(params: Params) -> dict[str, Tensor]:
    """The moments [3, ...] in the normalizer, by their names; frozen statistics have none."""
    statistics = params["normalizer"].items()
    return {name: x["moments"] for name, x in statistics if "moments" in x.keys()}

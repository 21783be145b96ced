"""The reduction of a decentralised update."""

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.machine.stop import broken_off_after
from nappo2.params import Params, device_of, ravel
from nappo2.pipeline import Pipeline, Transform, described, is_empty, stage
from nappo2.reports import Report
from nappo2.schemes.group import group
from nappo2.schemes.merging import averaged_gradients


@stage
def all_reduce() -> Transform:
    """Averages gradients over the workers of the enclosing cut, as ``jax.lax.pmean`` does, and adds moments.

    Everything travels as one vector, and is added in the order of the workers, so that any backend
    gives the same numbers.
    """

    def transform(source):
        def step(params, state):
            state, grads, report = source.step(params, state)
            members = group()
            if members.size == 1:
                return state, grads, report
            if is_empty(grads):  # it meets the others, and adds nothing
                grads = no_gradient(params)
            with broken_off_after(state):
                gathered = members.gather(packed(params, grads, report))
            found = [unpacked(vector, params, grads) for vector in gathered]
            mean = averaged_gradients([grads for grads, _ in found])
            total = {name: sum(moments[name] for _, moments in found) for name in found[0][1]}
            mean = mean if mean["samples"] else TensorDict(batch_size=[0])
            return state, mean, report._replace(moments=report.moments | total)

        return Pipeline(source.init, step)

    return described(transform, reduces=True)


def no_gradient(params: Params) -> TensorDict:
    """The gradient of no samples."""
    weights = torch.zeros_like(ravel(params["weights"])[0])
    return TensorDict(weights=weights, version=params["version"], samples=torch.tensor(0))


def packed(params: Params, grads: TensorDict, report: Report) -> Tensor:
    """Gradient, samples and moments (0 where the report has none) as one float32 vector, bit by bit."""
    moments = [
        torch.as_tensor(report.moments.get(name, torch.zeros_like(zeros)))
        for name, zeros in counted(params).items()
    ]
    doubles = [grads["samples"].double().view(1), *(x.reshape(-1) for x in moments)]
    doubles = [x.to(device_of(grads)) for x in doubles]
    return torch.cat([grads["weights"], torch.cat(doubles).view(torch.float32)])


def unpacked(vector: Tensor, params: Params, grads: TensorDict) -> tuple[TensorDict, dict]:
    """What ``packed`` has put together."""
    size, names = len(grads["weights"]), counted(params)
    weights, rest = vector[:size], vector[size:].clone().view(torch.float64)
    samples, *parts = rest.split([1, *(x.numel() for x in names.values())])
    shaped = {
        name: part.view(x.shape) for (name, x), part in zip(names.items(), parts, strict=True)
    }
    return (
        TensorDict(weights=weights, version=grads["version"], samples=samples[0].long()),
        shaped,
    )


def counted(params: Params) -> dict[str, Tensor]:
    """The moments that are counted."""
    statistics = params["normalizer"].items()
    return {name: x["moments"] for name, x in statistics if "moments" in x.keys()}

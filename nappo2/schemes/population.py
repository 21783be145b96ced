"""Populations: independent members that learn in one process, as tensors with a leading dimension.

Member i is the run whose seed is ``fold_in(seed, i)``. Members do not touch: each has its own
gradient, its own clips and standardisations, and may have its own hyper-parameters.
"""

from collections.abc import Sequence
from typing import Any

import torch
from tensordict import TensorDict

from nappo2.checks import checked, suggestion
from nappo2.params import Params, replaced
from nappo2.pipeline import Pipeline, compose, positive, stage
from nappo2.policies import parts_of
from nappo2.reports import Mean, Report
from nappo2.schemes.stages import Stages
from nappo2.seeds import fold_in
from nappo2.stages.collect_members import collect_members
from nappo2.stages.learn_members import learn_members, tree_stack
from nappo2.stages.on_bad import drop, raise_

ALONE = "a population learns in one process; of the schemes, 3cs goes with it"


@checked
def population(stages: Stages, num_members: int, **hyper: Sequence[float]) -> Stages:
    """The stages of ``num_members`` runs that learn side by side, for the scheme 3cs.

    Params have a leading dimension, but for their version. Reports have means over the members,
    and ``episode_return_i`` of member i.

    Args:
        stages: of an on-policy recipe, which learns by ``learn``.
        num_members: n.
        **hyper: n values each, of hyper-parameters in which the members differ.

    Raises:
        ValueError: for another number of values, an unknown hyper-parameter, or a recipe
            that does not learn by ``learn``.
    """
    positive(num_members=num_members)
    for name, values in hyper.items():
        if len(values) != num_members:
            raise ValueError(f"{name} has {len(values)} values for {num_members} members")
    learnt = _learning(stages)

    def init(seed):
        params = stacked([stages.init(fold_in(seed, i)) for i in range(num_members)])
        unknown = [name for name in hyper if name not in params["hyper"].keys()]
        if unknown:
            known = suggestion(unknown[0], sorted(params["hyper"].keys()))
            raise ValueError(f"no hyper-parameter is called {unknown[0]!r}; there are {known}")
        own = {name: torch.tensor(list(map(float, values))) for name, values in hyper.items()}
        return replaced(params, hyper=params["hyper"].copy().update(own))

    return stages._replace(
        init=init,
        collect=_collecting(stages, num_members),
        prepare=compose(),
        batches=_refused,
        gradients=_refused,
        update=_refused,
        learn=learn_members(**learnt),
        fit=stages.fit._replace(scheme=("3cs",), because={**stages.fit.because, "scheme": ALONE}),
        pieces={},  # of one member; it is made again before it becomes many
    )


def _collecting(stages: Stages, num_members: int) -> Pipeline:
    """All members at once, where environment and policy can do that; otherwise one after the other."""
    (record,) = stages.collect.stages
    how = dict(record.arguments)
    on_bad = how.pop("on_bad", raise_)
    if on_bad is drop:
        raise ValueError(
            "members learn from rollouts of one size, so a population cannot drop transitions; "
            "guard(on_bad=clip(limit)) repairs them"
        )
    if (
        record.kind == "collect"
        and how["env"].many
        and parts_of(how["policy"])
        and on_bad is raise_
    ):
        return collect_members(**how, prepare=stages.prepare, num_members=num_members)
    return members(stages.collect | stages.prepare, num_members)


def _learning(stages: Stages) -> dict[str, Any]:
    """The arguments of a recipe's ``learn``."""
    pipe = stages.collect | stages.learn
    found = [i for i, record in enumerate(pipe.stages) if record.kind == "learn"]
    if not found or found[0] != 1:
        raise ValueError(f"a population learns by learn, and {stages.name} does not")
    if len(pipe.stages) > 2:
        raise ValueError(
            f"members have their own hyper-parameters, so {pipe.stages[2].name} cannot set them"
        )
    return pipe.stages[1].arguments


def _refused(source: Pipeline) -> Pipeline:
    raise ValueError(ALONE)


def member(params: Params, i: int) -> Params:
    """The params of member i."""
    own = {name: params[name].apply(lambda x: x[i]) for name in params.keys() if name != "version"}
    return TensorDict(own | {"version": params["version"]})


def stacked(params: Sequence[Params]) -> Params:
    """The params of many members, which have one version."""
    names = [name for name in params[0].keys() if name != "version"]
    own = {name: tree_stack([p[name].to_dict() for p in params]) for name in names}
    return TensorDict(own | {"version": params[0]["version"]})


@stage
def members(single: Pipeline, num_members: int, name: str = "members") -> Pipeline:
    """The rollouts of all members, [n, T, B]; each is collected and prepared on its own."""

    def init(params, seed):
        seeds = [fold_in(seed, i) for i in range(num_members)]
        return {name: tuple(single.init(member(params, i), s) for i, s in enumerate(seeds))}

    def step(params, state):
        found = [single.step(member(params, i), own) for i, own in enumerate(state[name])]
        states, rollouts, reports = zip(*found, strict=True)
        rollouts = tree_stack([rollout.to_dict() for rollout in rollouts])
        shape = rollouts["advantage"].shape
        return {name: states}, TensorDict(rollouts, batch_size=shape), together(reports)

    return Pipeline(init, step)


def together(reports: Sequence[Report]) -> Report:
    """One report: moments [n, ...] as each member's, the rest summed, and returns of each."""
    names = dict.fromkeys(name for report in reports for name in report.sums)
    sums = {name: [report.sums.get(name, 0) for report in reports] for name in names}
    own = {name: torch.stack(x) for name, x in sums.items() if name.endswith("_moments")}
    shared = {name: sum(x) for name, x in sums.items() if not name.endswith("_moments")}
    episodes = {name: [report.episodes[name] for report in reports] for name in reports[0].episodes}
    returns = {
        f"episode_return_{i}": Mean(x.mean(), len(x))
        for i, x in enumerate(episodes["return"])
        if len(x)
    }
    return Report(returns, shared | own, {name: torch.cat(x) for name, x in episodes.items()})

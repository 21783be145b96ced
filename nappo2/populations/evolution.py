"""Population-based training: what is worse goes on from what is better, a little different."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked
from nappo2.params import Params, beside_params, replaced
from nappo2.pipeline import Pipeline, Transform, positive, stage
from nappo2.reports import Report, count, returns_of
from nappo2.seeds import fold_in, generator, split

Exploit = Callable[[Tensor, torch.Generator], Tensor]
"""``(scores [n], generator) -> [n]``: the member from which each goes on."""

Explore = Callable[[TensorDict, Tensor, torch.Generator], TensorDict]
"""``(hyper, moved [n], generator) -> hyper``, other for those that go on from another."""


class EvolveState(NamedTuple):
    total: Tensor  # [n], returns of each member's episodes since the last generation
    episodes: Tensor  # [n], how many these were
    steps: int
    seed: int


@stage
def evolve(every: int, exploit: Exploit, explore: Explore) -> Transform:
    """Population-based training (Jaderberg et al., https://arxiv.org/abs/1711.09846).

    Right of a population's ``learn``. At every so many steps members are compared by the mean
    return of their episodes since the last time; weights, statistics, hyper-parameters and the
    optimiser's state of a member become those of the one that ``exploit`` says.

    Args:
        every: steps of a generation; one in which a member finished no episode goes on.
        exploit: such as ``truncation(0.25)``.
        explore: such as ``perturb("learning_rate")``.

    Raises:
        ValueError: if ``every`` is not at least 1.
    """
    positive(every=every)

    def transform(source):
        def init(params, seed):
            zeros = torch.zeros(len(params["hyper", "learning_rate"]))
            own = EvolveState(zeros, zeros.clone(), 0, fold_in(seed, "evolve"))
            return source.init(params, seed) | {"evolve": own}

        @torch.no_grad()
        def step(params, state):
            own = state["evolve"]
            inner, params, report = source.step(params, state)
            own = scored(own, report)
            if own.steps < every or not (own.episodes > 0).all():
                return inner | {"evolve": own}, params, report
            seed, first, second = split(own.seed, 3)
            parents = exploit(own.total / own.episodes, generator(first))
            moved = parents != torch.arange(len(parents))
            params = born(params, parents)
            hyper = explore(params["hyper"].cpu(), moved, generator(second))
            zeros = torch.zeros_like(own.total)
            later = {
                "evolve": EvolveState(zeros, zeros.clone(), 0, seed),
                "update": trees.index(inner["update"], parents),
            }
            report = count(report, exploited=int(moved.sum()))
            return inner | later, replaced(params, hyper=beside_params(params, hyper)), report

        return Pipeline(init, step)

    return transform


def scored(state: EvolveState, report: Report) -> EvolveState:
    """The state with the returns that a report has of each member."""
    total, episodes = state.total.clone(), state.episodes.clone()
    for i, returns in returns_of(report).items():
        total[i] += returns.mean() * len(returns)
        episodes[i] += len(returns)
    return state._replace(total=total, episodes=episodes, steps=state.steps + 1)


def born(params: Params, parents: Tensor) -> Params:
    """Params in which each member is what its parent was."""
    own = {
        name: params[name].apply(lambda x: x[parents])
        for name in params.keys()
        if name != "version"
    }
    return replaced(params, **own)


@checked
def truncation(share: float) -> Exploit:
    """The worst share of the members goes on from members of the best share, drawn evenly.

    Raises:
        ValueError: if the share is not above 0 and at most a half.
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"share is above 0 and at most 0.5, not {share}")

    def exploit(scores, rng):
        n, order = len(scores), scores.argsort(descending=True, stable=True)
        num = int(share * n)
        parents = torch.arange(n)
        if num:
            parents[order[-num:]] = order[torch.randint(num, (num,), generator=rng)]
        return parents

    return exploit


@checked
def perturb(*names: str, factors: tuple[float, ...] = (0.8, 1.25)) -> Explore:
    """Multiplies each of these hyper-parameters, where a member moved, by one of ``factors``."""

    def explore(hyper, moved, rng):
        changed = {}
        for name in names:
            factor = torch.tensor(factors)[torch.randint(len(factors), moved.shape, generator=rng)]
            changed[name] = torch.where(moved, hyper[name] * factor, hyper[name])
        return hyper.copy().update(changed)

    return explore

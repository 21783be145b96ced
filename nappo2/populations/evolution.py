"""Population-based training: worse members copy better ones, and change their hyper-parameters a little."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked, hyper_range
from nappo2.params import Params, beside_params, replaced
from nappo2.pipeline import Pipeline, Transform, is_empty, positive, stage
from nappo2.populations.checking import check_members
from nappo2.reports import Report, count, returns_of
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.learning.update import check_names

Exploit = Callable[[Tensor, torch.Generator], Tensor]
"""``(scores [n], generator) -> parents [n]``: the member from which each member goes on."""

Explore = Callable[[TensorDict, Tensor, torch.Generator], TensorDict]
"""``(hyper, moved [n] bool, generator) -> hyper``, changed for members that go on from another one."""


class EvolveState(NamedTuple):
    total: Tensor  # [n], returns of each member's episodes since the last generation
    episodes: Tensor  # [n], how many these were
    steps: int
    seed: int


@stage
def evolve(every: int, exploit: Exploit, explore: Explore) -> Transform:
    """Population-based training (Jaderberg et al., https://arxiv.org/abs/1711.09846).

    Stands right of a population's ``learn``. Every ``every`` steps, members are compared by the mean
    return of their episodes since the last time; weights, statistics, hyper-parameters and the
    optimiser's state of a member become those of the member that ``exploit`` chooses. With replay, each
    member keeps what it has collected, and generations begin with the first update.

    Args:
        every: steps of a generation; it goes on while a member has finished no episode.
        exploit: chooses parents, such as ``truncation(0.25)``.
        explore: changes hyper-parameters, such as ``perturb("learning_rate")``.

    Returns:
        A transform of params [n, ...].

    Raises:
        ValueError: if ``every`` is not at least 1; for params of a single run.

    Example:
        >>> from nappo2.populations import evolve, perturb, truncation
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learners = population(recipe, 4, learning_rate=[1e-4, 3e-4, 1e-3, 3e-3])
        >>> pipe = scheme("3cs", learners) | evolve(10, truncation(0.25), perturb("learning_rate"))
        >>> pipe.stages[-1].name
        'evolve'
    """
    positive(every=every)

    def transform(source):
        def init(params, seed):
            check_members(params)
            zeros = torch.zeros(len(params["hyper", "learning_rate"]))
            explore(params["hyper"].cpu(), zeros > 0, generator(0))  # a wrong name fails here
            evolution = EvolveState(zeros, zeros.clone(), 0, fold_in(seed, "evolve"))
            return source.init(params, seed) | {"evolve": evolution}

        @torch.no_grad()
        def step(params, state):
            evolution = state["evolve"]
            inner, params, report = source.step(params, state)
            if is_empty(params):  # while a replay fills, members act alike
                return inner | {"evolve": evolution}, params, report
            evolution = scored(evolution, report)
            if evolution.steps < every or not (evolution.episodes > 0).all():
                return inner | {"evolve": evolution}, params, report
            seed, first, second = split(evolution.seed, 3)
            parents = exploit(evolution.total / evolution.episodes, generator(first))
            moved = parents != torch.arange(len(parents))
            params = born(params, parents)
            hyper = explore(params["hyper"].cpu(), moved, generator(second))
            zeros = torch.zeros_like(evolution.total)
            evolved = {
                "evolve": EvolveState(zeros, zeros.clone(), 0, seed),
                "update": trees.map(lambda x: x[parents], inner["update"]),
            }
            report = count(report, exploited=int(moved.sum()))
            return inner | evolved, replaced(params, hyper=beside_params(params, hyper)), report

        return Pipeline(init, step)

    return transform


def scored(state: EvolveState, report: Report) -> EvolveState:
    """Adds the returns of each member in a report to the state."""
    total, episodes = state.total.clone(), state.episodes.clone()
    for i, returns in returns_of(report).items():
        total[i] += returns.mean() * len(returns)
        episodes[i] += len(returns)
    return state._replace(total=total, episodes=episodes, steps=state.steps + 1)


def born(params: Params, parents: Tensor) -> Params:
    """Params [n, ...] in which each member is a copy of its parent, ``parents`` [n] int64."""
    branches = {
        name: params[name].apply(lambda x: x[parents])
        for name in params.keys()
        if name != "version"
    }
    return replaced(params, **branches)


@checked
def truncation(share: float) -> Exploit:
    """Lets the worst share of the members go on from members of the best share, drawn evenly.

    Raises:
        ValueError: if the share is not above 0 and at most a half.

    Example:
        >>> from nappo2.populations import truncation
        >>> truncation(0.25)(torch.tensor([1.0, 2.0, 3.0, 4.0]), generator(0))
        tensor([3, 1, 2, 3])
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
    """Multiplies hyper-parameters of members that moved by one of ``factors``, drawn for each of them.

    A product out of its hyper-parameter's range becomes the bound: a discount stays at most 1.

    Raises:
        ValueError: without a name or a factor; when called, if there is no such hyper-parameter.

    Example:
        >>> from nappo2.populations import perturb, truncation, evolve
        >>> evolve(every=10, exploit=truncation(0.25), explore=perturb("learning_rate"))
        evolve(every=10)
    """
    if not names or not factors:
        raise ValueError(
            "perturb takes names of hyper-parameters and factors, such as perturb('learning_rate')"
        )

    def explore(hyper, moved, rng):
        check_names({"hyper": hyper}, names)
        changed = {}
        for name in names:
            factor = torch.tensor(factors)[torch.randint(len(factors), moved.shape, generator=rng)]
            bounds = hyper_range(name)
            product = (hyper[name] * factor).clamp(bounds.low, bounds.high)
            changed[name] = torch.where(moved, product, hyper[name])
        return hyper.copy().update(changed)

    return explore

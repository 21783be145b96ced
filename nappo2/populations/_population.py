"""Populations: independent members that learn in one process, as tensors with a leading dimension.

Member i is the run whose seed is ``fold_in(seed, i)``. Members do not touch: each has its own
gradient, its own clips and standardisations, and may have its own hyper-parameters.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from tensordict import TensorDict

from nappo2 import trees
from nappo2.checks import check_hyper, checked, suggestion
from nappo2.envs import Env
from nappo2.params import Params, replaced
from nappo2.pipeline import (
    Pipeline,
    Transform,
    compose,
    described,
    is_of_stages,
    positive,
    stage,
)
from nappo2.policies import Policy, from_noise_of
from nappo2.populations.annealing import scheduled_members, schedules_of
from nappo2.populations.checking import check_members
from nappo2.populations.collecting import collect_members, is_pure
from nappo2.populations.lifting import learn_members, with_member_seeds
from nappo2.reports import Report, join
from nappo2.saving.calls import Call
from nappo2.saving.snapshots import LiveState, close_state, restored, saved_state
from nappo2.seeds import fold_in
from nappo2.stages.collecting.collect import collect
from nappo2.stages.collecting.non_finite import fail, mask
from nappo2.stages.collecting.scanned_interaction import can_be_scanned
from nappo2.stages.compatibility import Compatibility
from nappo2.stages.recipe import Recipe, collect_of, finite

ALONE = "a population learns in one process; of the schemes, 3cs goes with it"


class Population(NamedTuple):
    """Runs of one recipe that learn side by side, for the scheme 3cs.

    Attributes:
        recipe: of each member.
        num_members: number of members, n.
        hyper: n values of each hyper-parameter in which the members differ.
        after: transform of params [n, ...] after each rollout, such as ``evolve(...)``.
    """

    recipe: Recipe
    num_members: int
    hyper: Mapping[str, tuple[float, ...]]
    after: Transform = compose()

    @property
    def name(self) -> str:
        """Name of the population in messages."""
        return f"a population of {self.num_members} x {self.recipe.name}"

    @property
    def env(self) -> Env:
        """Environments of each member."""
        return self.recipe.env

    @property
    def greedy(self) -> Policy:
        """Policy with which a member is evaluated."""
        return self.recipe.greedy

    @property
    def compatible(self) -> Compatibility:
        """The schemes that it goes with: 3cs."""
        return Compatibility(scheme=("3cs",), reasons={"scheme": ALONE})

    def init(self, seed: int) -> Params:
        """The first params of all members; those of member i are of seed ``fold_in(seed, i)``.

        Raises:
            ValueError: for an unknown hyper-parameter.
        """
        params = stacked([self.recipe.init(fold_in(seed, i)) for i in range(self.num_members)])
        unknown = [name for name in self.hyper if name not in params["hyper"].keys()]
        if unknown:
            known = suggestion(unknown[0], sorted(params["hyper"].keys()))
            raise ValueError(f"no hyper-parameter is called {unknown[0]!r}; there are {known}")
        values = {name: torch.tensor(list(map(float, x))) for name, x in self.hyper.items()}
        return replaced(params, hyper=params["hyper"].copy().update(values))

    @property
    def collect(self) -> Pipeline:
        """Source of prepared rollouts of all members, [n, T, B]."""
        return _collecting(self.recipe, self.num_members)

    @property
    def line(self) -> Pipeline:
        """The pipeline of all members, in one process."""
        recipe, n = self.recipe, self.num_members
        learn = learn_members(
            recipe.loss,
            finite(recipe.optimizer),
            target=recipe.target,
            stop_early=recipe.stop_early,
            delayed=recipe.delayed,
            jit=recipe.jit,
        )
        batches = with_member_seeds(recipe.all_batches, n)
        line = self.collect | batches | learn | self.annealing | self.after
        return line._replace(made=Call("population", {"recipe": self}, None))

    @property
    def annealing(self) -> Transform:
        """The schedules of hyper-parameters, if the recipe has any."""
        schedules = schedules_of(self.recipe.after.stages, self.hyper)
        return scheduled_members(schedules, frozenset(self.hyper)) if schedules else compose()

    central = line

    def __repr__(self):
        differ = "".join(f", {name} {list(values)}" for name, values in self.hyper.items())
        return f"{self.name}{differ}: {self.line!r}"


@checked
def population(recipe: Recipe, num_members: int, **hyper: Sequence[float]) -> Population:
    """Makes ``num_members`` runs of a recipe that learn side by side, for the scheme 3cs.

    Params have a leading dimension, but for their version. Reports have means over the members,
    and ``episode_return_i`` of member i. A value of a hyper-parameter with a schedule is where the
    member's schedule starts.

    Args:
        recipe: one whose batches do not depend on params that change between them, as those of
            prioritised replay do.
        num_members: number of members, n.
        **hyper: n values of each hyper-parameter in which the members differ.

    Returns:
        The population, which stands for a recipe in ``scheme("3cs", ...)``.

    Raises:
        ValueError: for another number of values, one that is out of its range, or a recipe of which
            there is no population.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learners = population(recipe, 3, learning_rate=[1e-4, 1e-3, 1e-2])
        >>> learner = Learner(scheme("3cs", learners), learners.init(0), target_steps=192, progress=False)
        >>> learner.run().env_steps
        192
    """
    positive(num_members=num_members)
    for name, values in hyper.items():
        if len(values) != num_members:
            raise ValueError(f"{name} has {len(values)} values for {num_members} members")
        for value in values:
            check_hyper(**{name: value})
    if recipe.all_batches is None:
        raise ValueError(
            f"members of a population learn from all batches of a rollout at once, and this {recipe.name} "
            "does not: it has no all_batches, as with prioritised replay"
        )
    if recipe.source is not None:
        raise ValueError(
            f"members of a population collect, and this {recipe.name} has a source in place of collect"
        )
    schedules_of(recipe.after.stages, hyper)
    if not is_of_stages(collect(recipe.env, recipe.policy, recipe.num_steps) | recipe.after):
        raise ValueError(
            "members of a population have params [n, ...], which a plain function of a pipeline behind the "
            "updates does not take; of what stands there, scheduled(...) does"
        )
    if recipe.non_finite is mask:
        raise ValueError(
            "members learn from rollouts of one size, so a population cannot mask transitions; "
            "recipe.replace(non_finite=clamp(limit)) repairs them"
        )
    return Population(recipe, num_members, {name: tuple(values) for name, values in hyper.items()})


def _collecting(recipe: Recipe, num_members: int) -> Pipeline:
    """Collects of all members at once, where all pieces can; else of one member after the other."""
    at_once = recipe.env.many and from_noise_of(recipe.policy) and recipe.non_finite is fail
    line = collect_of(recipe)
    changed = len(line.stages) > 1 or not is_of_stages(line)
    if not at_once or changed or not is_pure(recipe.prepare, recipe.init(0)):
        return members(line | recipe.prepare, num_members)
    jit = recipe.jit and can_be_scanned(recipe.env, recipe.policy)
    return collect_members(
        recipe.env, recipe.policy, recipe.num_steps, recipe.prepare, num_members, jit
    )


@checked
def member(params: Params, index: int) -> Params:
    """The params of one member of a population, without the leading dimension.

    Raises:
        ValueError: if these are no params of a population, or it has fewer members.

    Example:
        >>> from nappo2.populations import member
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learners = population(recipe, 3, learning_rate=[1e-4, 1e-3, 1e-2])
        >>> round(float(member(learners.init(0), 1)["hyper", "learning_rate"]), 4)
        0.001
    """
    sizes = {len(x) if x.ndim else 0 for x in params["hyper"].values()}
    if not sizes or index >= min(sizes):
        raise ValueError(f"a population of {min(sizes, default=0)} has no member of index {index}")
    branches = {
        name: params[name].apply(lambda x: x[index]) for name in params.keys() if name != "version"
    }
    return TensorDict(branches | {"version": params["version"]})


def stacked(params: Sequence[Params]) -> Params:
    """The params [n, ...] of many members, which have one version []."""
    names = [name for name in params[0].keys() if name != "version"]
    branches = {name: trees.stack([p[name].to_dict() for p in params]) for name in names}
    return TensorDict(branches | {"version": params[0]["version"]})


@stage
def members(single: Pipeline, num_members: int, name: str = "members") -> Pipeline:
    """Rollouts of all members, [n, T, B]; each is collected and prepared on its own.

    Args:
        single: source of the prepared rollouts of one member.
        num_members: number of members, n.
        name: of the stage.

    Returns:
        A source.
    """

    def init(params, seed):
        check_members(params, num_members)
        seeds = [fold_in(seed, i) for i in range(num_members)]
        return {name: tuple(single.init(member(params, i), s) for i, s in enumerate(seeds))}

    def step(params, state):
        steps = [single.step(member(params, i), x) for i, x in enumerate(state[name])]
        states, rollouts, reports = zip(*steps, strict=True)
        return {name: states}, stacked_items(rollouts), together(reports)

    envs = [each.env for each in single.stages if each.env is not None]
    env = envs[0] if envs else None
    return described(Pipeline(init, step), env=env, live=_live_members(single))


def stacked_items(items: Sequence[TensorDict]) -> TensorDict:
    """The items of all members as one, [n, ...].

    Raises:
        ValueError: if they are not of one size.
    """
    sizes = [list(item.batch_size) for item in items]
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            "members of a population learn at once, from rollouts of one size, and these are of sizes "
            f"{', '.join(map(str, sizes))}; hindsight makes such rollouts, of the episodes that ended"
        )
    return TensorDict(trees.stack([x.to_dict() for x in items]), batch_size=(len(items), *sizes[0]))


def _live_members(single: Pipeline) -> LiveState:
    """How the states of members that collect alone are saved, loaded and closed."""

    def load(fresh, old):
        if not isinstance(old, tuple) or len(old) != len(fresh):
            return fresh, ["another number of members was saved: they begin anew"]
        results = [restored(single, *pair) for pair in zip(fresh, old, strict=True)]
        notes = dict.fromkeys(note for result in results for note in result.notes)
        return tuple(result.state for result in results), list(notes)

    def close(states):
        for state in states:
            close_state(single, state)

    return LiveState(lambda states: tuple(saved_state(single, x) for x in states), load, close)


def together(reports: Sequence[Report]) -> Report:
    """Joins the reports of members: moments are stacked, [n, ...], and episodes have their ``member``."""
    moments = trees.stack([report.moments for report in reports])
    return join([_of_member(i, report) for i, report in enumerate(reports)])._replace(
        moments=moments
    )


def _of_member(i: int, report: Report) -> Report:
    member = torch.full_like(report.episodes["return"], i, dtype=torch.int64)
    return report._replace(episodes=report.episodes | {"member": member})

"""Off-policy recipes under all schemes: replay right of a collection, one of each learner.

Two pendulums take a step each per rollout, so a rollout is 2 transitions.
"""

from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from itertools import islice
from unittest import mock

import pytest
import torch

from nappo2 import Learner, adopt, compose, envs, join, losses, mlp, scheme
from nappo2.envs import bit_flipping, bits_reached, bits_reward
from nappo2.pipeline import updates_per_transition
from nappo2.recipes import (
    AWR,
    DQN,
    IQL,
    PPO,
    R2D2,
    SAC,
    TD3,
    CrossQ,
    Rainbow,
    double_dqn,
    dqn,
    ppo,
    r2d2,
    sac,
    td3,
)
from nappo2.schemes import SCHEMES
from nappo2.stages import final, future, hindsight, prioritized_replay
from nappo2.stages.recipe import batches_of, collect_of
from tests.makers.recipes import scheme_arguments
from tests.makers.stepping import steps_of, train_until

SMALL = {"hidden": (8,), "batch_size": 16, "capacity": 1000, "start_steps": 40}
CONFIG = SAC(**SMALL)
AVERAGING = (
    "3ds",
    "2dacs",
    "ds2ds",
    "da2ds",
    "dsdacs",
    "dadacs",
)  # whose updates are of all learners' gradients
ASYNCHRONOUS = ("2daca", "dsdaca", "dadaca")  # whose updates are of one of them

every_scheme = pytest.mark.parametrize("name", SCHEMES)


@cache
def make_recipe(**changes):
    return one_by_one(sac(envs.pendulum(2), replace(CONFIG, **changes)))


def one_by_one(recipe):
    """The recipe, whose ``learn`` is not fused."""
    return recipe.replace(all_batches=None)


def line(name, recipe, **options):
    """The pipeline of a scheme whose steps are single updates."""
    with mock.patch("nappo2.schemes.words.all_updates", compose):
        return scheme(name, one_by_one(recipe), **scheme_arguments(name, **options))


def run(name, num_updates, recipe, **options):
    """State, params and report of each step; a step is an update."""
    pipe = line(name, recipe, **options)
    steps = steps_of(pipe, recipe.init(0))
    for version, (state, params, report) in enumerate(islice(steps, num_updates), 1):
        assert params["version"] == version
        yield state, params, report


def train(name, num_updates=30, recipe=None, **options):
    """The params after each update, and its report."""
    steps = [step[1:] for step in run(name, num_updates, recipe or make_recipe(), **options)]
    return tuple(zip(*steps, strict=True))


trained = cache(train)


def differs(a, b):
    """Whether any leaf of two trees of the same names does."""
    ours, theirs = a.flatten_keys(), b.flatten_keys()
    return any((ours[key] != theirs[key]).any() for key in ours.keys())


@every_scheme
def test_sac_learns_in_every_scheme(name):
    """All that is to move does, and it is finite."""
    (*_, params), reports = trained(name)
    first = make_recipe().init(0)
    for report in reports:
        assert all(mean.value.isfinite() for mean in report.means.values())
    for branch in ("actor", "critics"):
        assert differs(params["weights", branch], first["weights", branch])
    assert differs(params["target"], first["target"])
    assert differs(params["target"], params["weights"].select("critics"))
    assert params["weights", "log_alpha"] != first["weights", "log_alpha"] == 0


@every_scheme
def test_one_temperature_is_learnt_and_all_learners_use_it(name):
    """What a gradient took for alpha is that of the params it was computed with, ``gradient_lag`` ago.

    So no learner has one of its own, and the one that is returned is the one that moves.
    """
    found, reports = trained(name)
    alphas = [
        params["weights", "log_alpha"].exp().item() for params in (make_recipe().init(0), *found)
    ]
    lags = [int(report.means["gradient_lag"].value) for report in reports]
    used = [report.means["alpha"].value.item() for report in reports]
    assert used == pytest.approx([alphas[i - lag] for i, lag in enumerate(lags)], rel=1e-6)
    assert len(set(alphas)) == 31
    assert lags == ([0] + [1] * 29 if name in ASYNCHRONOUS else [0] * 30)


@every_scheme
def test_every_scheme_is_reproducible(name, same):
    assert same(train(name)[0][-1], trained(name)[0][-1])


@pytest.mark.parametrize("learners", [2, 3])
def test_a_decentralised_update_is_a_central_one(learners, same):
    """3ds equals 2dacs, targets, temperature and all, though each replica moves its own."""
    one, other = (trained(name, learners=learners)[0][-1] for name in ("3ds", "2dacs"))
    assert same(one, other)
    assert differs(one, trained("3cs")[0][-1])


@pytest.mark.parametrize("name", ["3ds", "ds2ds", "da2ds"])
def test_all_updates_of_a_step_are_those_of_so_many_steps(name, same):
    """Seven batches for ten env steps: a rollout of 2 makes one due, or two; those are a step."""
    recipe = make_recipe(update_ratio=0.7)
    params, reports = train_until(scheme(name, recipe), recipe.init(0), 20)
    single = [step[1:] for step in run(name, int(params["version"]), recipe)]
    assert same(params, single[-1][0]) and len(reports) < len(single)
    ours, theirs = join(reports), join([report for _, report in single])
    assert ours.sums == theirs.sums
    assert ours.means["loss"].value == pytest.approx(theirs.means["loss"].value, rel=1e-6)


@pytest.mark.parametrize("name", ["2dacs", "2daca", "3ds"])
def test_one_learner_equals_none(name, same):
    assert same(trained(name, learners=1)[0][-1], trained("3cs")[0][-1])


@pytest.mark.parametrize("name", ["dadacs", "dadaca"])
def test_one_learner_with_collectors_is_a_central_one(name, same):
    one, other = trained(name, learners=1, collectors=3), trained("da2cs", collectors=3)
    assert same(one[0][-1], other[0][-1])


def test_one_collector_equals_none(same):
    assert same(trained("da2cs", collectors=1)[0][-1], trained("3cs")[0][-1])


@pytest.mark.parametrize(("old", "new"), [("3cs", "2dacs"), ("2dacs", "3cs"), ("3cs", "3ds")])
def test_a_run_goes_on_under_another_scheme(old, new, same):
    """With one learner, as if nothing had happened, replay and all."""
    first, second = (line(name, make_recipe(), learners=1) for name in (old, new))
    params = make_recipe().init(0)
    state = first.init(params, 1)
    for _ in range(15):
        state, params, _ = first.step(params, state)
    state = adopt(second, state, params, 99)
    for _ in range(15):
        state, params, _ = second.step(params, state)
    assert same(params, trained("3cs")[0][-1])


FIRST = {"3cs": 40, "da2cs": 40, "ds2cs": 42}  # of whole steps of 2 or of three collectors' 6
FIRST |= dict.fromkeys(AVERAGING, 42) | dict.fromkeys(ASYNCHRONOUS, 14)


@every_scheme
def test_the_start_is_so_many_env_steps_in_all(name):
    """40 for one replay. Each of three learners waits for 14, a third that is rounded up, so they
    have 42; where one makes an update, for its own 14, and all three have made one with 42."""
    ratio = 1 / 6 if name == "ds2cs" else 0.5  # a batch per rollout, with which it is reported
    recipe = make_recipe(update_ratio=ratio)
    _, reports = train(name, 3, recipe, learners=3, collectors=3)
    assert reports[0].sums["env_steps"] == FIRST[name]
    if name in ASYNCHRONOUS:
        assert [report.sums["env_steps"] for report in reports] == [14, 14, 14]


@pytest.mark.parametrize(("start_steps", "each"), [(0, 2), (4, 2), (6, 4), (7, 4), (9, 6)])
def test_a_learner_waits_for_whole_rollouts_of_its_share(start_steps, each):
    """Of two: shares of 0, 2, 3, 4 and 5 transitions are had with 1, 1, 2, 2 and 3 rollouts of 2."""
    recipe = make_recipe(update_ratio=0.5, start_steps=start_steps)
    _, (report,) = train("2dacs", 1, recipe, learners=2)
    assert report.sums["env_steps"] == 2 * each


BEFORE = {"da2cs": 2150, "da2ds": 2100, "dadacs": 2100, "dadaca": 2100}  # in the others 2000


@every_scheme
def test_the_start_is_uniform(name):
    """All that params of version 0 collected: 2000 transitions, and of 4 collectors the rollouts of
    50 that are under way at a learner's first gradient: 3 of 4, or 1 of 2 for each of two learners.

    Uniform actions have a mean square of 1/3 (of variance 4/45); those of the first policy, 0.39.
    """
    recipe = make_recipe(start_steps=2000, capacity=10_000, num_steps=25, update_ratio=0.02)
    *_, (state, _, _) = run(name, 12, recipe, learners=2, collectors=4)
    held = torch.cat(list(rings_of(name, state)))
    action = held["action"][held["params_version"] == 0]
    assert len(action) == BEFORE.get(name, 2000) < len(held)
    assert abs(action.square().mean() - 1 / 3) < 5 * (4 / 45 / 2000) ** 0.5


def rings_of(name, state):
    """The part of each replay that is written."""
    for inner in inners(name, state):
        yield inner["replay"].ring[: inner["replay"].count]


def inners(name, state):
    """The states that have a replay."""
    many = name in (*AVERAGING, *ASYNCHRONOUS)
    return [state["learners"].ask(i) for i in range(2)] if many else [state]


@pytest.mark.parametrize(
    ("learners", "capacity", "start_steps"), [(1, 1000, 40), (2, 500, 20), (3, 334, 14)]
)
@pytest.mark.parametrize("name", [*AVERAGING, *ASYNCHRONOUS])
def test_learners_share_the_totals_of_the_replay(name, learners, capacity, start_steps):
    """Evenly, and rounded up; each has a ring of that length."""
    pipe = scheme(
        name, make_recipe(), **scheme_arguments(name, learners=learners, collectors=learners)
    )
    (shown,) = [stage.arguments for stage in pipe.stages if stage.name == "replay"]
    assert (shown["capacity"], shown["start_steps"]) == (capacity, start_steps)
    params = make_recipe().init(0)
    state, _, _ = pipe.step(params, pipe.init(params, 1))
    assert len(state["learners"].ask(0)["replay"].ring) == capacity


@pytest.mark.parametrize("name", ["3cs", "da2cs"])
def test_one_replay_has_all_of_them(name):
    pipe = scheme(name, make_recipe(), **scheme_arguments(name, learners=2, collectors=2))
    (shown,) = [stage.arguments for stage in pipe.stages if stage.name == "replay"]
    assert (shown["capacity"], shown["start_steps"]) == (1000, 40)


@every_scheme
def test_updates_per_transition(name, ratio=0.5):
    """``update_ratio``, and of it a half where an update is the mean of two learners' gradients.

    The repr of the pipeline says so.
    """
    recipe, pair = make_recipe(update_ratio=ratio, start_steps=0), {"learners": 2, "collectors": 2}
    pipe = scheme(name, recipe, **scheme_arguments(name, **pair))
    each = ratio / 2 if name in AVERAGING else ratio
    assert repr(pipe).endswith(f"({each:g} updates per transition)")
    assert updates_per_transition(pipe) == each
    _, reports = train(name, 48, recipe, **pair)
    assert 24 / join(reports[24:]).sums["env_steps"] == each


def test_a_pipeline_that_takes_no_update_has_none_per_transition():
    """The batches alone; and the on-policy line, which has no replay."""
    batches = collect_of(make_recipe()) | batches_of(make_recipe())
    assert updates_per_transition(batches) is None and repr(batches).endswith("noise")
    on_policy = scheme("3cs", ppo(envs.pendulum(2), PPO(num_steps=4, num_minibatches=2)))
    assert updates_per_transition(on_policy) is None


@every_scheme
def test_every_env_step_is_counted_once(name):
    """What reports say is what the replays hold, when no batch is owed."""
    found = list(run(name, 10, make_recipe(update_ratio=0.5), learners=2, collectors=2))
    reports, held = [report for *_, report in found], rings_of(name, found[-1][0])
    assert join(reports).sums["env_steps"] == sum(map(len, held)) > 40


RECIPES = {
    "dqn": lambda: dqn(envs.cartpole(2), DQN(**SMALL, update_ratio=0.5)),
    "double_dqn": lambda: double_dqn(envs.cartpole(2), DQN(**SMALL, update_ratio=0.5)),
    "td3": lambda: td3(envs.pendulum(2), TD3(**SMALL)),
    "discrete sac": lambda: sac(envs.cartpole(2), CONFIG),
}


@pytest.mark.parametrize("name", ["3cs", "da2cs", "2dacs"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_other_recipes_run_where_sac_does(name, recipe):
    made = RECIPES[recipe]()
    (*_, params), reports = train(name, 10, made)
    first = made.init(0)
    assert all(mean.value.isfinite() for report in reports for mean in report.means.values())
    assert differs(params["weights"], first["weights"])
    assert differs(params["target"], first["target"])
    assert join(reports).sums["env_steps"] >= 40


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda: SAC(capacity=0), "capacity is an integer of at least 1, not 0"),
        (lambda: SAC(start_steps=-1), "start_steps is an integer of at least 0, not -1"),
        (lambda: SAC(update_ratio=0.0), "update_ratio is above 0, not 0.0"),
        (lambda: SAC(initial_alpha=0.0), "initial_alpha is above 0, not 0.0"),
        (
            lambda: SAC(discrete_entropy_share=1.5),
            "discrete_entropy_share is within 0 and 1, not 1.5",
        ),
        (lambda: TD3(policy_delay=0), "policy_delay is an integer of at least 1, not 0"),
        (lambda: TD3(exploration_std=-0.1), "exploration_std is at least 0, not -0.1"),
        (lambda: DQN(epsilon=1.5), "epsilon is within 0 and 1, not 1.5"),
        (lambda: DQN(batch_size=2.5), "batch_size is an integer of at least 1, not 2.5"),
        (lambda: IQL(expectile=1.5), "expectile is above 0 and below 1, not 1.5"),
        (lambda: IQL(expectile=1.0), "expectile is above 0 and below 1, not 1.0"),
        (lambda: AWR(temperature=0.0), "temperature is above 0, not 0.0"),
        (lambda: CrossQ(beta1=2.0), "beta1 is at least 0 and below 1, not 2.0"),
        (lambda: Rainbow(sigma=-1.0), "sigma is at least 0, not -1.0"),
    ],
)
def test_hyper_parameters_out_of_their_ranges_are_named(config, message):
    with pytest.raises(ValueError, match=message):
        config()


PIECES = {"learners": 2, "collectors": 2}


@pytest.mark.parametrize("name", ["3cs", "2dacs", "dadaca"])
def test_a_recipe_takes_another_replay(name):
    """In proportion to the error that the loss lowers; its totals are shared as those of any replay."""
    q = mlp(4, 8, 2)
    error = losses.double_dqn_error(lambda weights, x: q.apply(weights["q"], x))
    recipe = double_dqn(
        envs.cartpole(2),
        DQN(**SMALL, num_steps=4, update_ratio=0.25),
        q=q,
        replay=partial(prioritized_replay, priority=error, alpha=1.0),
    )
    pipe = scheme(name, recipe, **scheme_arguments(name, **PIECES))
    (shown,) = [its.arguments for its in pipe.stages if its.kind == "prioritized_replay"]
    assert (shown["capacity"], shown["alpha"]) == (1000 if name == "3cs" else 500, 1.0)
    *_, (state, params, report) = run(name, 20, recipe, **PIECES)
    inner = state if name == "3cs" else state["learners"].ask(0)
    table = inner["priorities"].values
    assert len(table[table > 0].unique()) > 4 and report.means["loss"].value.isfinite()
    assert differs(params["weights"], recipe.init(0)["weights"])


@pytest.mark.parametrize("name", ["3cs", "2dacs", "da2cs", "dadacs"])
def test_hindsight_stays_with_its_collector(name):
    """Put behind ``collect``, it is left of every cut, whatever the workers share.

    12 bits are not found by chance, so that each rollout of 12 steps is a whole episode.
    """
    recipe = double_dqn(envs.bit_flipping(2, 12), DQN(**SMALL, num_steps=12))
    recipe = recipe.replace(rollouts=hindsight(envs.bits_reward, future(2)))
    kinds = [its.kind for its in scheme(name, recipe, **scheme_arguments(name, **PIECES)).stages]
    assert kinds[:2] == ["collect", "hindsight"]
    *_, (state, _, _) = run(name, 4, recipe, **PIECES)
    (own, *_) = [inner["replay"] for inner in inners(name, state)]
    assert own.count == 3 * own.env_steps > 0


# --- a Learner, which looks at its target and at interrupts after each rollout

LATE = {"hidden": (8,), "batch_size": 8, "capacity": 4_000, "start_steps": 3_000}
SOURCES = {
    "sac": lambda **c: sac(envs.pendulum(2), SAC(**LATE | c)),
    "discrete sac": lambda **c: sac(envs.cartpole(2), SAC(**LATE | c)),
    "td3": lambda **c: td3(envs.pendulum(2), TD3(**LATE | c)),
    "dqn": lambda **c: dqn(envs.cartpole(2), DQN(**LATE | c)),
    "r2d2": lambda **c: r2d2(
        envs.cartpole(2), R2D2(**LATE | {"hidden": (8, 8), "num_steps": 8} | c)
    ),
    "in proportion": lambda **c: double_dqn(
        envs.cartpole(2),
        DQN(**LATE | c),
        replay=partial(prioritized_replay, priority=lambda params, batch: batch["next", "reward"]),
    ),
    "images": lambda **c: double_dqn(envs.catch(2), DQN(**LATE | c)),
    "hindsight": lambda **c: (
        lambda recipe: recipe._replace(prepare=hindsight(bits_reward, future(2), bits_reached))
    )(double_dqn(bit_flipping(2, 4), DQN(**LATE | c))),
}


ENDING = [(name, "sac") for name in SCHEMES]
ENDING += [(name, source) for source in SOURCES if source != "sac" for name in ("3cs", "dadaca")]


@pytest.mark.parametrize(("name", "source"), ENDING)
def test_a_run_ends_at_its_target_though_nothing_is_learnt_yet(name, source):
    """3,000 env steps come before the first batch, and the target is 100: 100, and one rollout each."""
    recipe = SOURCES[source]()
    run = Learner(scheme(name, recipe), recipe.init(0), target_steps=100, progress=False)
    rows = list(run)
    steps = [row["env_steps"] for row in rows]
    assert 100 <= steps[-1] <= 100 + 4 * steps[0] and len(steps) > 2 and steps == sorted(set(steps))
    assert rows[-1]["updates"] == 0 and not differs(
        run.params["weights"], recipe.init(0)["weights"]
    )


LOOKING = [(name, source, 1.0) for name in ("3ds", "2dacs") for source in SOURCES]
LOOKING += [("3cs", source, 0.1) for source in SOURCES]


@pytest.mark.parametrize(("name", "source", "ratio"), LOOKING)
def test_looking_at_each_rollout_changes_no_number(name, source, ratio, same):
    """A Learner's params are those of the pipeline alone, which waits for a batch, to the last bit."""
    recipe = SOURCES[source](start_steps=40, capacity=200, update_ratio=ratio)
    run = Learner(scheme(name, recipe), recipe.init(0), seed=1, progress=False)
    params, _ = train_until(scheme(name, recipe), recipe.init(0), 6)
    while run.params["version"] < params["version"]:
        run.step()
    assert same(run.params, params)


def test_what_never_owes_a_batch_is_logged_all_the_same():
    """A batch for each million env steps: rows come rollout by rollout."""
    recipe = SOURCES["dqn"](start_steps=0, update_ratio=1e-6)
    run = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run()
    assert run.env_steps == 64 and len(run.metrics) == 64 // run.metrics[0]["env_steps"]


def test_hindsight_gives_up_on_episodes_that_do_not_end(monkeypatch):
    """Nobody flips 40 bits by chance; three steps are too long here."""
    monkeypatch.setattr(import_module("nappo2.stages.replaying.hindsight"), "LONGEST", 3)
    endless = bit_flipping(2, 40)._replace(name="endless")
    recipe = double_dqn(endless, DQN(**LATE | {"num_steps": 1}))
    recipe = recipe._replace(prepare=hindsight(bits_reward, final(), bits_reached))
    run = Learner(scheme("3cs", recipe), recipe.init(0), progress=False)
    with pytest.raises(ValueError, match="none ended in 3 steps; a time limit truncates them"):
        run.run()
    assert run.env_steps == 4

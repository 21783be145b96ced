"""A scheme decides where work is done, and not what is computed."""

import pytest
import torch

from nappo2 import (
    PPO,
    Learner,
    adopt,
    all_reduce,
    envs,
    join,
    look,
    population,
    ppo,
    repeat,
    scheme,
    workers,
)
from nappo2.schemes import SCHEMES, serial
from nappo2.schemes.words import TAKES
from nappo2.stages.recipe import batches_of, collect_of, learn_of, update_of
from tests.makers.recipes import CARTPOLE_PPO, scheme_arguments
from tests.makers.stepping import train_until

K = 4


def train(name, num_updates=24, recipe=CARTPOLE_PPO, **options):
    """Params after at least so many updates, and all reports."""
    return train_until(scheme(name, recipe, **options), recipe.init(0), num_updates)


TABLE = {
    "3cs": "collect | to_device | gae | all_minibatches | learn",
    "3ds": "collect | to_device | gae | minibatches | gradients | all_reduce | update"
    " | all_updates | learners(n)",
    "2dacs": "collect | to_device | gae | minibatches | gradients | learners(n) | update",
    "2daca": "collect | to_device | gae | minibatches | gradients | learners(n, wait_for=1) | update",
    "ds2cs": "collect | collectors(n) | to_device | gae | all_minibatches | learn",
    "da2cs": "collect | collectors(n, wait_for=1) | to_device | gae | all_minibatches | learn",
    "ds2ds": "collect | collectors(n) | to_device | gae | minibatches | gradients | all_reduce | update"
    " | all_updates | learners(n)",
    "da2ds": "collect | collectors(n, wait_for=1) | to_device | gae | minibatches | gradients"
    " | all_reduce | update | all_updates | learners(n)",
    "dsdacs": "collect | collectors(n) | to_device | gae | minibatches | gradients | learners(n) | update",
    "dsdaca": "collect | collectors(n) | to_device | gae | minibatches | gradients"
    " | learners(n, wait_for=1) | update",
    "dadacs": "collect | collectors(n, wait_for=1) | to_device | gae | minibatches | gradients"
    " | learners(n) | update",
    "dadaca": "collect | collectors(n, wait_for=1) | to_device | gae | minibatches | gradients"
    " | learners(n, wait_for=1) | update",
}


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_shows_where_it_is_cut(name):
    """As in the table of the design, with the parts of the recipe between."""
    shown = repr(
        scheme(name, CARTPOLE_PPO, **scheme_arguments(name, collectors=6, learners=2))
    ).replace("num_workers=2", "n")
    shown = shown.replace("num_workers=3", "n").replace("num_workers=6", "n")
    for part in ("(num_steps=8)", "(num_epochs=2, num_minibatches=2)", "(lambda_=0.95)"):
        shown = shown.replace(part, "")
    assert shown == TABLE[name]


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_is_reproducible(name, same):
    assert same(train(name)[0], train(name)[0])


@pytest.mark.parametrize("name", ["2dacs", "2daca", "3ds"])
def test_one_learner_equals_none(name, same):
    assert same(train(name, learners=1)[0], train("3cs")[0])


@pytest.mark.parametrize("name", ["dadacs", "dadaca"])
def test_one_learner_with_collectors_is_a_central_one(name, same):
    assert same(train(name, learners=1, collectors=3)[0], train("da2cs", collectors=3)[0])


def test_one_collector_equals_none(same):
    assert same(train("da2cs", collectors=1)[0], train("3cs")[0])


@pytest.mark.parametrize("learners", [2, 3])
def test_a_decentralised_update_is_a_central_one(learners, same):
    """3ds equals 2dacs, normaliser and all, as the gradients are added in one order."""
    assert same(train("3ds", learners=learners)[0], train("2dacs", learners=learners)[0])


LAGS = {  # of collection and gradients, with c collectors per learner and l learners
    "3cs": lambda c, l: ((1.5, 1.5), (0, 0)),  # the mean of 0 to 3, where a step takes them all
    "2dacs": lambda c, l: ((0, K - 1), (0, 0)),
    "3ds": lambda c, l: ((1.5, 1.5), (0, 0)),
    "ds2cs": lambda c, l: ((1.5, 1.5), (0, 0)),
    "ds2ds": lambda c, l: ((1.5, 1.5), (0, 0)),
    "dsdacs": lambda c, l: ((0, K - 1), (0, 0)),
    "da2cs": lambda c, l: (((c * l - 1) * K + 1.5,) * 2, (0, 0)),
    "da2ds": lambda c, l: (((c - 1) * K + 1.5,) * 2, (0, 0)),
    "dadacs": lambda c, l: (((c - 1) * K, c * K - 1), (0, 0)),
    "2daca": lambda c, l: ((0, (K - 1) * l), (l - 1, l - 1)),
    "dsdaca": lambda c, l: ((0, (K - 1) * l), (l - 1, l - 1)),
    "dadaca": lambda c, l: (((c - 1) * K * l, (c - 1) * K * l + (K - 1) * l), (l - 1, l - 1)),
}


def lags(name, **options):
    _, reports = train(name, num_updates=72, **options)
    found = []
    for key in ("collection_lag", "gradient_lag"):
        lag = [float(report.means[key].value) for report in reports[len(reports) // 2 :]]
        found.append((min(lag), max(lag)))
    return tuple(found)


@pytest.mark.parametrize("name", LAGS)
@pytest.mark.parametrize(("c", "l"), [(3, 2), (2, 3)])
def test_lags_are_those_of_the_table(name, c, l):
    assert lags(name, **scheme_arguments(name, collectors=c * l, learners=l)) == LAGS[name](c, l)


def test_being_ahead_is_as_more_collectors_for_the_lag():
    """With one step ahead, 2 collectors lag as 4 do."""
    assert lags("da2cs", collectors=2, ahead=1) == lags("da2cs", collectors=4)


def test_synchronous_sampling_is_a_cut_that_waits_for_all():
    """Two workers of two environments make rollouts of four, whose seeds differ."""
    pipe, params = collect_of(CARTPOLE_PPO) | workers(2), CARTPOLE_PPO.init(0)
    _, rollout, report = pipe.step(params, pipe.init(params, 1))
    assert rollout.batch_size == (8, 4) and report.sums["env_steps"] == 32
    assert not torch.equal(rollout["observation"][:, :2], rollout["observation"][:, 2:])


def test_local_sgd_keeps_versions_and_statistics():
    """Three rollouts of four updates on each of two workers, whose params are averaged."""
    s = CARTPOLE_PPO
    pipe = collect_of(s) | s.prepare | learn_of(s) | repeat(3) | workers(2)
    params, state = s.init(0), None
    state = pipe.init(params, 1)
    for _ in range(2):
        state, params, report = pipe.step(params, state)
    assert params["version"] == 2 * 3 * K and report.sums["env_steps"] == 2 * 3 * 16
    assert (params["normalizer", "observation", "std"] < 1.5).all()


@pytest.mark.parametrize(("old", "new"), [("3cs", "2dacs"), ("2dacs", "3cs"), ("3cs", "3ds")])
def test_a_run_goes_on_under_another_scheme(old, new, same):
    """With one learner, as if nothing had happened."""
    first, second = (
        scheme(name, CARTPOLE_PPO, **scheme_arguments(name, learners=1)) for name in (old, new)
    )
    params, state = steps(first, CARTPOLE_PPO.init(0), first.init(CARTPOLE_PPO.init(0), 1), 12)
    params, _ = steps(second, params, adopt(second, state, params, 99), 24)
    assert same(params, train("3cs")[0])


def steps(pipe, params, state, num_updates):
    while params["version"] < num_updates:
        state, params, _ = pipe.step(params, state)
    return params, state


@pytest.mark.parametrize("name", SCHEMES)
def test_every_env_step_is_counted_once(name):
    """What the params' moments have counted is what the reports say was collected."""
    params, reports = train(name, 40, **scheme_arguments(name, collectors=2))
    counted = params["normalizer", "observation", "moments"][0, 0]
    assert counted == join(reports).sums["env_steps"] > 0


def preempting(**options):
    options = {"learners": 3, "wait_for": 2, "preempt": 0.5} | options
    return train("2dacs", 16, **options)


def test_who_is_preempted_stops_at_its_share_and_all_steps_are_counted():
    """Of 3 learners 2 collect 8 steps of 2 environments, one 4: 40 for every 4 updates."""
    params, reports = preempting()
    assert params["version"] == 16
    steps = [report.sums.get("env_steps", 0) for report in reports]
    assert steps == [0, 0, 0, 40] * 4
    assert params["normalizer", "observation", "moments"][0, 0] == 4 * 40


def test_gradients_of_fewer_samples_weigh_less():
    """8 + 8 + 4 samples: the mean of the losses is that over the 20."""
    _, reports = preempting()
    assert [report.means["loss"].weight for report in reports] == [20] * 16


def test_a_rollout_that_was_cut_short_is_padded_and_masked():
    """The other's 8 steps stay; the 4 that are missing are masked and bootstrap from the fourth."""
    pipe, params = (
        collect_of(CARTPOLE_PPO) | workers(2, wait_for=1, preempt=0.5),
        CARTPOLE_PPO.init(0),
    )
    learnt = pipe | CARTPOLE_PPO.prepare
    _, rollout, report = learnt.step(params, learnt.init(params, 1))
    assert rollout["mask"].sum(0).tolist() == [8, 8, 4, 4] and report.sums["env_steps"] == 24
    assert rollout["next", "done"][3, 2:].all()
    assert (rollout["next", "truncated"] ^ rollout["next", "terminated"])[3, 2:].all()

    def alone(params, seed):
        source = collect_of(CARTPOLE_PPO) | CARTPOLE_PPO.prepare
        return source.step(params, source.init(params, seed))[1]

    from nappo2 import fold_in

    whole = alone(params, fold_in(1, 1))
    assert torch.equal(rollout["observation"][:4, 2:], whole["observation"][:4])
    batches = learnt | batches_of(CARTPOLE_PPO)
    state, sizes = batches.init(params, 1), []
    for _ in range(4):
        state, minibatch, _ = batches.step(params, state)
        sizes.append(len(minibatch))
    assert sizes == [12] * 4


def test_minibatches_of_a_short_rollout_are_as_many():
    """A rollout of 5 x 2 in 4 minibatches: 3, 3, 2, 2."""
    recipe = ppo(envs.cartpole(2), PPO(num_steps=8, num_epochs=1, num_minibatches=4, hidden=(8,)))
    pipe = collect_of(recipe) | recipe.prepare | batches_of(recipe) | workers(2, 1, preempt=0.6)
    params = recipe.init(0)
    state, sizes = pipe.init(params, 1), []
    for _ in range(4):
        state, batch, _ = pipe.step(params, state)
        sizes.append(len(batch) - 4)
    assert sizes == [3, 3, 2, 2]


def test_misfits_are_one_sentence():
    for options, message in [
        ({"learners": 0}, "learners is an integer of at least 1, or a Between, .*, not 0"),
        ({"wait_for": 3}, "cannot wait for 3 of 2 workers"),
        ({"preempt": 0.0, "wait_for": 1}, "preempt is a share of a rollout"),
    ]:
        with pytest.raises(ValueError, match=message):
            scheme("2dacs", CARTPOLE_PPO, **options)
    with pytest.raises(ValueError, match="ahead is an integer of at least 0, not -1"):
        scheme("da2cs", CARTPOLE_PPO, ahead=-1)
    with pytest.raises(ValueError, match="workers that meet in all_reduce cannot wait for 1 of 2"):
        scheme("3ds", CARTPOLE_PPO, wait_for=1)
    with pytest.raises(ValueError, match="no scheme is called 'dadac'; there are 3cs, 3ds, 2dacs"):
        scheme("dadac", CARTPOLE_PPO)
    with pytest.raises(ValueError, match="recipe is a recipe"):
        scheme("3cs", collect_of(CARTPOLE_PPO))


def test_learners_have_a_collector_each_at_least():
    """The original's README asks for 2 collectors and 6 learners."""
    with pytest.warns(UserWarning, match="each has 1, so there are 6"):
        pipe = scheme("dadacs", CARTPOLE_PPO, collectors=2, learners=6)
    assert pipe.stages[1].arguments["num_workers"] == 1


def test_an_error_in_one_process_is_raised_where_it_happens():
    """Also where workers take turns, and the others wait to be asked."""

    def broken(params, batch):
        raise ZeroDivisionError("in the loss")

    from nappo2 import gradients

    line = (
        collect_of(CARTPOLE_PPO)
        | CARTPOLE_PPO.prepare
        | batches_of(CARTPOLE_PPO)
        | gradients(broken)
    )
    for pipe in (line | workers(2), line | all_reduce() | update_of(CARTPOLE_PPO) | workers(2)):
        params = CARTPOLE_PPO.init(0)
        with pytest.raises(ZeroDivisionError, match="in the loss"):
            pipe.step(params, pipe.init(params, 0))


def test_workers_of_a_cut_that_fits_adopt_what_is_left_of_it():
    """They go on with their episodes: under other losses, waiting for others, in another scheme."""
    run = Learner(scheme("2dacs", CARTPOLE_PPO), CARTPOLE_PPO.init(0), progress=False)
    run.step()
    members = run.state["learners"].members
    lengths = [m.worker.state["collect"].length for m in members]
    for name in ("2daca", "2dacs"):
        run.adopt(scheme(name, CARTPOLE_PPO))
        assert run.state["learners"].members is members
    assert [m.worker.state["collect"].length for m in members] == lengths
    run.adopt(scheme("dadacs", CARTPOLE_PPO))
    assert run.state["learners"].members is members
    inner = [m.worker.state["collectors"].members[0].worker.state for m in members]
    assert all((x["collect"].length == n).all() for x, n in zip(inner, lengths, strict=True))
    steps_before, version = run.env_steps, int(run.params["version"])
    run.step()
    assert run.params["version"] == version + 1 and run.env_steps >= steps_before


@pytest.mark.parametrize("new", ["3cs", "da2cs", "2daca", "3ds"])
def test_a_learner_goes_on_under_another_scheme(new):
    """The params and the rows that it has stay, and new ones follow."""
    run = Learner(
        scheme("3cs", CARTPOLE_PPO), CARTPOLE_PPO.init(0), target_steps=64, progress=False
    ).run()
    rows, version = list(run.metrics), run.params["version"]
    run.target_steps = 128
    run.adopt(scheme(new, CARTPOLE_PPO)).run()
    assert run.metrics[: len(rows)] == rows and run.env_steps >= 128
    assert run.params["version"] > version and run.done()


ARGUMENTS = {  # two values of each, and what is given with both
    "collectors": ((2, 4), {}),
    "learners": ((2, 1), {}),
    "on": ((serial, serial._replace(remote=True)), {}),
    "ahead": ((0, 1), {}),
    "wait_for": ((1, 2), {"collectors": 3, "learners": 3, "preempt": 0.5}),
    "preempt": ((0.25, 0.5), {"collectors": 3, "learners": 3, "wait_for": 2}),
}


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("key", ARGUMENTS)
def test_an_argument_that_would_change_nothing_is_refused(name, key):
    """Each argument changes the line, or is refused by its name."""
    values, others = ARGUMENTS[key]
    if key in TAKES[name]:
        given = [scheme_arguments(name, **others) | {key: value} for value in values]
        lines = [scheme(name, CARTPOLE_PPO, **arguments).stages for arguments in given]
        one, other = ([x.arguments for x in line if x.kind == "workers"] for line in lines)
        assert one != other
        return
    with pytest.raises(ValueError, match=f"the scheme {name} takes no {key}; it"):
        scheme(name, CARTPOLE_PPO, **{key: values[1]})


@pytest.mark.parametrize("name", [name for name in SCHEMES if "preempt" in TAKES[name]])
def test_preempting_nobody_is_refused(name):
    """Who waits for all has nobody to stop."""
    counts = scheme_arguments(name, collectors=3, learners=3)
    for more in ({}, {"wait_for": 3}):
        with pytest.raises(
            ValueError, match=r"preempt=0\.5 is for workers that a step does not wait"
        ):
            scheme(name, CARTPOLE_PPO, preempt=0.5, **counts, **more)


@pytest.mark.parametrize("name", [name for name in SCHEMES if name != "3cs"])
def test_a_population_is_of_no_other_scheme(name):
    """And it shows itself."""
    many = population(CARTPOLE_PPO, 3)
    with pytest.raises(ValueError, match="a population learns in one process; of the schemes, 3cs"):
        scheme(name, many)
    assert "members" in repr(many) and "members" in look(many).html

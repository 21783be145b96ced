"""The training of trials: populations where only hyper-parameters differ, else runs by turns."""

import os
import signal
from dataclasses import replace
from functools import partial

import pytest
import torch

from nappo2 import clamp, envs, fold_in, load_run, mask, optim, ppo, ravel, scheme
from nappo2.machine.stop import Interrupted
from nappo2.populations import member
from nappo2.search import Budget, choice, log_uniform, search, uniform, unpruned
from nappo2.search.driving import drive
from nappo2.search.jobs import Job
from nappo2.search.joining import alike, pipeline_of, together
from nappo2.search.training import train
from tests.makers.recipes import SMALL_PPO

BUDGET = Budget(trials=2, total_steps=64, seeds=2, rungs=2, episodes=2)
RATES = {"learning_rate": log_uniform(1e-4, 1e-1), "gamma": uniform(0.9, 1.0)}


def make(**values):
    """PPO of which a rollout is 16 env steps, in a CartPole whose episodes are short."""
    return ppo(envs.cartpole(2, time_limit=20), replace(SMALL_PPO, **values))


def job(folder, *values, budget=BUDGET, rungs=0, seed=5):
    return Job(tuple(range(len(values))), values, rungs, folder, seed, 7, budget)


def taken(make, job):
    """All rungs of a job."""
    rungs, go_on = train(make, job, lambda: False), None
    while True:
        try:
            rung = rungs.send(go_on)
        except StopIteration:
            return
        yield rung
        go_on = True


def lines(*values, make=make):
    return [pipeline_of(make(**x)) for x in values]


def test_recipes_are_alike_where_only_params_differ():
    assert together(lines({"gamma": 0.9}, {"gamma": 0.8}), 2).hyper == {
        "gamma": pytest.approx((0.9, 0.9, 0.8, 0.8))
    }
    for other in ({"lambda_": 0.5}, {"hidden": (4,)}, {"num_epochs": 1}, {"target_kl": 0.1}):
        assert together(lines({"gamma": 0.9}, other), 2) is None
    recipe = make()
    assert alike([recipe, make()]) and not alike([recipe, recipe.replace(loss=lambda *x: None)])
    assert not alike([recipe, ppo(envs.cartpole(4, time_limit=20), SMALL_PPO)])


def test_there_is_no_population_in_simulators_in_other_schemes_or_of_two():
    values = {"gamma": 0.9}, {"gamma": 0.8}
    assert together(lines(*values), 1) is None
    assert together(lines(*values, make=lambda **x: scheme("2dacs", make(**x))), 2) is None
    gym = envs.make("CartPole-v1", 2)
    assert together(lines(*values, make=lambda **x: ppo(gym, replace(SMALL_PPO, **x))), 2) is None


def test_each_member_of_a_population_is_its_trial_alone(tmp_path):
    """Within 1e-4 after 32 updates; the seeds of trial 1 are those of members 2 and 3."""
    both = {"learning_rate": 1e-3}, {"learning_rate": 1e-2}
    list(taken(make, job(tmp_path / "both", *both)))
    params = load_run(tmp_path / "both" / "population").params
    for trial, seed in ((0, 0), (0, 1), (1, 0), (1, 1)):
        i = 2 * trial + seed
        alone = job(
            tmp_path / str(i), both[trial], budget=replace(BUDGET, seeds=1), seed=fold_in(5, i)
        )
        list(taken(make, alone))
        ours = ravel(member(params, i)["weights"])[0]
        theirs = ravel(load_run(tmp_path / str(i) / "seed-0").params["weights"])[0]
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_pruned_run_keeps_its_params_and_no_checkpoints(tmp_path):
    rungs = train(make, job(tmp_path, {}), lambda: False)
    assert next(rungs).env_steps == 32
    with pytest.raises(StopIteration):
        rungs.send(False)
    run = load_run(tmp_path / "seed-1")
    assert run.metrics[-1]["env_steps"] == 32 and run.params is not None
    assert not (run.log_dir / "checkpoints").exists()


@pytest.mark.parametrize("values", [[{}], [{"gamma": 0.9}, {"gamma": 0.99}]])
def test_a_job_that_was_interrupted_goes_on_to_the_same_scores(tmp_path, values):
    """By turns, and as a population: broken off between its rungs."""
    whole = list(taken(make, job(tmp_path / "whole", *values)))
    calls = iter(range(100))
    rungs = train(make, job(tmp_path / "cut", *values), lambda: next(calls) == 3)
    first = []
    with pytest.raises(Interrupted):
        first.append(next(rungs))
        rungs.send(True)
    rest = list(taken(make, job(tmp_path / "cut", *values, rungs=len(first))))
    assert [*first, *rest] == whole


def test_a_trial_whose_updates_are_not_finite_has_failed_and_says_so(tmp_path):
    """Gradients are finite, and an optimiser makes infinite updates of them; three are refused."""
    broken = optim.GradientTransformation(
        lambda weights: (), lambda grads, state, params, weights: (grads * torch.inf, state)
    )
    training = partial(train, lambda: make().replace(optimizer=broken))
    error = drive(training, job(tmp_path, {}), lambda rung: True, lambda: False)
    assert error.startswith("FloatingPointError: 3 gradients in a row were not finite")


def test_a_make_that_returns_neither_recipe_nor_scheme_is_refused():
    with pytest.raises(ValueError, match="make returns a recipe, or what scheme"):
        pipeline_of(3)


def outcomes(found):
    return [(x.number, x.state, x.values, x.rungs) for x in found.trials]


def test_a_search_makes_populations_where_the_space_has_params_alone(tmp_path):
    found = search(make, RATES, replace(BUDGET, trials=5), tmp_path, members=4, progress=False)
    folders = sorted(path.name for path in (tmp_path / "trials").iterdir())
    assert folders == ["0000-0003", "0004"]
    assert (tmp_path / "trials" / "0000-0003" / "population").exists()
    assert found.counts() == {"complete": 5}
    best = max(found.trials, key=lambda trial: trial.score)
    assert found.values == best.values and found.preset.config.gamma == best.values["gamma"]
    assert (found.preset.env, found.preset.num_envs, found.preset.scheme) == (
        "torch/CartPole-v1", 2, "3cs",
    )  # fmt: skip
    assert found.picture().png and (tmp_path / "search.png").exists()


def test_schemes_sizes_and_pieces_may_be_in_the_space(tmp_path):
    def mine(name, num_envs, non_finite):
        recipe = ppo(envs.cartpole(num_envs, time_limit=20), SMALL_PPO)
        return scheme(name, recipe.replace(non_finite=non_finite))

    space = {
        "name": choice("3cs", "2dacs"),
        "num_envs": choice(2, 4),
        "non_finite": choice(clamp(10.0), mask),
    }
    budget = Budget(4, total_steps=64, seeds=1, rungs=1, episodes=1)
    found = search(mine, space, budget, tmp_path, progress=False)
    assert found.counts() == {"complete": 4}
    assert {trial.values["num_envs"] for trial in found.trials} <= {2, 4}
    assert found.preset.scheme == found.values["name"]


def test_a_trial_that_raises_ends_nothing_and_all_that_raise_end_the_search(tmp_path):
    def sometimes(num_minibatches):
        return make(num_minibatches=num_minibatches)

    budget = Budget(6, total_steps=32, seeds=1, rungs=1, episodes=1)
    found = search(
        sometimes, {"num_minibatches": choice(2, 3)}, budget, tmp_path / "some", progress=False
    )
    assert set(found.counts()) == {"complete", "failed"}
    failed = next(trial for trial in found.trials if trial.state == "failed")
    assert "3 minibatches do not divide a rollout of 16" in failed.error
    with pytest.raises(ValueError, match=r"all 6 trials failed; trial 0 with .*7 minibatches"):
        search(sometimes, {"num_minibatches": choice(7, 9)}, budget, tmp_path / "all")


def test_a_search_that_was_killed_while_it_trained_goes_on_to_the_same_result(tmp_path):
    """SIGKILL after the seventh row of a run, and after the fourth of the next life."""
    budget = Budget(3, total_steps=64, seeds=1, rungs=2, episodes=1)
    space = {"learning_rate": log_uniform(1e-4, 1e-1), "num_epochs": choice(1, 2)}
    whole = search(make, space, budget, tmp_path / "whole", progress=False)
    for rows in (7, 4):
        child = os.fork()
        if child == 0:
            die_after(rows)
            search(make, space, budget, tmp_path / "killed", progress=False)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    again = search(make, space, budget, tmp_path / "killed", progress=False)
    assert outcomes(again) == outcomes(whole) and again.values == whole.values


def die_after(rows):
    """Has this process be killed when its runs have so many rows."""
    from nappo2.runs.files import RunFiles

    count, write = iter(range(rows)), RunFiles.write

    def last(files, metrics):
        write(files, metrics)
        if next(count) == rows - 1:
            files.checkpoints.finish()
            os.kill(os.getpid(), signal.SIGKILL)

    RunFiles.write = last


def test_processes_side_by_side_find_what_one_finds(tmp_path):
    """Where the sampler is random still, trials are the same; a function of this test is sent by value."""
    rate = 0.5

    def mine(**values):
        assert 0 < rate < 1
        return make(**values)

    budget = Budget(4, total_steps=64, seeds=1, rungs=2, episodes=1)
    space = {"learning_rate": log_uniform(1e-4, 1e-1), "num_epochs": choice(1, 2)}
    options = {"progress": False, "pruning": unpruned}
    one = search(mine, space, budget, tmp_path / "one", **options)
    two = search(mine, space, budget, tmp_path / "two", processes=2, **options)
    assert outcomes(one) == outcomes(two) and one.preset == two.preset

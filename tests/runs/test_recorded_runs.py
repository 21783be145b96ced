"""Runs on recorded data: targets in updates, rows, schemes, exact resume, and going on by collecting."""

from functools import partial

import pytest
import torch

from nappo2 import (
    PPO,
    Learner,
    collect_of,
    envs,
    evaluate,
    load,
    look,
    population,
    ppo,
    record,
    recorded,
    replay_with,
    scheme,
)
from nappo2.params import ravel, replaced
from nappo2.recipes import SAC, TD3, TD3BC, sac, td3, td3_bc
from nappo2.runs.metrics import unit_of
from nappo2.saving.snapshots import restored
from nappo2.show._dashboard import by_position, draw_columns, draw_returns
from nappo2.show.pictures import new_figure
from tests.makers.recorded import MADE, data_of, offline


def weights_of(learner):
    return ravel(learner.params["weights"])[0]


def run_of(recipe, updates=30, name="3cs", **options):
    options = {"target_updates": updates, "progress": False} | options
    return Learner(scheme(name, recipe), recipe.init(0), 1, **options)


@pytest.mark.parametrize("name", MADE)
def test_every_recipe_learns_from_its_dataset_alone(name):
    """The line takes one update a step, and so ends exactly at its target."""
    recipe = offline(name)
    learner = Learner(recipe.line, recipe.init(0), 1, target_updates=7, progress=False).run()
    assert learner.metrics[-1]["updates"] == 7 == learner.metrics[-1]["recorded_updates"]
    assert learner.env_steps == 0 and weights_of(learner).isfinite().all()
    assert not torch.equal(weights_of(learner), ravel(recipe.init(0)["weights"])[0])


def test_what_one_sees_of_a_run_on_recorded_data_counts_its_updates():
    """Its env steps stay 0: 500 of 500 updates, with evaluations and losses at 100 to 500."""
    recipe = offline("clone")
    test = partial(evaluate, recipe.env, recipe.greedy, num_episodes=1)
    learner = run_of(recipe, 500, evaluate=test, evaluate_every=100).run()
    html = look(learner)._repr_html_()
    assert "100% of 500 updates; done" in html and "return by updates" in html
    assert "steps/s" not in repr(learner)
    rows, axes = by_position(learner.metrics), new_figure((3, 3)).add_subplot()
    draw_columns(axes, rows, ["loss"], "losses")
    draw_returns(axes, rows, unit=unit_of(learner.metrics))
    losses, _, tests = (list(line.get_xdata()) for line in axes.lines)
    assert losses == tests == [100, 200, 300, 400, 500]
    assert axes.get_title(loc="left") == "episode return by updates"


def test_rows_are_of_100_updates_and_the_last_of_the_rest():
    recipe = offline("clone")
    learner = Learner(recipe.line, recipe.init(0), target_updates=250, progress=False).run()
    assert [row["updates"] for row in learner.metrics] == [100, 200, 250]
    assert learner.done() and learner.metrics[-1]["env_steps"] == 0


@pytest.mark.parametrize("name", ["clone", "iql", "td3_bc"])
def test_fused_learning_is_the_line(name):
    """A fused step is 100 updates, the first one 1 where statistics come; both draw the same batches."""
    recipe = offline(name)
    fused = run_of(recipe, 100).run()
    updates = fused.metrics[-1]["updates"]
    assert updates == (100 if name == "clone" else 101)
    line = Learner(recipe.line, recipe.init(0), 1, target_updates=updates, progress=False).run()
    assert torch.allclose(weights_of(fused), weights_of(line), atol=1e-6)


@pytest.mark.parametrize("name", ["3ds", "2dacs", "2daca"])
def test_recorded_data_go_with_schemes_that_distribute_gradients(name):
    recipe = offline("iql")
    learner = run_of(recipe, 6, name, threads=1)
    assert learner.run().metrics[-1]["updates"] >= 6
    again = run_of(recipe, 6, name)
    assert torch.equal(weights_of(again.run()), weights_of(learner))


def test_schemes_that_distribute_collection_are_refused():
    with pytest.raises(ValueError, match="ds2cs distributes collection, and recorded data are not"):
        scheme("ds2cs", offline("iql"))


def test_a_target_that_does_not_fit_is_refused_in_one_sentence():
    recipe = offline("clone")
    with pytest.raises(ValueError, match="a Learner of it has target_updates"):
        Learner(recipe.line, recipe.init(0), target_steps=1_000)
    online = MADE["clone"]()
    with pytest.raises(ValueError, match="collects: a Learner of it has"):
        Learner(online.line, online.init(0), target_updates=10)
    with pytest.raises(ValueError, match="a Learner of it has target_updates"):
        Learner(online.line, online.init(0)).adopt(recipe.line)


@pytest.mark.parametrize("name", ["td3_bc", "iql, discrete"])
def test_a_run_on_recorded_data_resumes_to_the_last_bit(name, tmp_path):
    recipe = offline(name)
    options = {"progress": False, "checkpoint_every": 10**9}
    whole = Learner(recipe.line, recipe.init(0), 1, target_updates=40, progress=False).run()
    first = Learner(recipe.line, recipe.init(0), 1, 1, tmp_path, target_updates=17, **options).run()
    first.close()
    second = Learner(recipe.line, recipe.init(0), 9, 1, tmp_path, target_updates=40, **options)
    second.resume(tmp_path)
    assert second.metrics[-1]["updates"] == 17
    assert torch.equal(weights_of(second.run()), weights_of(whole))
    second.close()


def test_evaluations_and_checkpoints_come_every_so_many_updates(tmp_path):
    recipe = offline("clone")
    env = envs.cartpole(2)

    def test(params):
        return evaluate(env, recipe.greedy, params, 2)

    options = {"evaluate": test, "evaluate_every": 200, "checkpoint_every": 200}
    learner = Learner(
        recipe.line, recipe.init(0), 0, 1, tmp_path, target_updates=500, progress=False, **options
    ).run()
    rows = [row["updates"] for row in learner.metrics if "evaluation_return" in row]
    assert rows == [200, 400]
    names = sorted(path.name for path in (tmp_path / "checkpoints").glob("steps-*.npz"))
    assert names[-1] == "steps-000000000500.npz" and len(names) == 3
    assert (tmp_path / "curve.png").exists()
    learner.close()


def test_the_agent_of_a_run_on_recorded_data_is_loaded(tmp_path):
    recipe = offline("iql")
    learner = Learner(
        scheme("3cs", recipe), recipe.init(0), 0, 1, tmp_path, target_updates=100, progress=False
    ).run()
    learner.close()
    assert load(tmp_path).act(torch.zeros(3).numpy()).shape == (1,)


def test_a_run_goes_on_by_collecting():
    """Offline, then online: params, optimiser and seeds stay, and the ring begins empty."""
    recipe = offline("iql")
    learner = run_of(recipe, 100).run()
    before = weights_of(learner).clone()
    learner.adopt(scheme("3cs", MADE["iql"]()))
    assert torch.equal(weights_of(learner), before)
    learner.target_steps = 12
    learner.run()
    assert learner.env_steps == 12 and learner.metrics[-1]["recorded_updates"] == 101
    assert learner.metrics[-1]["updates"] == 113  # a batch per transition
    assert learner.state["replay"].count == 12


def test_a_clone_goes_on_as_ppo():
    clone = offline("clone")
    learner = run_of(clone, 100).run()
    online = ppo(
        envs.cartpole(2), PPO(num_steps=8, num_minibatches=2, hidden=(8,), normalize=False)
    )
    first = replaced(online.init(0), weights=learner.params["weights"])
    run = Learner(scheme("3cs", online), first, target_steps=16, progress=False).run()
    assert run.env_steps == 16


def test_the_normaliser_has_the_moments_of_the_dataset():
    recipe, data = offline("iql"), data_of("iql")
    learner = Learner(recipe.line, recipe.init(0), target_updates=3, progress=False).run()
    statistics = learner.params["normalizer", "observation"]
    observation = data["observation"]
    assert torch.allclose(statistics["mean"], observation.mean(0), atol=1e-5)
    assert statistics["moments"][0].unique().item() == len(data)


def test_a_population_collects():
    with pytest.raises(ValueError, match="members of a population collect"):
        population(offline("sac"), 2)
    assert sac(envs.pendulum(2), SAC()).source is None


# --- other datasets, and their moments


def shifted(data):
    """Observations are 100 more."""
    data = data.clone()
    for batch in (data, data["next"]):
        batch["observation"] = batch["observation"] + 100
    return data


OTHER_DATA = {
    "shifted": shifted,
    "half": lambda data: data[:50],
    "more": lambda data: torch.cat([data, shifted(data)]),
    "a copy": lambda data: data.clone(),
}


def with_data(change):
    recipe, data = offline("clone, continuous"), data_of("clone, continuous")
    return recipe.replace(source=recorded(change(data))), change(data)


def check_statistics(learner, data):
    counted = learner.params["normalizer", "observation"]
    assert (counted["moments"][0] == len(data)).all()
    assert torch.allclose(counted["mean"], data["observation"].mean(0), rtol=1e-4, atol=1e-4)
    std = data["observation"].std(0, correction=0)
    assert torch.allclose(counted["std"], std, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["3cs", "3ds", "2dacs", "2daca"])
def test_the_moments_of_a_dataset_count_once(name):
    """In each scheme whose workers all read it."""
    recipe, data = with_data(lambda data: data)
    check_statistics(run_of(recipe, 12, name).run(), data)


@pytest.mark.parametrize("change", OTHER_DATA)
@pytest.mark.parametrize("name", ["3cs", "2dacs"])
def test_an_adopted_dataset_takes_the_place_of_the_first_one(name, change):
    recipe, _ = with_data(lambda data: data)
    other, data = with_data(OTHER_DATA[change])
    learner = run_of(recipe, 12, name).run()
    learner.adopt(scheme(name, other))
    learner.target_updates = 300
    learner.run()
    check_statistics(learner, data)
    events = [row["event"] for row in learner.metrics if row.get("event")]
    is_same = change == "a copy"
    assert events == ["adopt" if is_same else "adopt another dataset of recorded"]


@pytest.mark.parametrize("change", OTHER_DATA)
@pytest.mark.parametrize("name", ["3cs", "3ds", "2dacs"])
def test_a_run_that_resumes_with_another_dataset_says_so(name, change, tmp_path):
    """Once, however many workers read it."""
    recipe, _ = with_data(lambda data: data)
    other, data = with_data(OTHER_DATA[change])
    run_of(recipe, 12, name, log_dir=tmp_path, checkpoint_every=10**9).run().close()
    learner = run_of(other, 300, name, log_dir=tmp_path)
    learner.resume(tmp_path)
    learner.run().close()
    check_statistics(learner, data)
    events = [row["event"] for row in learner.metrics if row.get("event")]
    texts = {
        "shifted": "128 other transitions than were saved",
        "half": "50 transitions, and 128 were saved",
        "more": "256 transitions, and 128 were saved",
    }
    expected = "resume: the dataset of stage 'recorded' is another one: "
    assert events == ([] if change == "a copy" else [expected + texts[change]])


def test_a_checkpoint_of_before_there_were_fingerprints_is_gone_on_from():
    """Its state says whether moments were reported; that of ``with_recorded`` was the seed."""
    recipe, data = with_data(lambda data: data)
    params, pipe = recipe.init(0), recipe.line
    state, notes = restored(pipe, pipe.init(params, 0), {"recorded": True})
    assert not notes and not pipe.step(params, state)[2].moments
    state, notes = restored(pipe, pipe.init(params, 0), {"recorded": False})
    assert not notes and state["recorded"] == pipe.init(params, 0)["recorded"]
    mixed = collect_of(MADE["sac"]()) | replay_with(data, 100, 4)
    state, notes = restored(mixed, mixed.init(params, 0), {"with_recorded": 7})
    assert not notes and state["with_recorded"].seed == 7


def test_demonstrations_that_are_others_are_noticed_and_episodes_go_on(tmp_path):
    data = data_of("sac")

    def run(data, target_steps):
        config = SAC(num_steps=4, batch_size=8, start_steps=4, hidden=(8,))
        recipe = sac(envs.pendulum(2), config, replay=partial(replay_with, data))
        options = {"checkpoint_every": 10**9, "progress": False}
        pipe = scheme("3cs", recipe)
        return Learner(pipe, recipe.init(0), 1, target_steps, tmp_path, **options)

    run(data, 16).run().close()
    learner = run(data[:50], 32)
    learner.resume(tmp_path)
    learner.run().close()
    events = [row["event"] for row in learner.metrics if row.get("event")]
    text = "resume: the dataset of stage 'with_recorded' is another one: 50 transitions, and "
    assert events == [f"{text}{len(data)} were saved"]


def test_what_was_collected_counts_beside_another_dataset():
    """Only the moments of the first dataset are taken back."""
    recipe, _ = with_data(lambda data: data)
    other, second = with_data(shifted)
    learner = run_of(recipe, 12).run()
    moments = learner.params["normalizer", "observation", "moments"]
    more = torch.ones_like(moments)
    normalizer = learner.params["normalizer"].clone()
    normalizer["observation", "moments"] = moments + more
    learner.params = replaced(learner.params, normalizer=normalizer)
    learner.adopt(scheme("3cs", other))
    learner.target_updates = 113
    counted = learner.run().params["normalizer", "observation", "moments"]
    assert (counted[0] == len(second) + 1).all()


def test_nothing_is_taken_back_of_what_the_normalizer_refused():
    """As a gradient was not finite; else there would be less than no transitions."""
    other, data = with_data(shifted)
    recipe, _ = with_data(lambda data: data)
    params, pipe = recipe.init(0), recipe.line
    state, _, _ = pipe.step(params, pipe.init(params, 0))
    line = other.line
    state, _ = restored(line, line.init(params, 0), state)
    _, params, _ = line.step(params, state)
    assert (params["normalizer", "observation", "moments"][0] == len(data)).all()


@pytest.mark.parametrize("num", [1, 2])
def test_what_normalises_goes_on_only_where_its_statistics_are_read(num):
    """TD3+BC normalises by default, and TD3 does not, whose policy would see other numbers."""
    env = envs.pendulum(2)
    actor = ppo(env, PPO(num_steps=8, num_minibatches=1))
    data = record(collect_of(actor), actor.init(0), 64)
    config = {"hidden": (8,), "batch_size": 8, "start_steps": 8}
    offline = td3_bc(env, TD3BC(**config)).replace(source=recorded(data))
    learner = Learner(
        scheme("3cs", offline), offline.init(0), target_steps=32, target_updates=5, progress=False
    ).run()
    raw, reading = (td3(env, TD3(normalize=x, **config)) for x in (False, True))
    raw = raw if num == 1 else population(raw, num)
    text = "normalise by the statistics of observation, which td3 as it is here does not read; with norm"
    with pytest.raises(ValueError, match=text):
        learner.adopt(scheme("3cs", raw))
    assert learner.adopt(scheme("3cs", reading)).run().env_steps == 32

"""Every state that a recipe can have, in every environment, replay and scheme, is saved and goes on."""

from dataclasses import replace
from functools import partial

import pytest

from nappo2 import dqn, envs, hindsight, n_step, optim, population, rolling_n_step, scheme
from nappo2 import recipes as a
from nappo2.networks import gtrxl, noisy_mlp
from nappo2.populations import evolve, perturb, truncation
from nappo2.recipes import RECIPES
from nappo2.saving.packing import Packed
from tests.makers.comparing import equal, states, timeless
from tests.makers.recipes import (
    CONFIGS,
    LIKE_ANOTHER,
    SYNCHRONOUS,
    combinations,
    covering,
    fits,
    recipe_in,
    run_of,
)
from tests.makers.stepping import step

pytestmark = pytest.mark.usefixtures("without_curves")


def has_packed(value):
    """Whether something in a state is still packed."""
    if isinstance(value, Packed):
        return True
    if isinstance(value, dict):
        return any(map(has_packed, value.values()))
    return isinstance(value, (tuple, list)) and any(map(has_packed, value))


def check(make, name, folder, exact, steps=9, k=6):
    """Saved after k of so many steps, loaded into a fresh run with another seed, and gone on with."""
    first = step(run_of(make(), name, folder), k)
    first.save()
    assert (folder / "params.npz").exists() and list((folder / "checkpoints").glob("steps-*.npz"))
    second = run_of(make(), name, seed=99)
    second.resume(folder)
    assert equal(second.params, first.params) and second.env_steps == first.env_steps
    assert not has_packed(second.state)
    step(second, steps - k)
    assert all(x.isfinite().all() for x in second.params["weights"].values(True, True))
    if exact:
        step(first, steps - k)
        assert equal(second.params, first.params)
        assert equal(timeless(second.metrics), timeless(first.metrics))
        if "Bullet" not in repr(second.pipeline.stages[0].arguments):
            assert equal(states(second), states(first))
    first.close(), second.close()


ALL = [combination for combination in combinations() if fits(*combination[:3])]
"""What fits, of 23 recipes, 9 kinds of environments, 2 replays and 12 schemes."""


def pairs(recipe, env, ring, name):
    """Each recipe in each scheme, replay and, to the last bit, environment, and those in each scheme."""
    yield recipe, name
    yield recipe, ring
    yield env, name
    if name in SYNCHRONOUS:
        yield recipe, env


QUICKLY = [combination for combination in ALL if combination[0] not in LIKE_ANOTHER]


@pytest.mark.parametrize("combination", covering(QUICKLY, pairs), ids=", ".join)
def test_a_state_is_saved_and_goes_on(combination, tmp_path):
    recipe, env, ring, name = combination
    exact = name in SYNCHRONOUS and env != "lost"
    check(lambda: recipe_in(recipe, env, ring), name, tmp_path, exact)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_every_state_is_saved_and_goes_on(tmp_path):
    print(f"\n{len(ALL)} combinations")
    failed = []
    for i, (recipe, env, ring, name) in enumerate(ALL):
        exact = name in SYNCHRONOUS and env != "lost"
        try:
            check(partial(recipe_in, recipe, env, ring), name, tmp_path / str(i), exact)
        except Exception as error:
            failed.append((recipe, env, ring, name, repr(error)[:200]))
            print(*failed[-1])
    exact = sum(name in SYNCHRONOUS and env != "lost" for _, env, _, name in ALL)
    print(f"saved, loaded, gone on with: {len(ALL) - len(failed)} of {len(ALL)}; bitwise: {exact}")
    assert not failed


SPECIAL = {
    "n-step": lambda: recipe_in("sac", "numbers, continuous", "uniform").replace(prepare=n_step(2)),
    "n-step over rollouts": lambda: recipe_in("dqn", "numbers, discrete", "uniform").replace(
        rollouts=rolling_n_step(3)
    ),
    "members with noisy networks": lambda: population(
        dqn(envs.cartpole(2, time_limit=9), CONFIGS["dqn"], q=noisy_mlp(4, 8, 2)), 2
    ),
    "hindsight": lambda: recipe_in("double_dqn", "goals", "prioritized").replace(
        prepare=hindsight(envs.bits_reward, terminated=envs.bits_reached)
    ),
    "members": lambda: population(
        recipe_in("impala", "numbers, discrete", "uniform"), 2, gamma=[0.9, 0.99]
    ),
    "members in gymnasium": lambda: population(recipe_in("impala", "gymnasium", "uniform"), 2),
    "members with schedules": lambda: population(
        recipe_in("ppo", "numbers, discrete", "uniform"), 2, learning_rate=[1e-3, 2e-3]
    ),
    "members with replay": lambda: population(
        recipe_in("sac", "numbers, continuous", "uniform"), 2, gamma=[0.9, 0.99]
    ),
    "members with delays": lambda: population(
        recipe_in("td3", "gymnasium, continuous", "uniform"), 2
    ),
    "members with images": lambda: population(recipe_in("dqn", "images", "uniform"), 2),
    "members with parts": lambda: population(recipe_in("dqn", "parts", "uniform"), 2),
    "members with statistics of parts": lambda: population(recipe_in("ppo", "parts", "uniform"), 2),
    "members with sequences": lambda: population(
        recipe_in("r2d2", "numbers, discrete", "uniform"), 2
    ),
    "members with values": lambda: population(recipe_in("pqn", "images", "uniform"), 2),
    "a window as a memory": lambda: a.recurrent_ppo(
        envs.masked_cartpole(2, 9),
        CONFIGS["recurrent_ppo"],
        cell=partial(gtrxl, num_layers=1, num_heads=2, window=3),
    ),
    "members with memory": lambda: population(recipe_in("recurrent_ppo", "in part", "uniform"), 2),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_what_stands_between_the_stages_goes_on_too(name, tmp_path):
    check(SPECIAL[name], "3cs", tmp_path, exact=True)


@pytest.mark.parametrize("recipe", ["impala", "double_dqn"])
def test_a_population_that_evolves_goes_on(recipe, tmp_path):
    def evolving():
        members = population(recipe_in(recipe, "numbers, discrete", "uniform"), 4)
        after = evolve(2, truncation(0.25), perturb("learning_rate"))
        return members._replace(after=after)

    check(evolving, "3cs", tmp_path, exact=True)


def test_other_optimisers_go_on(tmp_path):
    for i, optimizer in enumerate((optim.rmsprop(), optim.sgd(), optim.adam())):
        recipe = recipe_in("ppo", "numbers, discrete", "uniform").replace(optimizer=optimizer)
        check(lambda recipe=recipe: recipe, "3cs", tmp_path / str(i), exact=True)


def test_a_run_of_monitored_environments_goes_on(tmp_path):
    def monitored():
        env = envs.make("torch/CartPole-v1", 2, time_limit=9, monitor=tmp_path / "monitor")
        return RECIPES["ppo"](env, replace(CONFIGS["ppo"]))

    check(monitored, "3cs", tmp_path / "run", exact=True)


def test_episodes_that_will_not_go_on_are_not_joined_to_others(tmp_path, caplog):
    """Simulators that cannot be saved begin anew: hindsight drops what it had of their episodes."""
    env = envs.bit_flipping(2, num_bits=4)._replace(save=None, load=None)
    reward = hindsight(envs.bits_reward, terminated=envs.bits_reached)
    recipe = a.double_dqn(env, CONFIGS["double_dqn"]).replace(prepare=reward)
    first = step(run_of(recipe, "3cs", tmp_path), 5)
    assert any(len(x) for x in first.state["hindsight"].unfinished)
    first.save()
    second = run_of(recipe, "3cs", seed=5)
    second.resume(tmp_path)
    assert second.state["hindsight"].unfinished is None
    assert "the episodes of bit_flipping begin anew" in caplog.text


OTHER_ENVS = {
    "as many": lambda: envs.make("CartPole-v1", 2, max_episode_steps=9),
    "more": lambda: envs.cartpole(3, time_limit=9),
}


@pytest.mark.parametrize("name", ["rainbow", "r2d2"])
@pytest.mark.parametrize("other", OTHER_ENVS)
@pytest.mark.parametrize("word", ["3cs", "da2cs"])
def test_episodes_are_not_joined_to_those_of_environments_that_are_adopted(name, other, word):
    """Steps that waited for the next ones would be summed, or learnt from, with those of another game."""

    def waiting(state):
        stage = "rolling_windows" if name == "r2d2" else "rolling_n_step"
        workers = state.get("collectors")
        return (state if workers is None else workers.ask(0))[stage].waiting

    config = replace(CONFIGS[name], num_steps=1)
    run = step(run_of(RECIPES[name](envs.cartpole(2, time_limit=9), config), word), 5)
    run.adopt(scheme(word, RECIPES[name](envs.cartpole(2, time_limit=9), config)))
    assert waiting(run.state) is not None
    run.adopt(scheme(word, RECIPES[name](OTHER_ENVS[other](), config)))
    assert waiting(run.state) is None
    step(run, 5)


def test_another_structure_begins_anew_and_is_named(tmp_path, caplog):
    """Adam's state under SGD, which has none."""
    first = step(run_of(recipe_in("ppo", "numbers, discrete", "uniform"), "3cs", tmp_path), 2)
    first.save()
    recipe = recipe_in("ppo", "numbers, discrete", "uniform").replace(optimizer=optim.rmsprop())
    second = run_of(recipe, "3cs")
    second.resume(tmp_path)
    assert "stage 'update' has another structure than what was saved" in caplog.text
    step(second, 2)

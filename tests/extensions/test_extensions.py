"""One file each: an algorithm of a stranger runs in every scheme, compiled, saved and resumed."""

import inspect
import warnings
from dataclasses import replace
from functools import partial

import pytest
import torch

from nappo2 import A2C, PPO, Learner, a2c, envs, ppo, ravel, scheme
from nappo2.schemes import SCHEMES
from tests.extensions import advantage_weighted, agents, redq, threads
from tests.makers.recipes import SYNCHRONOUS, scheme_arguments

pytestmark = pytest.mark.usefixtures("without_curves")

SMALL_PPO = PPO(num_steps=8, num_epochs=2, num_minibatches=2)
RECIPES = {
    "awr": (advantage_weighted.awr, advantage_weighted.AWR(num_steps=8), envs.cartpole),
    "redq": (redq.redq, redq.REDQ(start_steps=8, batch_size=8), partial(envs.make, "Pendulum-v1")),
    "ppo of two values": (partial(ppo, agent=agents.TwoValues()), SMALL_PPO, envs.cartpole),
    "ppo of windows": (partial(ppo, agent=agents.Window()), SMALL_PPO, envs.cartpole),
    "a2c of two values": (partial(a2c, agent=agents.TwoValues()), A2C(), envs.cartpole),
    "a2c of windows": (partial(a2c, agent=agents.Window()), A2C(), envs.cartpole),
}
WORKERS = {"collectors": 2, "learners": 2}


def made(name, **changes):
    make, config, env = RECIPES[name]
    return make(env(2), replace(config, **changes))


def started(recipe, name, log_dir=None, **more):
    given = scheme_arguments(name, **WORKERS | more)
    pipe = scheme(name, recipe, **given)
    return Learner(
        pipe, recipe.init(0), 0, 200, log_dir, checkpoint_every=log_dir and 10**9, progress=False
    )


@pytest.mark.parametrize(("module", "most"), [(advantage_weighted, 40), (redq, 50), (threads, 45)])
def test_it_is_one_file(module, most):
    assert len(inspect.getsource(module).splitlines()) <= most


@pytest.mark.parametrize("scheme_name", SCHEMES)
@pytest.mark.parametrize("name", RECIPES)
def test_a_strangers_algorithm_runs_in_every_scheme_and_is_resumed(
    name, scheme_name, tmp_path, same
):
    """Its params after a resume are those of the run that went on, where that is synchronous."""
    recipe = made(name)
    if scheme_name not in (recipe.compatible.scheme or SCHEMES):
        pytest.skip(f"{recipe.name} needs rollouts of the newest params")
    first = started(recipe, scheme_name, tmp_path)
    for _ in range(6):
        row = first.step()
    first.save()
    second = started(recipe, scheme_name)
    second.resume(tmp_path)
    assert same(second.params, first.params) and int(first.params["version"]) > 0
    assert all(torch.isfinite(torch.tensor(x)) for x in row.values() if isinstance(x, float))
    if scheme_name in SYNCHRONOUS:
        for _ in range(3):
            first.step(), second.step()
        assert same(second.params, first.params)
    first.close(), second.close()


COMPILED = [
    name if name == "awr" else pytest.param(name, marks=pytest.mark.faults)  # up to a minute each
    for name in RECIPES
    if "a2c" not in name
]


@pytest.mark.parametrize("name", COMPILED)
def test_a_strangers_algorithm_is_compiled_as_any(name):
    results = []
    for jit in (False, True):
        run = started(made(name, jit=jit), "3cs")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*cannot be compiled")
            for _ in range(4):
                run.step()
        results.append(ravel(run.params["weights"])[0])
    torch.testing.assert_close(*results, atol=1e-5, rtol=0)


def test_a_window_of_one_observation_learns_as_none(same):
    """Its memory is what was just observed: the agent without one, whose batches are sequences."""
    inner = agents.TwoValues()
    params = []
    for agent in (inner, agents.Window(inner, size=4)):
        recipe = ppo(envs.cartpole(2), replace(SMALL_PPO, num_minibatches=1), agent=agent)
        params.append(started(recipe, "3cs").run().params["weights"])
    torch.testing.assert_close(*(ravel(weights)[0] for weights in params), atol=1e-5, rtol=0)


def test_what_lacks_an_answer_is_no_agent():
    class Mute:
        """Has none."""

    class Sliced(agents.TwoValues):
        slicing = "episodes"

    with pytest.raises(ValueError, match="agent is an actor and a critic with the answers of netw"):
        ppo(envs.cartpole(2), SMALL_PPO, agent=Mute())
    with pytest.raises(ValueError, match="the slicing of an agent is transitions or sequences, no"):
        ppo(envs.cartpole(2), SMALL_PPO, agent=Sliced())
    with pytest.raises(
        ValueError, match=r"the actor of ppo cannot see observations \[B, 3\] of pend"
    ):
        ppo(envs.pendulum(2), SMALL_PPO, agent=agents.TwoValues())


def test_five_critics_learn_each_their_own():
    run = started(made("redq"), "3cs").run()
    critics = run.params["weights", "critics"]
    first = run.pipeline.init(run.params, 0) and made("redq").init(0)["weights", "critics"]
    assert len(critics.keys()) == 5
    for i in critics.keys():
        assert not torch.equal(critics[i, "0", "weight"], first[i, "0", "weight"])


@pytest.mark.parametrize("name", [name for name in SCHEMES if name != "3cs"])
def test_a_strangers_backend_is_serial_where_the_scheme_is_synchronous(name, same):
    """Workers in threads: whoever is asked for all gives the same bits."""
    runs = [started(made("awr"), name, on=on) for on in (threads.in_threads(4), threads.serial)]
    for run in runs:
        for _ in range(4):
            run.step()
    assert all(int(run.params["version"]) >= 4 for run in runs)
    if name in SYNCHRONOUS:
        assert same(runs[0].params, runs[1].params)

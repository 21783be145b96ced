"""Runs whose params are on a GPU, which is pretended: they are the runs on the CPU, to the last bit.

So nothing is drawn on the GPU, and no tensors of two devices meet. Params and the optimiser's state are on
the GPU; environments, rollouts, replays and files on the CPU.
"""

import json
from functools import partial
from unittest import mock

import pytest
import torch

from nappo2 import (
    envs,
    evaluate,
    first,
    from_module,
    hindsight,
    load_params,
    losses,
    mlp,
    n_step,
    optim,
    population,
    ppo,
    prioritized_replay,
    ravel,
    scheme,
)
from nappo2.cli import train
from nappo2.params import device_of
from nappo2.populations import evolve, perturb, truncation
from nappo2.recipes import double_dqn
from nappo2.runs.learner import Learner
from nappo2.show._video import frames
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, update_of
from tests.devices.pretended import leaves, places, pretended_cuda
from tests.makers.comparing import equal, states, timeless
from tests.makers.recipes import CONFIGS, combinations, covering, fits, recipe_in, scheme_arguments
from tests.makers.stepping import step

GPU, CPU = {"cuda:0"}, {"cpu"}
SCHEMES = ("3cs", "3ds", "da2cs")
NUMBERS = ("numbers, discrete", "numbers, continuous")


def started(recipe, name="3cs", device="cpu", folder=None, seed=1):
    options = {"log_dir": folder, "checkpoint_every": 10**9} if folder else {}
    pipe, params = (
        scheme(name, recipe, **scheme_arguments(name, collectors=2, learners=2)),
        recipe.init(0).to(device),
    )
    return Learner(pipe, params, seed, 10**9, progress=False, **options)


def check_places(run):
    """What learns is on the GPU, and what acts or stores on the CPU."""
    assert places(run.params) == GPU
    for name, state in run.state.items():
        if name == "update":  # in which torch's optimisers count on the CPU
            assert places([x for x in leaves(state) if x.ndim]) <= GPU
        else:
            assert places(state) <= CPU, name


def check(make, name="3cs", steps=9, same=equal):
    """The same steps on both devices."""
    here = step(started(make(), name), steps)
    with pretended_cuda() as cuda:
        there = step(started(make(), name, cuda), steps)
        check_places(there)
        assert same(there.params, here.params) and int(here.params["version"]) > 0
        assert same is near or equal(timeless(there.metrics), timeless(here.metrics))
        there.close()
    here.close()


def near(ours, theirs):
    """Equal within 1e-6: where in memory images are changes how a convolution rounds."""
    vectors = [ravel(params.cpu().exclude("version"))[0] for params in (ours, theirs)]
    return torch.allclose(*vectors, rtol=0, atol=1e-6)


def num_steps(recipe):
    """Steps after which some updates were taken: a replay collects before."""
    return 9 if hasattr(CONFIGS[recipe], "capacity") else 3


ALL = [c for c in combinations() if c[3] in SCHEMES and fits(*c[:3])]


def pairs(recipe, env, ring, name):
    """Each recipe, each environment with each replay, and those in each of the schemes."""
    yield (recipe,)
    yield env, ring
    yield env, name
    yield ring, name


QUICK = covering(ALL, pairs)


@pytest.mark.parametrize("combination", QUICK, ids=", ".join)
def test_a_run_on_the_gpu_is_the_run_on_the_cpu(combination):
    recipe, env, ring, name = combination
    same = near if env == "images" else equal
    check(lambda: recipe_in(recipe, env, ring), name, num_steps(recipe), same)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_all_runs_on_the_gpu_are_those_on_the_cpu():
    for combination in set(ALL) - set(QUICK):
        test_a_run_on_the_gpu_is_the_run_on_the_cpu(combination)


def surprised(env):
    """Double DQN whose priorities are the errors that a network on the GPU makes."""
    q = mlp(4, 8, 2, activation=torch.relu)
    error = losses.double_dqn_error(lambda weights, x: q.apply(weights["q"], x))
    ring = partial(prioritized_replay, priority=error)
    return double_dqn(env, CONFIGS["double_dqn"], q=q, replay=ring)


def of_a_module(env):
    """A module with a constant, which is on the CPU until it meets an observation."""

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)
            self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0, 4.0]))

        def forward(self, x):
            return self.layer(x * self.scale)

    return double_dqn(env, CONFIGS["double_dqn"], q=from_module(Scaled))


def cartpole():
    return envs.cartpole(2, time_limit=9)


def small(**changes):
    return recipe_in("ppo", "numbers, discrete", "uniform").replace(**changes)


def members(env):
    return population(recipe_in("impala", env, "uniform"), 4, gamma=[0.9, 0.92, 0.94, 0.96])


SPECIAL = {
    "priorities": lambda: surprised(cartpole()),
    "modules": lambda: of_a_module(cartpole()),
    "n-step": lambda: recipe_in("sac", "numbers, continuous", "uniform").replace(prepare=n_step(2)),
    "hindsight": lambda: recipe_in("double_dqn", "goals", "prioritized").replace(
        prepare=hindsight(envs.bits_reward, terminated=envs.bits_reached)
    ),
    "torch's optimisers": lambda: small(optimizer=optim.from_torch(torch.optim.NAdam)),
    "every second gradient": lambda: small(optimizer=optim.every(2, optim.rmsprop())),
    "members": lambda: members("numbers, discrete"),
    "members with statistics": lambda: population(ppo(cartpole(), CONFIGS["ppo"]), 2),
    "members with replay": lambda: population(
        recipe_in("sac", "numbers, continuous", "uniform"), 2
    ),
    "members in gymnasium": lambda: members("gymnasium"),
    "evolution": lambda: members("numbers, discrete")._replace(
        after=evolve(2, truncation(0.25), perturb("learning_rate"))
    ),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_what_stands_beside_the_recipes_runs_there_too(name):
    check(SPECIAL[name])


def test_one_gradient_after_the_other_runs_there_too():
    """The line that is not fused, whose minibatches wait on the GPU."""
    recipe = small()
    line = collect_of(recipe) | recipe.prepare | batches_of(recipe) | gradients_of(recipe)
    line = line | update_of(recipe)
    here = Learner(line, recipe.init(0), 1, 10**9, progress=False)
    with pretended_cuda() as cuda:
        there = Learner(line, recipe.init(0).to(cuda), 1, 10**9, progress=False)
        step(here, 6), step(there, 6)
        assert places(there.state["minibatches"].waiting) == places(there.params) == GPU
        assert equal(there.params, here.params)


def resumed(make, folder, before, after, name="3cs", k=2, more=2):
    """A run that was saved on one device, and goes on on another, beside the whole run."""
    first = step(started(make(), name, before, folder), k)
    first.save()
    whole = step(first, more)
    run = started(make(), name, after, seed=99)
    run.resume(folder)
    return step(run, more), whole


MOVES = [(recipe, "cuda", "cuda") for recipe in ("ppo", "sac", "r2d2", "recurrent_ppo", "td3")]
MOVES += [
    (recipe, *move) for recipe in ("ppo", "sac") for move in (("cpu", "cuda"), ("cuda", "cpu"))
]


@pytest.mark.parametrize(("recipe", "before", "after"), MOVES)
def test_a_run_goes_on_on_the_device_of_who_resumes_it(recipe, before, after, tmp_path):
    env = next(e for e in NUMBERS if fits(recipe, e, "uniform"))
    with pretended_cuda():
        make, k = partial(recipe_in, recipe, env, "uniform"), num_steps(recipe) - 2
        run, whole = resumed(make, tmp_path, before, after, k=k)
        assert (
            places(run.params)
            == places(run.state["update"])
            == ({"cpu"} if after == "cpu" else GPU)
        )
        assert equal(run.params, whole.params) and equal(states(run), states(whole))
        run.close(), whole.close()


@pytest.mark.parametrize("name", ["2dacs", "3ds"])
def test_workers_go_on_there_too(name, tmp_path):
    with pretended_cuda() as cuda:
        run, whole = resumed(small, tmp_path, cuda, cuda, name)
        assert equal(run.params, whole.params) and equal(states(run), states(whole))
        run.close(), whole.close()


def test_minibatches_that_waited_and_torchs_optimisers_go_on_there(tmp_path):
    def optimised():
        return small(optimizer=optim.from_torch(torch.optim.Adam), all_batches=None)

    with pretended_cuda() as cuda:
        run, whole = resumed(optimised, tmp_path, cuda, cuda, k=5)  # of 4 minibatches a rollout
        assert equal(run.params, whole.params)


@pytest.mark.parametrize("recipe", ["ppo", "sac_gsde", "r2d2"])
def test_params_on_the_gpu_are_evaluated_filmed_and_looked_at(recipe):
    env = next(e for e in NUMBERS if fits(recipe, e, "uniform"))
    made_of = recipe_in(recipe, env, "uniform")
    params = made_of.init(0)
    with pretended_cuda() as cuda:
        there = params.to(cuda)
        for policy in (made_of.greedy, made_of.policy):
            ours, theirs = (evaluate(made_of.env, policy, p, 3) for p in (there, params))
            assert equal(ours, theirs)
        assert "cuda" not in repr(first(made_of.central, params))
        found = first(made_of.central, there)
        assert repr(found) and found._repr_html_()


def test_a_film_is_made_with_params_on_the_gpu():
    env = envs.make("CartPole-v1", 1, render_mode="rgb_array")
    recipe = ppo(env, CONFIGS["ppo"])
    with pretended_cuda() as cuda:
        seen, score = frames(env, recipe.greedy, recipe.init(0).to(cuda), 3, 0)
    assert len(seen) == 4 and score == 3.0


def test_params_on_the_gpu_are_saved_as_those_on_the_cpu(tmp_path):
    recipe = small()
    with pretended_cuda() as cuda:
        run = started(recipe, device=cuda)
        path = run.save_model(tmp_path / "params.npz")
        loaded = load_params(path)
    assert places(loaded) == CPU and equal(loaded, recipe.init(0))


def test_the_command_line_trains_on_cuda_evaluates_saves_and_resumes(tmp_path, monkeypatch, capsys):
    short = ["ppo", "--env", "torch/CartPole-v1", "--num-envs", "2", "--num-steps", "16"]
    short += ["--num-minibatches", "2", "--num-epochs", "2"]
    lines = [
        [*short, "--evaluate-every", "64", "--evaluation-episodes", "2", "--total-steps", "64"]
    ]
    lines += [["--resume", None, "--total-steps", "128"]]
    monkeypatch.chdir(tmp_path)
    rows = {}
    with pretended_cuda():
        for device in ("cpu", "cuda"):
            for line in lines:
                line = [device if word is None else word for word in line]
                told = [] if "--resume" in line else ["--device", device, "--log-dir", device]
                assert train.run([*line, *told]) == 0
                rows[device] = json.loads(capsys.readouterr().out.splitlines()[-1])
    here, there = rows["cpu"], rows["cuda"]
    assert here["env_steps"] == there["env_steps"] == 128
    assert here["episode_return"] == there["episode_return"]
    assert equal(*(load_params(tmp_path / name / "params.npz") for name in rows))
    assert json.loads((tmp_path / "cuda" / "run.json").read_text())["device"] == "cuda"


def test_all_that_an_optimiser_counts_is_where_the_weights_are():
    """As a compiled loop carries it, whose tensors stay where they were."""
    optimizer = optim.apply_if_finite(optim.every(2, optim.chain(optim.adam(), optim.sgd())))
    with pretended_cuda() as cuda:
        assert places(optimizer.init(torch.zeros(3, device=cuda))) == GPU


def test_a_device_that_is_not_there_is_refused_and_cuda_gets_its_number():
    with pretended_cuda():
        assert device_of(small().init(0).to("cuda")) == torch.device("cuda", 0)
        train.check_device("cuda")
        with pytest.raises(ValueError, match="there is no device 'cuda:1' here"):
            train.check_device("cuda:1")


def shares(scheme, **counts):
    return train.gpu_share(train.Train(None, scheme=scheme, device="cuda", **counts))


def test_workers_on_ray_share_one_gpu_and_collectors_need_none():
    with mock.patch("torch.cuda.device_count", lambda: 1):
        assert shares("3ds", learners=2) == 0.5
        assert shares("2dacs", learners=3) == 0.3333
        assert shares("dadacs", collectors=2, learners=2) == 0.25
        assert shares("da2cs", collectors=8) == 0.0
        assert train.gpu_share(train.Train(None, scheme="3ds")) == 0.0
    with mock.patch("torch.cuda.device_count", lambda: 8):
        assert shares("3ds", learners=2) == 1.0


def test_workers_that_share_a_gpu_gather_on_the_cpu(tmp_path):
    from torch import distributed

    from nappo2.schemes.remote.meeting import Meeting, group_backend

    assert group_backend("cuda", 1) == "nccl"
    assert group_backend("cuda", 0.5) == group_backend("cpu", 0) == "gloo"
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        with pretended_cuda() as cuda:
            (part,) = Meeting("cuda", 5.0, None).gather(torch.ones(2, device=cuda))
            assert part.device == cuda and part.tolist() == [1.0, 1.0]
    finally:
        distributed.destroy_process_group()

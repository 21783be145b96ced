"""Fifty differences, each put into one place of a run, are found at their step, stage and leaf."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from nappo2 import Recipe, differ, envs, optim, ppo
from nappo2.envs import Env
from nappo2.runs.learner import Learner
from nappo2.seeds import fold_in, split
from nappo2.trees import walk
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO
from tests.makers.replays import recorded_run

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("without_curves")]


class Watched:
    """The step of a Learner in which something happened first."""

    def __init__(self):
        self.now, self.first = 0, None

    def happens(self) -> None:
        if self.first is None:
            self.first = self.now


def stepped(run: Learner, watched: Watched, num: int = 24) -> Learner:
    for watched.now in range(num):
        run.step()
    return run


def two_runs(recipe: Recipe, other: Recipe, name: str, folder: Path, seed: int, watched: Watched):
    """A run, and one with a difference, which happens where the run of ``watched`` says."""
    a = recorded_run(recipe, name, folder / "a", 24, timing=seed)
    b = recorded_run(other, name, folder / "b", 0, timing=seed)
    return a, stepped(b, watched)


def with_a_flipped_bit(version: int, index: int, watched: Watched) -> Recipe:
    """PPO in whose gradient for params of one version a bit of one number is another."""

    def flip(grad):
        watched.happens()
        flat = grad.clone().reshape(-1)
        flat.view(torch.int32)[index % len(flat)] ^= BIT
        return flat.view(grad.shape)

    def loss(params, batch):
        if int(params["version"]) == version:
            next(leaf for _, leaf in walk(params["weights"])).register_hook(flip)
        return CARTPOLE_PPO.loss(params, batch)

    return CARTPOLE_PPO.replace(loss=loss)


FUSED = ("da2cs", "ds2cs")
BIT = 1 << 16  # of the 23 of a mantissa: Adam rounds the last ones away
LEARN = ("learn", "weights/actor/0/weight")  # gradients are no items of their own there
WORDS = ["da2cs", "2daca", "dadacs", "dadaca", "2dacs", "3ds"]
BITS = [(name, version, 7 * version) for name, version in product(WORDS, (4, 8, 12))]


@pytest.mark.parametrize(("name", "version", "index"), BITS)
def test_one_bit_of_one_number_of_a_gradient(name, version, index, tmp_path):
    """18 of the fifty: three versions of the params in six schemes."""
    watched = Watched()
    other = with_a_flipped_bit(version, index, watched)
    difference = differ(*two_runs(CARTPOLE_PPO, other, name, tmp_path, version, watched))
    assert difference.step == watched.first
    if (
        name in FUSED
    ):  # further updates of the same step change other weights, or Adam rounds it away
        assert difference.stage == "learn" and difference.leaf.startswith(("weights/", "update/"))
    else:
        assert (difference.stage, difference.leaf) == ("gradients", "weights")
        assert (difference.a != difference.b).sum() == 1


def other_start(env: Env, seed: int) -> tuple[Env, torch.Tensor]:
    """Environments that begin elsewhere with one seed, and their first observation there."""
    other = env._replace(reset=lambda s: env.reset(s + (s == seed)))
    return other, env.reset(seed + 1)[1]


def seeing(recipe: Recipe, observation: torch.Tensor, watched: Watched) -> Recipe:
    """A recipe that says when it learns from an observation [B, ...]."""

    def loss(params, batch):
        rows = batch["observation"].reshape(-1, observation.shape[-1])
        if any((rows == first).all(-1).any() for first in observation):
            watched.happens()
        return recipe.loss(params, batch)

    return recipe.replace(loss=loss)


WORKERS = {"da2cs": range(4), "ds2cs": range(4), "2daca": range(4)}
SEEDS = [(name, worker) for name, workers in WORKERS.items() for worker in workers]


@pytest.mark.parametrize(("name", "worker"), SEEDS)
def test_another_seed_of_one_worker(name, worker, tmp_path):
    """12 of the fifty: each of four workers in three schemes."""
    seed = split(fold_in(fold_in(1, worker), "collect"), 3)[0]
    watched, env = Watched(), envs.cartpole(2)
    other_env, first = other_start(env, seed)
    many = {"collectors": 4} if name != "2daca" else {"learners": 4}
    a = recorded_run(ppo(env, SMALL_PPO), name, tmp_path / "a", 24, **many)
    other = seeing(ppo(other_env, SMALL_PPO), first, watched)
    b = stepped(recorded_run(other, name, tmp_path / "b", 0, **many), watched)
    difference = differ(a, b)
    assert (difference.step, difference.stage) == (watched.first, "collect")
    assert difference.leaf == "observation"


def changed(**changes: object) -> Recipe:
    return ppo(envs.cartpole(2), replace(SMALL_PPO, **changes))


def colder(recipe: Recipe) -> Recipe:
    """The same recipe, whose collectors act greedily."""
    return recipe.replace(policy=recipe.greedy)


def unclipped(recipe: Recipe) -> Recipe:
    """The same recipe, with another epsilon of Adam."""
    optimizer = optim.chain(optim.clip_by_global_norm(0.5), optim.adam(eps=1e-3))
    return recipe.replace(optimizer=optimizer)


CONSTANTS = {
    "gae": (lambda: changed(lambda_=0.5), "gae", "advantage"),
    "minibatches": (lambda: changed(num_minibatches=4), "minibatches", "observation"),
    "loss": (lambda: changed(value_coef=0.25), "gradients", "weights"),
    "optimizer": (lambda: unclipped(CARTPOLE_PPO), "update", "weights/actor/0/weight"),
    "policy": (lambda: colder(CARTPOLE_PPO), "collect", "action"),
}
CHANGED = list(product(CONSTANTS, ["da2cs", "2dacs", "dadaca", "ds2cs"]))


@pytest.mark.parametrize(("constant", "name"), CHANGED)
def test_a_changed_constant_of_one_stage(constant, name, tmp_path):
    """20 of the fifty: five constants in four schemes, in the first step."""
    make, stage, leaf = CONSTANTS[constant]
    a = recorded_run(CARTPOLE_PPO, name, tmp_path / "a")
    difference = differ(a, recorded_run(make(), name, tmp_path / "b"))
    inside = name in FUSED and stage in ("minibatches", "gradients", "update")
    expected = LEARN if inside else (stage, leaf)
    assert (difference.step, difference.stage, difference.leaf) == (0, *expected)


def test_there_are_fifty_of_them():
    assert len(BITS) + len(SEEDS) + len(CHANGED) == 50

"""Off-policy recipes learn: Pendulum, CartPole, HalfCheetahBullet, bit flipping, a reach task.

``pytest -m learning -s -k pendulum`` shows the figures of some. Evaluations are greedy, in
environments and with seeds of their own.
"""

from collections.abc import Iterator

import pytest

from nappo2 import Learner, algorithms, envs, evaluate, scheme
from nappo2.algorithms import preset_for
from nappo2.evaluate import Evaluation
from nappo2.schemes import NAMES, Stages
from tests.learning import hindsight as tasks

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]


def learnt(stages: Stages, test: envs.Env, steps: list[int], seed: int, name="3cs", **options):
    """What 20 episodes came to, or as many as there are environments, after so many env steps each."""
    pipe = scheme(name, stages, **options)
    learner = Learner(pipe, stages.init(seed), seed, steps[-1], progress=False)
    for due in steps:
        while learner.env_steps < due:
            learner.step()
        num = max(20, test.num_envs)
        yield learner.env_steps, evaluate(test, stages.greedy, learner.params, num, seed=seed)
    learner.close()


def chosen(recipe: str, env_id: str) -> tuple[Stages, int]:
    """The recipe as its preset for the environment has it, and the steps of that."""
    its = preset_for(recipe, env_id)
    return algorithms.RECIPES[recipe](envs.make(env_id, its.num_envs), its.config), its.total_steps


def best(what: str, seed: int, found: Iterator[tuple[int, Evaluation]]) -> float:
    """The highest mean return of all evaluations, which are printed."""
    means = []
    for env_steps, evaluation in found:
        print(f"{what}, seed {seed}: {env_steps:,} steps, {evaluation}", flush=True)
        means.append(evaluation.returns.mean().item())
    return max(means)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("recipe", ["sac", "td3"])
def test_pendulum_is_held_up(recipe, seed):
    """-200 in the mean of 20 episodes, within 20,000 steps."""
    stages, steps = chosen(recipe, "Pendulum-v1")
    found = learnt(stages, envs.make("Pendulum-v1", 20), [steps // 2, steps], seed)
    assert steps <= 20_000 and best(f"{recipe}, Pendulum-v1", seed, found) >= -200


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("recipe", ["sac", "double_dqn"])
def test_cartpole_is_balanced(recipe, seed):
    """450 in the mean of 20 episodes, within 60,000 steps."""
    stages, steps = chosen(recipe, "CartPole-v1")
    looks = list(range(10_000, steps + 1, 10_000))
    found = learnt(stages, envs.make("CartPole-v1", 20), looks, seed)
    assert steps <= 60_000 and best(f"{recipe}, CartPole-v1", seed, found) >= 450


def test_sac_makes_half_cheetah_run():
    """600 within 100,000 steps (PPO is near 80 there); it is looked at every 25,000."""
    name = "HalfCheetahBulletEnv-v0"
    stages, steps = chosen("sac", name)
    found = learnt(stages, envs.make(name, 5), list(range(25_000, steps + 1, 25_000)), 0)
    assert steps <= 100_000 and best(f"sac, {name}", 0, found) >= 600


@pytest.mark.parametrize("name", NAMES)
def test_sac_improves_in_every_scheme(name):
    """Pendulum, two collectors and two learners; the replay's totals and ratio are those of 3cs."""
    (stages, _), steps = chosen("sac", "torch/Pendulum-v1"), 5_000
    test = envs.make("torch/Pendulum-v1", 20)
    found = learnt(stages, test, [1000, steps], 0, name, collectors=2, learners=2)
    first, last = (evaluation.returns.mean() for _, evaluation in found)
    print(f"sac, {name} on serial: from {first:.1f} to {last:.1f} after {steps:,} steps")
    assert last > first + 500


@pytest.mark.parametrize("name", ["da2cs", "2daca", "dadacs"])
def test_sac_improves_on_ray(name, on_ray):
    (stages, _), steps = chosen("sac", "torch/Pendulum-v1"), 5_000
    test = envs.make("torch/Pendulum-v1", 20)
    found = learnt(stages, test, [1000, steps], 0, name, collectors=2, learners=2, on=on_ray())
    first, last = (evaluation.returns.mean() for _, evaluation in found)
    print(f"sac, {name} on Ray: from {first:.1f} to {last:.1f} after {steps:,} steps")
    assert last > first + 500


@pytest.mark.parametrize(("copies", "low", "high"), [(True, 0.9, 1.0), (False, 0.0, 0.1)])
def test_twenty_bits_are_flipped_with_hindsight_and_not_without(copies, low, high):
    *_, (steps, success) = tasks.bits(copies)
    print(f"20 bits, hindsight {copies}: {steps:,} steps, success {success:.2f}")
    assert low <= success <= high


def test_a_hand_reaches_its_goals():
    """Nine of ten within 30,000 steps."""
    pytest.importorskip("panda_gym")
    *_, (steps, success) = tasks.reach(True)
    print(f"{tasks.REACH}: {steps:,} steps, success {success:.2f}")
    assert steps <= 30_000 and success >= 0.9

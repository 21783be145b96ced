"""Members that learn from replay or have a memory, and the runs that they are."""

from itertools import islice

import pytest
import torch

from nappo2 import Learner, envs, fold_in, hindsight, n_step, noise, population, ravel, scheme
from nappo2 import recipes as a
from nappo2.pipeline import Pipeline, Transform, compose, stage
from nappo2.populations._population import member
from nappo2.seeds import generator, split
from nappo2.stages import all_due, prioritized_replay
from tests.makers.recipes import REPLAY, REPLAYED, surprise
from tests.makers.stepping import steps_of, train

SEQUENCES = {"length": 6, "period": 4, "burn_in": 2, "exploration_updates": 20}
RECURRENT = a.PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8, 8))
KINDS = REPLAYED | {
    "dqn of images": lambda: a.dqn(envs.catch(2), a.DQN(**REPLAY | {"capacity": 24})),
    "dqn, exploring less and less": lambda: a.dqn(
        envs.cartpole(2), a.DQN(**REPLAY, exploration_updates=20)
    ),
    "dqn of two steps": lambda: REPLAYED["dqn"]().replace(prepare=n_step(2)),
    "dqn of two steps, at the collector": lambda: REPLAYED["dqn"]().replace(rollouts=n_step(2)),
    "r2d2": lambda: a.r2d2(
        envs.cartpole(2),
        a.R2D2(**REPLAY | SEQUENCES | {"num_steps": 8, "hidden": (8, 8), "update_ratio": 0.25}),
    ),
    "recurrent ppo": lambda: a.recurrent_ppo(envs.masked_cartpole(2), RECURRENT),
    "recurrent impala": lambda: a.recurrent_impala(
        envs.masked_cartpole(2), a.Impala(num_steps=8, hidden=(8, 8), normalize=True)
    ),
    "sac in gymnasium": lambda: a.sac(envs.make("Pendulum-v1", 2), a.SAC(**REPLAY)),
    "sac with a random matrix": lambda: a.sac_gsde(envs.pendulum(2), a.GsdeSAC(**REPLAY)),
}


@stage
def jitter():
    """Adds noise to rewards, of which it keeps the seed."""

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {"jitter": fold_in(seed, "jitter")}

        def step(params, state):
            inner, rollout, report = source.step(params, state)
            seed, key = split(state["jitter"])
            reward = rollout["next", "reward"]
            noisy = reward + torch.rand(reward.shape, generator=generator(key))
            rollout = rollout.copy().set(("next", "reward"), noisy)
            return inner | {"jitter": seed}, rollout, report

        return Pipeline(init, step)

    return transform


def steps(recipe, seed, num):
    """Params and report of each step."""
    return [
        after[1:] for after in islice(steps_of(scheme("3cs", recipe), recipe.init(seed), seed), num)
    ]


def distance(ours, theirs):
    """The largest difference of weights, targets and statistics."""
    names = [name for name in ("weights", "target", "normalizer") if len(theirs[name].keys())]
    pairs = [(ravel(ours[name])[0], ravel(theirs[name])[0]) for name in names]
    return max(float((x - y).abs().max()) for x, y in pairs)


@pytest.mark.parametrize("name", KINDS)
def test_each_member_is_the_run_with_its_seed(name):
    """Within 1e-5 after each of six rollouts, of which the first are collected for a replay to begin."""
    recipe = KINDS[name]()
    result = steps(population(recipe, 3), 5, 6)
    assert result[-1][0]["version"] > 4
    for i in range(3):
        for (ours, _), (theirs, _) in zip(result, steps(recipe, fold_in(5, i), 6), strict=True):
            assert ours["version"] == theirs["version"]
            assert distance(member(ours, i), theirs) < 1e-5


def test_a_population_reports_what_its_members_do():
    """The transitions of all members, the episodes of each, and means of their means."""
    recipe = REPLAYED["sac"]().replace(env=envs.pendulum(2, time_limit=8))
    (*_, (_, ours)) = steps(population(recipe, 3), 5, 3)
    theirs = [steps(recipe, fold_in(5, i), 3)[-1][1] for i in range(3)]
    assert ours.sums["env_steps"] == sum(report.sums["env_steps"] for report in theirs) == 24
    assert ours.episodes["member"].tolist() == [0, 0, 1, 1, 2, 2]
    expected = torch.cat([report.episodes["return"] for report in theirs])
    torch.testing.assert_close(ours.episodes["return"], expected, atol=1e-4, rtol=1e-5)
    for name in ("loss", "entropy", "collection_lag"):
        expected = torch.stack([report.means[name].value for report in theirs]).mean()
        torch.testing.assert_close(ours.means[name].value, expected, atol=1e-4, rtol=1e-4)


def test_a_learner_begins_with_a_replay_that_fills():
    """Four rollouts of 3 x 8 transitions; each member begins with the 16th of its own."""
    recipe = REPLAYED["sac"]().replace(env=envs.pendulum(2, time_limit=8))
    many = population(recipe, 3)
    learner = Learner(scheme("3cs", many), many.init(0), target_steps=96, progress=False)
    versions = []
    for row in learner:
        versions.append(int(learner.params["version"]))
    assert versions == [0, 8, 16, 24] and row["env_steps"] == 96
    assert {"episode_return_0", "episode_return_1", "episode_return_2", "alpha"} <= set(row)
    ring = learner.state["replay"].ring
    assert ring.batch_size == (64, 3) and learner.state["replay"].count == 32


def test_members_share_the_frames_of_images():
    """A pool for all: of 3 x 24 transitions each frame is in it once."""
    ring = list(
        islice(
            steps_of(
                scheme("3cs", (many := population(KINDS["dqn of images"](), 3))), many.init(0)
            ),
            6,
        )
    )
    state = ring[-1][0]["replay"]
    assert state.ring["frames"].shape == (24, 3, 2, 1) and state.frames.pool.shape[1:] == (10, 5)
    assert state.frames.total < 3 * state.count


@pytest.mark.learning  # as compiling takes long
@pytest.mark.filterwarnings("error:.*cannot be compiled")
def test_compiled_members_learn_as_the_others_do():
    """TD3 with delayed targets: within 1e-5 after 16 updates."""
    eager, compiled = (
        train(scheme("3cs", many), many.init(5), 3)[0]
        for many in (population(REPLAYED["td3, delayed"](jit=jit), 2) for jit in (False, True))
    )
    assert eager["version"] == compiled["version"] > 8
    assert distance(compiled, eager) < 1e-5


def test_where_members_cannot_be_compiled_they_go_on_without(monkeypatch):
    def broken(*args):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr("nappo2.populations.lifting.in_one_scan", broken)
    many = population(REPLAYED["sac"](jit=True), 2)
    with pytest.warns(match="learn_members cannot be compiled here, so it goes on without"):
        result = train(scheme("3cs", many), many.init(5), 3)[0]
    plain = population(REPLAYED["sac"](), 2)
    assert distance(result, train(scheme("3cs", plain), plain.init(5), 3)[0]) == 0


def test_what_learns_from_batches_one_by_one_is_no_population():
    recipe = a.dqn(
        envs.cartpole(2),
        a.DQN(**REPLAY),
        replay=lambda *args, **kwargs: prioritized_replay(*args, priority=surprise, **kwargs),
    )
    with pytest.raises(
        ValueError, match="learn from all batches of a rollout at once, and this dqn"
    ):
        population(recipe, 2)


def test_members_collect_as_much_each():
    """With hindsight they do not, as their episodes end when they end."""
    goals = hindsight(envs.bits_reward, terminated=envs.bits_reached)
    recipe = a.dqn(envs.bit_flipping(2, num_bits=4), a.DQN(**REPLAY)).replace(rollouts=goals)
    many = population(recipe, 3)
    with pytest.raises(ValueError, match="from rollouts of one size, and these are of sizes"):
        train(scheme("3cs", many), many.init(0), 20)


def test_a_stage_that_draws_for_one_run_says_so():
    """It splits the seeds of members as if they were one."""
    recipe = REPLAYED["sac"]()
    recipe = recipe.replace(all_batches=compose(jitter(), recipe.batches(1), all_due()))
    many = population(recipe, 2)
    with pytest.raises(
        ValueError, match="not the seeds of 2 members of a population; fold_in_each"
    ):
        scheme("3cs", many).init(many.init(0), 0)


@pytest.mark.parametrize("piece", ["prepare", "rollouts"])
def test_a_stage_of_rollouts_may_keep_a_state_of_each_member(piece):
    recipe = REPLAYED["double dqn"]().replace(**{piece: jitter()})
    ours, theirs = (
        steps(population(recipe, 2), 5, 4)[-1][0],
        steps(recipe, fold_in(5, 1), 4)[-1][0],
    )
    assert distance(member(ours, 1), theirs) < 1e-5


def test_members_draw_noise_of_their_own_batches():
    """A draw that reads the batch, as REDQ's choice of critics might."""

    def draw(batch, rng):
        return {"chosen": batch["action"] + torch.rand(batch["action"].shape, generator=rng)}

    def made():
        recipe = REPLAYED["td3"]()
        plain = recipe.loss

        def loss(params, batch):
            value, means = plain(params, batch)
            return value * batch["chosen"].mean(), means

        batches = compose(recipe.batches(1), noise(draw, name="chosen"))
        return recipe.replace(batches=batches, all_batches=compose(batches, all_due()), loss=loss)

    recipe = made()
    ours, theirs = steps(population(recipe, 2), 5, 4)[-1][0], steps(recipe, fold_in(5, 1), 4)[-1][0]
    assert distance(member(ours, 1), theirs) < 1e-5


def test_plain_functions_of_a_recipe_take_part_in_a_population_or_are_refused():
    """They have no stage: one that makes rewards seven times as large runs, one behind updates is refused."""

    def seven(source):
        def step(params, state):
            state, item, report = source.step(params, state)
            return state, item.copy().set(("next", "reward"), 7 * item["next", "reward"]), report

        return source._replace(step=step)

    recipe = a.ppo(envs.cartpole(3), a.PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
    for name in ("rollouts", "prepare"):
        many = population(recipe.replace(**{name: compose(Transform(seven))}), 2)
        params = many.init(0)
        _, item, _ = many.collect.step(params, many.collect.init(params, 0))
        assert (item["next", "reward"] == 7).all()
    with pytest.raises(ValueError, match="a plain function of a pipeline behind the updates"):
        population(recipe.replace(after=compose(Transform(seven))), 2)

"""Every recipe with actions of several parts: it learns, or says in a sentence why not."""

from functools import partial

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict
from gymnasium.vector.utils import batch_space
from tensordict import TensorDict

from nappo2 import (
    PPO,
    check_env,
    envs,
    evaluate,
    fold_in,
    load,
    losses,
    population,
    ppo,
    ravel,
    replay,
    scheme,
    trees,
)
from nappo2.envs import action_spec
from nappo2.policies import sampler_of
from nappo2.populations._population import member
from nappo2.recipes import RECIPES, Impala, impala, recurrent_ppo
from nappo2.recipes.agents import default_agent
from nappo2.recipes.table import TABLE
from nappo2.stages.recipe import collect_of
from nappo2.trained import TrainedAgent
from tests.makers.comparing import equal
from tests.makers.environments import ACTIONS, Echo, walk
from tests.makers.recipes import CONFIGS, run_of
from tests.makers.stepping import items_of, step, train, train_until

SMALL = PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8, 8), normalize=True)
SQUASHED = ("sac", "td3", "sac_gsde")


def echo(name, **shape):
    return envs.from_gym(partial(Echo, ACTIONS[name], **shape), 2)


def kind(name):
    return action_spec(ACTIONS[name]).kind


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("name", RECIPES)
def test_what_fits_learns_and_the_rest_says_why_not(name, actions):
    """The environment refuses actions that are not in its space. A first rollout may only be counted."""
    env, fit = echo(actions), TABLE[name].actions
    if fit is not None and kind(actions) not in fit:
        with pytest.raises(
            ValueError, match=f"{name} does not go with {kind(actions)} actions, as"
        ):
            RECIPES[name](env, CONFIGS[name])
        return
    recipe = RECIPES[name](env, CONFIGS[name])
    params, reports = train_until(scheme("3cs", recipe), recipe.init(0), 5, seed=0)
    assert torch.isfinite(reports[-1].means["loss"].value)
    first = recipe.init(0)["weights"]
    moved = params["weights"].apply(lambda x, y: (x != y).any(), first)
    assert params["weights"].apply(lambda x: x.isfinite()).all() and moved.any()


@pytest.mark.parametrize("name", SQUASHED)
def test_a_squashed_actor_refuses_what_is_unbounded_by_name(name):
    """As Stable-Baselines3 does; the message has the space."""
    space = Dict(a=Box(0, 1, (2,)), b=Box(-np.inf, np.inf, (1,)))
    with pytest.raises(ValueError, match=r"unbounded actions, as .*squashed.*Dict\('a': Box.*inf"):
        RECIPES[name](envs.from_gym(lambda: Echo(space), 2), CONFIGS[name])


@pytest.mark.parametrize("make", [ppo, recurrent_ppo])
def test_a_rollout_has_hybrid_actions_by_name(make):
    recipe = make(walk(4), SMALL)
    (rollout,) = items_of(collect_of(recipe), recipe.init(0), 1)
    assert rollout["action", "way"].shape == (8, 4) and rollout["action", "far"].shape == (8, 4, 1)
    assert rollout["action", "way"].dtype == torch.int64
    assert isinstance(rollout["action"], TensorDict)
    assert rollout["action_log_prob"].isfinite().all()


@pytest.mark.parametrize("how", ["3ds", "2dacs", "2daca", "da2cs", "dadacs", "dadaca"])
@pytest.mark.parametrize("make", [ppo, impala], ids=["ppo", "impala"])
def test_every_scheme_takes_them(make, how):
    config = SMALL if make is ppo else Impala(num_steps=8, hidden=(8,))
    recipe = make(walk(4), config)
    _, reports = train_until(scheme(how, recipe), recipe.init(0), 5, seed=0)
    assert torch.isfinite(reports[-1].means["loss"].value)


@pytest.mark.parametrize("actions", ["hybrid", "nested"])
def test_images_are_seen_too(actions):
    env = echo(actions, shape=(1, 12, 12), dtype=np.uint8)
    recipe = ppo(env, SMALL)
    params, _ = train(scheme("3cs", recipe), recipe.init(0), 1, seed=0)
    assert params["version"] == 4


def test_without_lag_vtrace_scores_actions_as_they_were_scored():
    """Ratios of 1: the log-probabilities of the rollout are those of the loss."""
    recipe = ppo(walk(4), SMALL)
    sampler, params = sampler_of(recipe.policy), recipe.init(0)
    (rollout,) = items_of(collect_of(recipe), params, 1)
    outputs = sampler.actor(params, rollout["observation"])
    again = sampler.dist.log_prob(outputs, rollout["action"])
    torch.testing.assert_close(again, rollout["action_log_prob"], rtol=0, atol=1e-5)


def test_masked_transitions_count_for_nothing():
    """A loss of a rollout whose last two steps are masked is that of the others."""
    recipe = ppo(walk(4), SMALL)
    params = recipe.init(0)
    source = collect_of(recipe) | recipe.prepare
    (rollout,) = items_of(source, params, 1)
    mask = torch.ones(8, 4, dtype=torch.bool)
    mask[6:] = False
    sampler = sampler_of(recipe.policy)
    agent = default_agent(recipe.env, SMALL.hidden, SMALL.normalize)
    unscaled = losses.ppo(agent, sampler.dist, scale=lambda x: x)
    whole, _ = unscaled(params.to_dict(), rollout[:6].reshape(-1).to_dict())
    flat = {**rollout.reshape(-1).to_dict(), "mask": mask.flatten()}
    part, _ = unscaled(params.to_dict(), flat)
    torch.testing.assert_close(part, whole)


def test_a_replay_keeps_them():
    """Rows of a ring of 64 are those that were collected."""
    recipe = ppo(walk(4), SMALL)
    pipe = collect_of(recipe) | replay(64, 16, update_ratio=1.0, start_steps=0)
    (batch,) = items_of(pipe, recipe.init(0), 1)
    action, x = batch["action"], batch["observation"].squeeze(-1)
    far = (action["far"].squeeze(-1).clamp(-1, 1) + 1) / 2
    reached = (x + far * (2 * action["way"] - 1)).clamp(-1, 1)
    torch.testing.assert_close(batch["next", "observation"].squeeze(-1), reached)


@pytest.mark.parametrize("make", [ppo, recurrent_ppo])
def test_each_member_of_a_population_is_a_run_of_its_own(make):
    """After one rollout's updates within 1e-5."""
    recipe = make(walk(4), SMALL)
    both = population(recipe, 2)
    params, _ = train(scheme("3cs", both), both.init(5), 1, seed=5)
    for i in range(2):
        seed = fold_in(5, i)
        alone, _ = train(scheme("3cs", recipe), recipe.init(seed), 1, seed=seed)
        ours, theirs = (ravel(p["weights"])[0] for p in (member(params, i), alone))
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.learning
def test_a_compiled_rollout_is_the_eager_one():
    """Two rollouts of 8 steps, and those of two members."""
    for wrap in (lambda recipe: recipe, lambda recipe: population(recipe, 2)):
        weights = []
        for jit in (False, True):
            recipe = ppo(walk(4), PPO(num_steps=8, num_epochs=1, num_minibatches=1, jit=jit))
            whole = wrap(recipe)
            params, _ = train(scheme("3cs", whole), whole.init(0), 2, seed=0)
            weights.append(ravel(params["weights"])[0])
        torch.testing.assert_close(*weights, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("without_curves")
def test_a_run_goes_on_to_the_last_bit(tmp_path):
    def make():
        return ppo(walk(4), SMALL)

    first = step(run_of(make(), "3cs", tmp_path), 2)
    first.save()
    second = run_of(make(), "3cs", seed=99)
    second.resume(tmp_path)
    step(first, 2), step(second, 2)
    assert equal(first.params, second.params)
    first.close(), second.close()


@pytest.mark.parametrize("actions", ACTIONS)
def test_they_are_evaluated_and_checked(actions):
    env = echo(actions)
    recipe = ppo(env, SMALL)
    assert evaluate(env, recipe.greedy, recipe.init(0), 2).lengths.tolist() == [5, 5]
    report = check_env(env, num_steps=20)
    assert report.ok and f"{kind(actions)} actions" in repr(report)


# --- trained agents


def agent_in(actions, make=ppo):
    recipe = make(echo(actions), SMALL)
    return TrainedAgent(recipe, recipe.init(0))


@pytest.mark.parametrize("make", [ppo, recurrent_ppo])
@pytest.mark.parametrize("actions", ACTIONS)
def test_an_agent_acts_in_the_space(actions, make):
    agent, space = agent_in(actions, make), ACTIONS[actions]
    for act in (agent.act, agent.sample):
        assert space.contains(act([0.0, 1.0]))
    agent.reset()
    assert batch_space(space, 3).contains(agent.sample(np.zeros((3, 2), np.float32)))


@pytest.mark.usefixtures("without_curves")
@pytest.mark.parametrize("actions", ["hybrid", "nested"])
def test_a_run_on_disk_acts_as_it_did(actions, tmp_path):
    """Without its environment, of which the card has the space."""
    recipe = ppo(echo(actions), SMALL)
    run = step(run_of(recipe, "3cs", tmp_path), 1)
    run.save(), run.close()
    x = np.random.default_rng(0).standard_normal((9, 2), np.float32)
    ours, theirs = TrainedAgent(recipe, run.params).act(x), load(tmp_path).act(x)
    assert batch_space(ACTIONS[actions], 9).contains(theirs)
    for a, b in zip(trees.leaves(ours), trees.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_probabilities_of_each_choice_stand_where_it_does():
    """Of the nested space: a mode of three, three lamps and two choices; forces have none."""
    found = agent_in("nested").probabilities([0.5, 0.5])
    assert found.keys() == {"arm", "lamps", "rest"} and found["arm"].keys() == {"mode"}
    assert found["arm"]["mode"].shape == (3,)
    assert [x.shape for x in found["lamps"]] == [(2,)] * 3
    assert [found["rest"]["1"][key].shape for key in ("0", "1")] == [(2,), (4,)]


@pytest.mark.parametrize("make", [ppo, recurrent_ppo])
def test_probabilities_are_those_of_the_logits(make):
    """Of the greedy way, and of its probabilities 1 in the sum."""
    recipe = make(walk(2), SMALL)
    agent = TrainedAgent(recipe, recipe.init(1))
    x = np.array([[0.3], [-0.8]], np.float32)
    found = agent.probabilities(x)["way"]
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    assert (found.argmax(-1) == agent.act(x)["way"]).all()
    if make is ppo:
        outputs = sampler_of(recipe.policy).actor(agent.params, torch.from_numpy(x))
        expected = outputs[:, :2].softmax(-1).detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)

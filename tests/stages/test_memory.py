"""Memory in rollouts: what is recorded, when it is forgotten, what is learnt of it."""

from dataclasses import replace

import pytest
import torch
from tensordict import TensorDict

from nappo2 import A2C, PPO, Impala, Pipeline, Report, envs, evaluate, mlp, optim, repeat
from nappo2.networks import gru, lstm, recurrent_actor_critic
from nappo2.recipes import a2c, impala, perceptrons, ppo, recurrent_ppo, vpg
from nappo2.recipes.recurrent import recurrent_perceptrons
from nappo2.schemes import SCHEMES, scheme, workers
from nappo2.stages import gae, sequences, update
from nappo2.stages.learning.feeds import sequence_sizes
from nappo2.stages.recipe import batches_of, collect_of, gradients_of
from tests.makers.recipes import composed, fused, scheme_arguments
from tests.makers.stepping import items_of, train, train_until

CONFIG = PPO(num_steps=16, num_epochs=2, num_minibatches=2, hidden=(8, 8))
ENV = envs.masked_cartpole(4, time_limit=13)  # so that episodes are truncated too
RECIPE = recurrent_ppo(ENV, CONFIG)
AGENT, PARAMS = recurrent_perceptrons(ENV, hidden=(8, 8), normalize=True), RECIPE.init(0)


def rollouts(num, seed=0):
    return items_of(collect_of(RECIPE), PARAMS, num, seed)


def test_memory_is_what_acting_began_with_and_goes_on_over_the_border_of_rollouts():
    """Stepping through three rollouts as one, forgetting where an episode ended."""
    whole = torch.cat(rollouts(3))
    assert whole["memory"].shape == (48, 4, 8) and not whole["memory"][0].any()
    plain, memory = PARAMS.to_dict(), whole["memory"][0]
    for t in range(47):
        memory = AGENT.step(plain, memory, whole["observation"][t])
        memory = memory * ~whole["next", "done"][t][:, None]
        torch.testing.assert_close(whole["memory"][t + 1], memory, atol=1e-6, rtol=0)
    assert whole["memory"][16].any(-1).any()


def test_is_init_says_where_episodes_begin():
    whole = torch.cat(rollouts(3))
    assert whole["is_init"][0].all() and torch.equal(
        whole["is_init"][1:], whole["next", "done"][:-1]
    )
    assert whole["is_init"][1:].any() and not whole["memory"][whole["is_init"]].any()


def test_log_probs_are_those_of_unrolling_from_the_first_memory():
    for rollout in rollouts(2):
        log_probs = AGENT.outputs_and_values(PARAMS.to_dict(), rollout)[0].log_softmax(-1)
        expected = log_probs.gather(-1, rollout["action"][..., None]).squeeze(-1)
        torch.testing.assert_close(rollout["action_log_prob"], expected, atol=1e-5, rtol=0)


def test_policies_without_memory_record_none():
    recipe = ppo(ENV, replace(CONFIG, hidden=(8,)))
    params = recipe.init(0)
    _, rollout, _ = collect_of(recipe).step(params, collect_of(recipe).init(params, 0))
    assert {"memory", "is_init"}.isdisjoint(rollout.keys())


def test_the_value_of_what_was_reached_is_a_step_from_the_memory_before_its_reset():
    """In the middle of a rollout, where the next step has it too, at truncations and at the end."""
    rollout = rollouts(2)[1]
    plain = PARAMS.to_dict()
    value, next_value = AGENT.values(plain, rollout)
    going = ~rollout["next", "done"][:-1]
    torch.testing.assert_close(next_value[:-1][going], value[1:][going], atol=1e-5, rtol=0)
    assert rollout["next", "truncated"].any()
    for t, b in [*rollout["next", "truncated"].nonzero().tolist(), (15, 0)]:
        before = rollout["memory"][t, b][None]
        after = AGENT.step(plain, before, rollout["observation"][t, b][None])
        reached = AGENT.step(plain, after, rollout["next", "observation"][t, b][None])
        expected = AGENT.heads.critic(plain, reached)[0]
        torch.testing.assert_close(next_value[t, b], expected, atol=1e-5, rtol=0)


def test_sequences_begin_with_the_recorded_memory_and_are_whole():
    """Two minibatches of two environments each make a pass over all four."""
    pipe = collect_of(RECIPE) | RECIPE.prepare | sequences(num_epochs=1, num_minibatches=2)
    state = pipe.init(PARAMS, 3)
    for _ in range(2):  # the second rollout does not begin with nothing
        batches = []
        for _ in range(2):
            state, batch, _ = pipe.step(PARAMS, state)
            batches.append(batch)
    assert [batch.batch_size for batch in batches] == [(16, 2)] * 2
    joined, whole = torch.cat(batches, 1), rollouts(2, 3)[1]
    assert joined["memory"][0].any()
    for b in range(4):
        same = (joined["observation"] == whole["observation"][:, b : b + 1]).all(-1).all(0)
        assert same.sum() == 1
        assert torch.equal(joined["memory"][:, same.nonzero()[0, 0]], whole["memory"][:, b])


@pytest.mark.parametrize("cell", [gru, lstm])
@pytest.mark.parametrize("changes", [{}, {"clip_value": True, "standardize_rollout": True}])
def test_learning_from_sequences_in_one_step_is_learning_in_many(cell, changes, same):
    s = recurrent_ppo(ENV, replace(CONFIG, **changes), cell=cell)
    params, reports = train(fused(s), s.init(0))
    expected, their_reports = train(composed(s) | repeat(4), s.init(0))
    assert same(params, expected) and params["version"] == 12
    ours, theirs = reports[-1].means, their_reports[-1].means
    assert set(ours) == set(theirs)
    torch.testing.assert_close(ours["loss"].value, theirs["loss"].value)


def test_ratios_are_one_before_the_first_update():
    """Whatever the memory at t=0 and the resets between, as the params are those that collected."""
    pipe = collect_of(RECIPE) | RECIPE.prepare | batches_of(RECIPE) | gradients_of(RECIPE)
    state = pipe.init(PARAMS, 0)
    for _ in range(8):
        state, _, report = pipe.step(PARAMS, state)
        assert report.means["approx_kl"].value < 1e-8


def test_an_agent_whose_memory_is_of_no_use_learns_as_one_without(same):
    """A cell that replaces its memory by what it sees: the gradient is that of feed-forward PPO."""
    actor, critic = mlp(2, 8, 2), mlp(2, 8, 1)
    cell = gru(2, 2)._replace(
        init=lambda seed: mlp(1, 1).init(seed), project=lambda w, x: x, projected_size=2,
        advance=lambda w, memory, seen: seen + 0 * memory,
    )  # fmt: skip
    with_memory = recurrent_actor_critic(cell, actor, critic)
    config = replace(CONFIG, num_minibatches=1, num_epochs=1)
    results = []
    for agent in (with_memory, perceptrons(ENV, (8,))):
        s = ppo(ENV, config, agent=agent)
        params = with_memory.init(0)
        params = s.init(0).update({"weights": params})
        learnt, _ = train(fused(s), params, 1)
        results.append(learnt["weights"].select("actor", "critic"))
    for name in ("actor", "critic"):
        for layer in ("0", "1"):
            torch.testing.assert_close(
                results[0][name, layer, "weight"],
                results[1][name, layer, "weight"],
                atol=1e-6,
                rtol=0,
            )


RECIPES = [(ppo, CONFIG), (impala, Impala()), (a2c, A2C()), (vpg, None)]


@pytest.mark.parametrize(("recipe", "config"), RECIPES)
@pytest.mark.parametrize("name", SCHEMES)
def test_recipes_take_an_agent_that_remembers_in_every_scheme(name, recipe, config):
    s = recipe(ENV, *filter(None, [config]), agent=recurrent_perceptrons(ENV, hidden=(8, 8)))
    if name not in s.compatible.scheme:
        with pytest.raises(ValueError, match="does not go with the scheme"):
            scheme(name, s)
        return
    params, reports = train(scheme(name, s), s.init(0), 2)
    assert torch.isfinite(reports[-1].means["loss"].value) and params["version"] >= 2


def updated(name, num_updates=8, **options):
    pipe = scheme(name, RECIPE, **scheme_arguments(name, **options))
    return train_until(pipe, RECIPE.init(0), num_updates)[0]


@pytest.mark.parametrize("name", ["2dacs", "2daca", "3ds", "da2cs"])
def test_one_worker_that_remembers_equals_none(name, same):
    assert same(updated(name, learners=1, collectors=1), updated("3cs"))


def test_a_decentralised_update_of_sequences_is_a_central_one(same):
    assert same(updated("3ds"), updated("2dacs"))


@pytest.mark.faults
def test_on_ray_memory_is_where_its_worker_is(same, on_ray):
    """To the last bit, as on serial."""
    pipe, params = scheme("2dacs", RECIPE, on=on_ray(num_cpus=0.1)), RECIPE.init(0)
    state = pipe.init(params, 1)
    while params["version"] < 5:
        state, params, _ = pipe.step(params, state)
    for cut in state.values():
        if hasattr(cut, "stop"):
            cut.stop()
    assert same(params, updated("2dacs", 5))


def test_what_is_masked_is_no_part_of_a_loss():
    """Of two workers one is preempted at 8 of 16 steps: what is there afterwards does not matter."""
    pipe = collect_of(RECIPE) | workers(2, wait_for=1, preempt=0.5) | RECIPE.prepare
    _, rollout, _ = pipe.step(PARAMS, pipe.init(PARAMS, 1))
    assert rollout["mask"].sum(0).tolist() == [16] * 4 + [8] * 4
    other = rollout.clone()
    for key in ("observation", "advantage", "value_target", "action_log_prob"):
        other[key][8:, 4:] += 1

    results = []
    for batch in (rollout, other):
        given = Pipeline(lambda params, seed: {}, lambda p, s, batch=batch: (s, batch, Report()))
        _, grads, report = (given | gradients_of(RECIPE)).step(PARAMS, {})
        results.append(grads)
        assert grads["samples"] == 16 * 4 + 8 * 4 == report.means["loss"].weight
    assert torch.equal(results[0]["weights"], results[1]["weights"])


@pytest.mark.parametrize(("num_masked", "sizes"), [(0, [2, 2]), (1, [2, 1]), (3, [1, 1])])
def test_sequences_that_are_masked_throughout_are_in_no_minibatch(num_masked, sizes):
    """Of 4 environments the first gave nothing finite: a loss of their steps alone would be 0 / 0."""
    mask = torch.ones(16, 4, dtype=torch.bool)
    mask[:, :num_masked], mask[5:, 3] = False, False
    columns = {"column": torch.arange(4).expand(16, 4), "mask": mask, "next": {}}
    rollout = TensorDict(columns, batch_size=(16, 4))
    source = Pipeline(lambda params, seed: {}, lambda params, state: (state, rollout, Report()))
    pipe = source | sequences(num_epochs=1, num_minibatches=2)
    parts = items_of(pipe, PARAMS, 2)
    assert [part.batch_size for part in parts] == [(16, size) for size in sizes]
    assert set(torch.cat(parts, 1)["column"][0].tolist()) == set(range(num_masked, 4))


def test_a_rollout_that_is_masked_throughout_is_refused():
    mask = torch.zeros(16, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="0 of a rollout's 64 transitions are not masked, too few"):
        sequence_sizes(TensorDict(mask=mask, batch_size=(16, 4)), 2)


def test_evaluation_forgets_between_episodes():
    """With one environment, the second episode is what it is with a fresh memory."""
    env = envs.masked_cartpole(1, 13)
    seen = []

    def act(params, observation, memory, rng):
        seen.append(memory.clone())
        return RECIPE.greedy.act(params, observation, memory, rng)

    evaluation = evaluate(env, RECIPE.greedy._replace(act=act), PARAMS, num_episodes=3)
    starts = [0, *evaluation.lengths.long().cumsum(0)[:-1].tolist()]
    fresh = [t for t, memory in enumerate(seen) if not memory.any()]
    assert fresh == starts


def test_what_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="3 minibatches of whole sequences do not divide 4 env"):
        recurrent_ppo(ENV, replace(CONFIG, num_minibatches=3))
    with pytest.raises(
        ValueError, match="hidden needs at least two sizes, of a layer and of the cell, not"
    ):
        recurrent_ppo(ENV, replace(CONFIG, hidden=(8,)))
    with pytest.raises(ValueError, match=r"agent is an actor and a critic .*, not a Network"):
        ppo(ENV, CONFIG, agent=mlp(2, 2))


def test_the_parts_compose_as_without_memory():
    """``gae`` and a loss are the same functions."""
    s = RECIPE
    pipe = collect_of(s) | gae(AGENT) | sequences(1, 2) | gradients_of(s) | update(optim.sgd())
    assert repr(pipe) == (
        "collect(num_steps=16) | gae(lambda_=0.95) | sequences(num_epochs=1, num_minibatches=2) "
        "| gradients | update"
    )

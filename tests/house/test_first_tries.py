"""What people write at first: it is understood, or a sentence says what would be right."""

import pytest
import torch

from nappo2 import (
    PPO,
    SAC,
    Learner,
    all_minibatches,
    collect,
    envs,
    evaluate,
    first,
    gae,
    gradients,
    learn,
    losses,
    map_items,
    minibatches,
    on_ray,
    optim,
    ppo,
    sac,
    scheme,
    serial,
    standardized,
    update,
    video,
)
from nappo2.networks import actor_critic, gru, lstm, mlp
from nappo2.stages.recipe import collect_of

ENV = envs.cartpole(2)
CONFIG = PPO(num_steps=8, num_epochs=1, num_minibatches=2, hidden=(8,))
RECIPE = ppo(ENV, CONFIG)
PARAMS = RECIPE.init(0)
LOSS = RECIPE.loss
AGENT = actor_critic(mlp(4, 2), mlp(4, 1))
PREPARED = collect_of(RECIPE) | RECIPE.prepare | minibatches(1, 1)


@pytest.mark.parametrize("env_id", ["torch/CartPole-v1", "CartPole-v1"])
def test_a_recipe_takes_an_id_for_as_many_environments_as_its_preset_has(env_id):
    """8 for PPO, and as a keyword too."""
    for recipe in (ppo(env_id), ppo(env=env_id)):
        assert collect_of(recipe).stages[0].arguments["env"].num_envs == 8


def test_an_id_is_one_environment_elsewhere(same):
    params = RECIPE.init(1)
    by_id = evaluate("torch/CartPole-v1", RECIPE.greedy, params, 2)
    by_env = evaluate(envs.make("torch/CartPole-v1"), RECIPE.greedy, params, 2)
    assert by_id.returns.tolist() == by_env.returns.tolist()


def test_workers_are_where_a_word_says():
    def backend(on):
        return scheme("2dacs", RECIPE, on=on).stages[-2].arguments["on"]

    assert backend("serial") is serial and not backend("serial").remote
    assert backend("ray")._fields == on_ray()._fields and backend("ray").remote
    with pytest.raises(ValueError, match="on is serial or ray, not 'rey'"):
        backend("rey")


def test_a_learner_stands_for_its_params():
    learner = Learner(scheme("3cs", RECIPE), PARAMS, target_steps=16, progress=False).run()
    ours, theirs = (evaluate(ENV, RECIPE.greedy, p, 2).returns for p in (learner, learner.params))
    assert ours.tolist() == theirs.tolist()
    assert video(ENV, RECIPE.greedy, learner, 2).num_frames == 3


@pytest.mark.parametrize("other", [envs.pendulum(2), envs.acrobot(2), envs.catch(2)])
@pytest.mark.parametrize("act", [evaluate, video, None])
def test_params_of_another_environment_are_refused_with_its_name(other, act):
    def try_it():
        if act:
            return act(other, RECIPE.greedy, PARAMS)
        return first(collect(other, RECIPE.policy, 4), PARAMS)

    with pytest.raises(ValueError, match=f"with these params the policy .* of {other.name}"):
        try_it()


def test_actions_of_another_kind_are_refused():
    """Params of three observations, and an environment that takes one number for an action."""
    env = envs.pendulum(2)
    policy = ppo(envs.cartpole(2), CONFIG, agent=actor_critic(mlp(4, 2), mlp(4, 1))).greedy
    seen = envs.Env(
        **{**env._asdict(), "reset": lambda seed: (env.reset(seed)[0], torch.zeros(2, 4))}
    )
    with pytest.raises(
        ValueError, match=r"gives integers of shape \(2,\) for actions; 2 of pendulum"
    ):
        evaluate(seen, policy, PARAMS_OF_AGENT)


PARAMS_OF_AGENT = ppo(ENV, CONFIG, agent=AGENT).init(0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            lambda: collect | update,
            "update stands beside | and was not called|collect stands beside",
        ),
        (
            lambda: collect_of(RECIPE) | update,
            r"update stands beside .* update\(optimizer\) is a stage",
        ),
        (lambda: gae(AGENT) | collect, "collect stands beside"),
        (lambda: gae(AGENT) | collect_of(RECIPE), "a pipeline begins a line"),
        (lambda: map_items(print) | 3, "stands a transform, as gae"),
        (lambda: collect_of(RECIPE) | collect_of(RECIPE), "a pipeline begins a line"),
        (lambda: collect_of(RECIPE) | 3, "behind | stands a transform"),
        (lambda: (lambda source: source) | collect_of(RECIPE), "a pipeline begins a line"),
        (lambda: ppo(ENV, SAC()), r"config is a PPO, as PPO\(...\) makes one, not a SAC"),
        (lambda: sac(ENV, SAC), r"config is a SAC, as SAC\(...\) makes one, not the class SAC"),
        (lambda: scheme("3cs", ppo), "recipe is a recipe, .*, not the function ppo"),
        (lambda: scheme("2dcas", RECIPE), "there are 3cs, .*; did you mean '2dacs'?"),
        (lambda: gradients(losses.ppo), "loss is a function of 2 arguments, not the function ppo"),
        (lambda: learn(LOSS, optim.adam), "optimizer is a .*, not the function adam"),
        (lambda: PPO(hidden=[64, "x"]), r"hidden\[1\] is an integer of at least 1, not 'x'"),
        (lambda: optim.chain(optim.adam(), 3), r"transformations\[1\] is a Grad.*, not 3"),
    ],
)
def test_what_is_put_together_wrongly_is_told_in_a_sentence(line, message):
    with pytest.raises(ValueError, match=message):
        line()


def test_transforms_compose_by_themselves():
    line = gae(AGENT) | standardized() | map_items(lambda params, item: item, "last")
    assert repr(line) == "gae(lambda_=0.95) | standardized | last"
    names = [stage.name for stage in (collect_of(RECIPE) | line).stages]
    assert names == ["collect", "gae", "standardized", "last"]


def test_lists_are_taken_for_tuples_and_functions_for_what_they_make():
    assert PPO(hidden=[64, 32]) == PPO(hidden=(64, 32))
    assert {make(2, 3).size for make in (gru, lstm)} == {3}


@pytest.mark.parametrize(
    ("transform", "key", "adds"),
    [
        (update(optim.adam()), "weights", r"gradients\(loss\)"),
        (minibatches(1, 1) | gradients(LOSS), "advantage", r"gae\(agent\) or vtrace"),
        (all_minibatches(1, 1) | learn(LOSS, optim.adam()), "advantage", r"gae\(agent\) or vtrace"),
        (map_items(lambda params, item: item["prize"], "win"), "prize", ""),
    ],
)
def test_a_key_that_a_stage_reads_and_nobody_adds_is_named(transform, key, adds):
    with pytest.raises(ValueError, match=f"the stage [a-z]* reads '{key}', which .*{adds}"):
        first(collect_of(RECIPE) | transform, PARAMS)


def test_a_key_that_an_environment_lacks_is_its_own_error():
    def step(state, action):
        raise KeyError("door")

    with pytest.raises(KeyError, match="door"):
        first(collect(ENV._replace(step=step), RECIPE.policy, 4) | RECIPE.prepare, PARAMS)


def giving(means):
    """The loss, with other means."""
    return lambda params, batch: (LOSS(params, batch)[0], means)


@pytest.mark.parametrize(
    "stage", [gradients, lambda loss: all_minibatches(1, 1) | learn(loss, optim.adam())]
)
@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda params, batch: LOSS(params, batch)[0],
            r"means by name\), not a Tensor of shape \(\)",
        ),
        (giving(None), r"not \(a Tensor of shape \(\), None\)"),
        (giving({"a": "x"}), "the mean 'a' of a loss is one number, not 'x'"),
        (giving({"a": torch.zeros(3)}), r"the mean 'a' .* not a Tensor of shape \(3,\)"),
        (giving({3: torch.zeros(())}), "the means of a loss have texts for names, not 3"),
    ],
)
def test_what_a_loss_gives_wrongly_is_told_in_a_sentence(stage, loss, message):
    source = collect_of(RECIPE) | RECIPE.prepare if stage is not gradients else PREPARED
    with pytest.raises(ValueError, match=message):
        first(source | stage(loss), PARAMS)


@pytest.mark.parametrize("mean", [2, 2.0, torch.tensor(2), torch.tensor([2.0])])
def test_means_of_a_loss_are_numbers_of_any_kind(mean):
    assert (
        float(first(PREPARED | gradients(giving({"a": mean})), PARAMS).report.means["a"].value) == 2
    )

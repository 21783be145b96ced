"""Everything that fits together runs; the rest says why not, in the sentence of the table."""

from functools import partial

import pytest
import torch
from tensordict import TensorDict

from nappo2 import (
    PPO,
    actor_critic,
    envs,
    losses,
    make_params,
    minibatches,
    mlp,
    optim,
    ppo,
    replay,
    scheme,
    vpg,
)
from nappo2.recipes import FOR_RECORDED, PRESETS, RECIPES
from nappo2.recipes.table import TABLE
from nappo2.schemes import SCHEMES
from nappo2.show import configs
from nappo2.stages.recipe import Recipe, batches_of
from tests.makers.recipes import quick
from tests.makers.stepping import train_until

ENVS = {"discrete": partial(envs.cartpole, 4), "continuous": partial(envs.pendulum, 4)}


def some_updates(pipe, recipe):
    params, reports = train_until(pipe, recipe.init(0), 4, seed=0)
    return params, reports[-1]


def test_each_recipe_has_a_row_and_a_preset():
    assert set(TABLE) == set(RECIPES) == set(PRESETS)


def test_tables_of_hyper_parameters_explain_all_of_them():
    """Those that a configuration inherits among them; and other recipes of the family refuse them."""
    makers = [*RECIPES.values(), *FOR_RECORDED.values()]
    defaults = [maker.presets["default"].config for maker in makers]
    unexplained = {
        (type(config).__name__, name)
        for config in defaults
        for name, _, _, meaning in configs.rows(config)
        if not meaning
    }
    assert not unexplained
    with pytest.raises(ValueError, match=r"config is an? SAC"):
        RECIPES["sac"](envs.pendulum(2), PRESETS["tqc"]["default"].config)


@pytest.mark.parametrize("actions", ENVS)
@pytest.mark.parametrize("scheme_name", SCHEMES)
@pytest.mark.parametrize("name", RECIPES)
def test_what_fits_runs_and_the_rest_says_why_not(name, scheme_name, actions):
    """Four updates of each recipe in each scheme, with either kind of actions."""
    env, fit = ENVS[actions](), TABLE[name]
    if actions not in (fit.actions or ENVS):
        with pytest.raises(ValueError, match=f"{name} does not go with {actions} actions"):
            RECIPES[name](env, quick(name))
        return
    recipe = RECIPES[name](env, quick(name))
    if scheme_name not in fit.scheme:
        with pytest.raises(ValueError, match=f"{name} does not go with the scheme {scheme_name}"):
            scheme(scheme_name, recipe)
        return
    params, report = some_updates(scheme(scheme_name, recipe), recipe)
    assert torch.isfinite(report.means["loss"].value)
    assert all(x.isfinite().all() for x in params["weights"].values(True, True))


def test_the_sentence_names_both_sides_and_what_would_fit():
    with pytest.raises(ValueError) as raised:
        scheme("da2cs", vpg(envs.cartpole(2)))
    assert str(raised.value) == (
        "vpg does not go with the scheme da2cs, as it has no importance ratios, which rollouts of "
        "older params need; fitting scheme: 3cs, 3ds, 2dacs, 2daca, ds2cs, ds2ds, dsdacs, dsdaca"
    )


def test_a_storage_that_does_not_fit_is_refused():
    recipe = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=2))
    with pytest.raises(ValueError, match="ppo does not go with the storage replay, as its advan"):
        recipe.replace(batches=replay(100, 8))


def test_a_storage_that_a_recipe_is_given_is_refused_too():
    """By ``replay``, what keeps nothing."""
    with pytest.raises(ValueError, match="dqn does not go with the storage minibatches, as it le"):
        RECIPES["dqn"](envs.cartpole(2), replay=lambda *counts, **ratios: minibatches(1, 1))


def test_observations_that_do_not_fit_are_refused():
    """Exploration that depends on features is of those of perceptrons."""
    with pytest.raises(ValueError, match="ppo_gsde does not go with observations of images"):
        RECIPES["ppo_gsde"](envs.make("CarRacing-v3", 1))


# --- each piece can be another, and the rest stays as it is

CONFIG = PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8,))
ENV = envs.cartpole(4)


def learnt(recipe, name="3cs"):
    params, report = some_updates(scheme(name, recipe), recipe)
    assert torch.isfinite(report.means["loss"].value)
    return params


def test_the_same_pieces_make_the_same_stages(same):
    recipe = ppo(ENV, CONFIG)
    again = recipe.replace(loss=recipe.loss, batches=batches_of(recipe))
    assert same(learnt(recipe), learnt(again))


def test_a_loss_of_ones_own():
    """The surrogate with twice its entropy's gradient: only weights of the actor differ."""
    recipe = ppo(ENV, CONFIG)
    theirs = recipe.loss

    def loss(params, batch):
        value, means = theirs(params, batch)
        return value - 0.5 * means["entropy"], means

    before, after = learnt(recipe)["weights"], learnt(recipe.replace(loss=loss))["weights"]
    assert not torch.equal(before["actor", "0", "weight"], after["actor", "0", "weight"])


def test_an_optimiser_of_ones_own():
    """One that does nothing leaves the weights as they were."""
    still = optim.GradientTransformation(
        lambda vector: (), lambda grads, state, hyper, weights: (torch.zeros_like(grads), state)
    )
    recipe = ppo(ENV, CONFIG).replace(optimizer=still)
    assert torch.equal(
        learnt(recipe)["weights", "critic", "0", "weight"],
        recipe.init(0)["weights", "critic", "0", "weight"],
    )


def test_a_storage_of_ones_own():
    """Whole rollouts instead of minibatches: an update per rollout."""

    recipe = ppo(ENV, CONFIG).replace(batches=minibatches(1, 1))
    pipe, params = scheme("3cs", recipe), recipe.init(0)
    _, params, _ = pipe.step(params, pipe.init(params, 0))
    assert params["version"] == 1


def test_a_network_of_ones_own():
    linear = actor_critic(mlp(4, 2), mlp(4, 1))
    assert set(learnt(ppo(ENV, CONFIG, agent=linear))["weights", "actor"].keys()) == {"0"}


def test_a_distribution_of_ones_own():
    """Actions that are drawn of tempered logits, in every place where one is drawn or scored."""
    from nappo2 import distributions

    plain = distributions.categorical()

    def cooler(fn):
        return lambda logits, *rest: fn(4 * logits, *rest)

    dist = plain._replace(
        sample=cooler(plain.sample), log_prob=cooler(plain.log_prob), entropy=cooler(plain.entropy)
    )
    learnt(ppo(ENV, CONFIG, dist=dist))


def test_an_environment_of_ones_own():
    """Two numbers that an action adds to; whoever keeps adding ends."""
    from gymnasium.spaces import Box, Discrete

    def reset(seed):
        return torch.zeros(4, 2), torch.zeros(4, 2)

    def step(state, action):
        reached = state + torch.nn.functional.one_hot(action, 2)
        over = reached.sum(-1) > 5
        following = reached * ~over[:, None]
        never = torch.zeros(4, dtype=torch.bool)
        return following, following, envs.Transition(reached, reached[:, 0], over, never)

    env = envs.Env(reset, step, Box(0, 6, (2,)), Discrete(2), 4, "adding")
    learnt(ppo(env, CONFIG))


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_of_ones_own_is_another_cut(name):
    """Whatever the recipe's pieces are, each scheme takes them."""
    learnt(ppo(ENV, CONFIG).replace(optimizer=optim.sgd()), name)


def test_a_recipe_of_ones_own_goes_with_anything():
    def mine(env):
        agent = actor_critic(mlp(4, 8, 2), mlp(4, 1))
        from nappo2 import distributions, gae, greedy, stochastic

        dist = distributions.categorical()
        loss = losses.a2c(agent, dist)
        policy = stochastic(agent.actor, dist)
        return Recipe(
            init=lambda seed: make_params(
                agent.init(seed), gamma=0.9, entropy_coef=0.0, learning_rate=0.1
            ),
            name="mine",
            env=env,
            policy=policy,
            greedy=greedy(agent.actor, dist),
            num_steps=8,
            prepare=gae(agent),
            batches=minibatches(1, 1),
            loss=loss,
            optimizer=optim.sgd(),
        )

    for name in SCHEMES:
        learnt(mine(ENV), name)
    with pytest.raises(ValueError, match=r"mine has no piece that is called 'lost'; .* loss"):
        mine(ENV).replace(lost=None)


def test_what_depends_on_others_is_no_piece():
    with pytest.raises(ValueError, match="ppo has no piece that is called 'agent'; there are "):
        ppo(ENV, CONFIG).replace(agent=TensorDict())


def test_presets_that_are_rl_zoo3s_weigh_the_value_as_it_does():
    """Its ``vf_coef`` is 0.5 of a squared error, 0.4 for A2C's robots; ours 1 and 0.8 of half of it."""
    chosen = [
        its for known in PRESETS.values() for its in known.values() if "rl-zoo3" in its.source
    ]
    weights = [its.config.value_coef for its in chosen if hasattr(its.config, "value_coef")]
    assert len(weights) == 12 and set(weights) == {1.0, 0.8}

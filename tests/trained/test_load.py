"""What a run card knows, and what it cannot know."""

import json

import gymnasium
import pytest

from nappo2 import PPO, Learner, env_again, envs, load, load_run, optim, population, ppo, scheme
from nappo2.networks import actor_critic, mlp

SMALL = PPO(num_steps=8, num_minibatches=2, num_epochs=1, hidden=(8,))


def run_in(folder, env, seed=0, name="3cs", change=lambda recipe: recipe, **pieces):
    """A run of a rollout, in a folder."""
    recipe = change(ppo(env, SMALL, **pieces))
    run = Learner(scheme(name, recipe), recipe.init(0), seed, 16, folder, progress=False).run()
    run.close()
    return recipe


def card_in(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_card_says_what_a_run_was_made_of(tmp_path):
    run_in(tmp_path, envs.make("CartPole-v1", 2, max_episode_steps=9), 7, "2dacs")
    card = card_in(tmp_path)
    assert (card["algorithm"], card["env"], card["scheme"]) == ("ppo", "CartPole-v1", "2dacs")
    assert card["config"]["num_steps"] == 8 and card["config"]["hidden"] == [8]
    assert card["environment"]["arguments"]["max_episode_steps"] == 9
    assert (card["seed"], card["num_envs"], card["total_steps"]) == (7, 2, 16)
    assert {"python", "torch", "nappo2", "gymnasium"} <= set(card["versions"])
    assert card["machine"]["cores"] >= 1 and card["command"] and card["begun"][:2] == "20"
    assert card["observation_space"]["low"][1] == "-inf"


ENVIRONMENTS = {
    "gymnasium": lambda: envs.make("CartPole-v1", 2, max_episode_steps=9),
    "torch": lambda: envs.cartpole(2, time_limit=9),
    "by id": lambda: envs.make("torch/Pendulum-v1", 2, time_limit=9),
    "in part": lambda: envs.observing(envs.cartpole(2, time_limit=9), (0, 2)),
    "frames": lambda: envs.make("Pendulum-v1", 2, frame_stack=3, max_episode_steps=9),
    "images": lambda: envs.catch(2, rows=8),
    "bullet": lambda: envs.make("InvertedPendulumBulletEnv-v0", 2),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_is_made_again_with_its_arguments(name, tmp_path):
    env = ENVIRONMENTS[name]()
    run_in(tmp_path, env)
    again = env_again(load_run(tmp_path).description, 3)
    assert again.num_envs == 3 and again.name == env.name
    assert again.observation_space == env.observation_space
    assert again.action_space == env.action_space
    if name in ("torch", "by id"):
        assert again.physics.time_limit == 9


def test_a_monitored_environment_is_made_again_without_its_files(tmp_path):
    run_in(tmp_path, envs.make("torch/CartPole-v1", 2, monitor=tmp_path / "files"))
    env = env_again(load_run(tmp_path).description, 1)
    assert env.name == "cartpole" and "files" not in str(env.made.arguments)


def test_a_function_is_called_by_nobody_but_its_author(tmp_path):
    """The agent acts all the same, as the card has the spaces."""
    run_in(tmp_path, envs.make(lambda: gymnasium.make("CartPole-v1"), 2))
    card = card_in(tmp_path)
    assert "test_load" in card["environment"]["arguments"]["env_id"]["function"]
    assert load(tmp_path).act([0.0, 0.0, 0.0, 0.0]) in (0, 1)
    with pytest.raises(
        ValueError, match=r"made by the function .*lambda.*: give the environment, as --env"
    ):
        env_again(card)


def test_an_environment_that_somebody_changed_is_not_made_without_the_change(tmp_path):
    env = envs.cartpole(2)
    run_in(tmp_path, env._replace(step=lambda state, action: env.step(state, action)))
    with pytest.raises(ValueError, match="another step"):
        env_again(card_in(tmp_path))


OWN = {
    "agent": {"agent": actor_critic(mlp(4, 8, 2), mlp(4, 8, 1))},
    "greedy": {"change": lambda recipe: recipe.replace(greedy=recipe.policy)},
}


@pytest.mark.parametrize("name", OWN)
def test_pieces_of_which_an_agent_is_made_have_to_be_given_again(name, tmp_path):
    recipe = run_in(tmp_path, envs.cartpole(2), **OWN[name])
    with pytest.raises(ValueError, match=rf"was given {name} of its own; load\(.*recipe=...\)"):
        load(tmp_path)
    assert load(tmp_path, recipe=recipe).act([0.0] * 4) in (0, 1)


def test_a_piece_that_only_learns_does_not_matter_to_an_agent(tmp_path):
    run_in(tmp_path, envs.cartpole(2), change=lambda r: r.replace(optimizer=optim.sgd()))
    assert card_in(tmp_path)["recipe"]["replaced"] == ["optimizer"]
    assert load(tmp_path).act([0.0] * 4) in (0, 1)


def test_other_params_are_refused_by_their_shapes(tmp_path):
    run_in(tmp_path, envs.cartpole(2))
    other = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=2, hidden=(16,)))
    with pytest.raises(ValueError, match="it has other params"):
        load(tmp_path, recipe=other)


def test_a_member_of_a_population_is_an_agent(tmp_path):
    many = population(ppo(envs.cartpole(2), SMALL), 3, gamma=[0.9, 0.95, 0.99])
    Learner(scheme("3cs", many), many.init(0), 0, 48, tmp_path, progress=False).run().close()
    assert card_in(tmp_path)["population"]["hyper"] == {"gamma": [0.9, 0.95, 0.99]}
    assert load(tmp_path, member=1).params["hyper", "gamma"] == pytest.approx(0.95)
    for wrong in (None, 3):
        with pytest.raises(ValueError, match="this is a population: member is one of 0 to 2"):
            load(tmp_path, member=wrong)


def test_what_is_no_run_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="there is no run"):
        load(tmp_path)
    run_in(tmp_path, envs.cartpole(2))
    assert load(tmp_path / "params.npz").act([0.0] * 4) in (0, 1)
    with pytest.raises(ValueError, match="no population, and has no member 0"):
        load(tmp_path, member=0)
    (tmp_path / "run.json").unlink()
    with pytest.raises(ValueError, match=r"has no run.json, .* load\(.*recipe=...\) takes it"):
        load(tmp_path)


def test_a_card_follows_the_pipeline(tmp_path):
    recipe = ppo(envs.cartpole(2), SMALL)
    run = Learner(scheme("3cs", recipe), recipe.init(0), log_dir=tmp_path, progress=False)
    run.step()
    assert card_in(tmp_path)["scheme"] == "3cs"
    run.adopt(scheme("da2cs", recipe, collectors=3))
    assert (card_in(tmp_path)["scheme"], card_in(tmp_path)["collectors"]) == ("da2cs", 3)
    run.close()

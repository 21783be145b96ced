"""Atari's games, against Gymnasium's preprocessing, and what is counted of them."""

import sys

import gymnasium
import numpy as np
import pytest
import torch

from nappo2 import PPO, SAC, Learner, collect, envs, evaluate, ppo, sac, scheme
from nappo2.envs._atari import game_of
from nappo2.recipes import preset_for
from nappo2.stages.recipe import collect_of

NOOP = torch.zeros(1, dtype=torch.int64)


def play(env, num_steps, action=NOOP):
    """The outcomes of some steps of the same action."""
    state, _ = env.reset(0)
    outcomes = []
    for _ in range(num_steps):
        state, _, outcome = env.step(state, action.expand(env.num_envs))
        outcomes.append(outcome)
    return outcomes


@pytest.mark.parametrize("env_id", ["PongNoFrameskip-v4", "MsPacmanNoFrameskip-v4"])
def test_frames_are_those_of_gymnasiums_preprocessing(env_id):
    """Byte by byte, with rewards and ends; its starts and its buttons are its own, so without."""
    import ale_py

    gymnasium.register_envs(ale_py)
    env = envs.make(env_id, noop_max=0, fire=False)
    theirs = gymnasium.wrappers.AtariPreprocessing(gymnasium.make(env_id), noop_max=0)
    state, observation = env.reset(0)
    frame, _ = theirs.reset(seed=0)
    seen, rng = [np.zeros((84, 84), np.uint8)] * 3 + [frame], np.random.default_rng(0)
    for _ in range(150):
        np.testing.assert_array_equal(observation[0], np.stack(seen[-4:]))
        action = int(rng.integers(env.action_space.n))
        state, observation, outcome = env.step(state, torch.tensor([action]))
        frame, reward, *ends, _ = theirs.step(action)
        assert outcome.game.reward == reward and outcome.game.over == any(ends)
        seen.append(frame)


def test_a_lost_life_ends_an_episode_but_not_the_game():
    """Who does nothing in Breakout loses five balls, served by the environment; then it is over."""
    env = envs.make("BreakoutNoFrameskip-v4")
    outcomes = play(env, 300)
    over = [t for t, x in enumerate(outcomes) if x.game.over]
    ends = [t for t, x in enumerate(outcomes) if x.terminated]
    assert len(over) >= 2 and len([t for t in ends if t <= over[0]]) == 5
    assert set(over) <= set(ends) and not any(x.truncated for x in outcomes)


def test_where_nobody_presses_fire_nothing_happens():
    outcomes = play(envs.make("BreakoutNoFrameskip-v4", fire=False), 100)
    assert not any(x.terminated or x.game.over for x in outcomes)


def test_what_a_game_ends_with_is_seen_before_its_reset():
    """A new one begins in black: three of its four frames are."""
    env = envs.make("BreakoutNoFrameskip-v4")
    state, first = env.reset(0)
    assert not first[0, :3].any() and first[0, 3].any()
    over = False
    while not over:
        before = first.clone()
        state, following, outcome = env.step(state, NOOP)
        assert torch.equal(first, before)  # no array is used again
        over, first = bool(outcome.game.over), following
    assert outcome.observation[0, :3].any() and not following[0, :3].any()


def test_rewards_are_signs_and_what_is_counted_is_not_clipped():
    """A dot is worth 10 to Ms Pac-Man."""
    outcomes = play(envs.make("MsPacmanNoFrameskip-v4", 2), 100, torch.tensor([3]))
    points = torch.stack([x.game.reward for x in outcomes])
    rewards = torch.stack([x.reward for x in outcomes])
    assert (points >= 10).sum() > 5 and torch.equal(rewards, points.sign())


def test_games_of_different_seeds_begin_differently():
    env = envs.make("PongNoFrameskip-v4", 4)
    _, a = env.reset(1)
    _, b = env.reset(1)
    assert torch.equal(a, b) and len({x.numpy().tobytes() for x in a}) > 1


def test_returns_are_reported_of_whole_games():
    """Who does nothing in Pong loses by 21 points; in Breakout five balls are one game."""
    for env_id, points, steps in (("Pong", -21, 1000), ("Breakout", 0, 300)):
        env = envs.make(f"{env_id}NoFrameskip-v4")
        recipe = ppo(env, PPO(hidden=(8,), num_steps=steps, num_minibatches=1, normalize=False))
        still = recipe.policy._replace(act=lambda params, x, memory, rng: (NOOP, memory))
        pipe, params = collect(env, still, steps), recipe.init(0)
        _, rollout, report = pipe.step(params, pipe.init(params, 0))
        found = report.episodes
        assert len(found["return"]) >= 1 and (found["return"] == points).all()
        ends = rollout["next", "done"].nonzero()[:, 0]
        lives = {"Pong": 1, "Breakout": 5}[env_id]
        assert found["length"][0] == ends[lives - 1] + 1
        assert not {"raw_reward", "game_over"} & set(rollout["next"].keys())
        assert set(rollout["next", "reward"].unique().tolist()) <= {-1, 0, 1}
    assert evaluate(env, still, params, 1).returns.tolist() == [0]


def test_a_rollout_of_pong_has_the_shapes_and_the_bytes_that_were_expected():
    """16 steps of 2 games: twice 28,224 bytes of images each, and less than 100 of all else."""
    env = envs.make("PongNoFrameskip-v4", 2)
    recipe = ppo(env, PPO(hidden=(16,), num_steps=16, num_minibatches=4, num_epochs=1))
    params = recipe.init(0)
    _, rollout, report = collect_of(recipe).step(params, collect_of(recipe).init(params, 0))
    assert rollout.batch_size == (16, 2) and report.sums["env_steps"] == 32
    for key in ("observation", ("next", "observation")):
        assert rollout[key].shape == (16, 2, 4, 84, 84) and rollout[key].dtype == torch.uint8
    rest = rollout.bytes() - 2 * 32 * 4 * 84 * 84
    assert 0 < rest <= 100 * 32
    learner = Learner(scheme("3cs", recipe), params, target_steps=64)
    rows = list(learner)
    assert learner.env_steps == 64 and rows[-1]["updates"] == 8
    assert all(np.isfinite(row["loss"]) for row in rows)


def test_presets_of_atari_see_with_mnihs_network():
    """1,684,128 weights up to the heads, of six actions and a value."""
    config = preset_for("ppo", "PongNoFrameskip-v4").config
    assert config == preset_for("ppo", "ALE/Pong-v5").config and config.clip_eps == 0.1
    params = ppo(envs.make("PongNoFrameskip-v4", 8), config).init(0)
    assert sum(x.numel() for x in params["weights"].values(True, True)) == 1_684_128 + 513 * 7


def test_sac_plays_atari():
    env = envs.make("MsPacmanNoFrameskip-v4")
    config = SAC(hidden=(16,), num_steps=4, capacity=64, batch_size=4, start_steps=8)
    recipe = sac(env, config)
    learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=16)
    for row in learner:
        pass
    assert learner.env_steps >= 16 and np.isfinite(row["critic_loss"])


@pytest.mark.parametrize(
    ("env_id", "game"),
    [
        ("ALE/UpNDown-v5", ("up_n_down", 0.25)),
        ("UpNDownNoFrameskip-v0", ("up_n_down", 0.25)),
        ("MsPacmanNoFrameskip-v4", ("ms_pacman", 0.0)),
        ("ALE/TicTacToe3D-v5", ("tic_tac_toe_3d", 0.25)),
    ],
)
def test_a_game_and_how_sticky_its_actions_are_follow_from_its_id(env_id, game):
    assert game_of(env_id) == game


def test_a_game_that_there_is_not_is_a_value_error(monkeypatch):
    with pytest.raises(ValueError, match=r"ale-py has no game 'Nope' .*; it has .*pong"):
        envs.make("ALE/Nope-v5")
    with pytest.raises(ValueError, match="PongNoFrameskip-v4, not 'Pong'"):
        envs.atari("Pong")
    with pytest.raises(ValueError, match="has frames of its own"):
        envs.make("ALE/Pong-v5", frame_stack=2)
    monkeypatch.setitem(sys.modules, "ale_py.roms", None)
    with pytest.raises(ValueError, match=r"GPL and not installed: pip install 'ale-py"):
        envs.make("ALE/Pong-v5")


@pytest.mark.parametrize(("processes", "others"), [(0, 2), (2, 0)])
def test_games_go_on_where_they_were_saved(processes, others):
    """Also where another number of processes saved them, actions are sticky, and some have ended."""
    rng = torch.Generator().manual_seed(0)
    actions = torch.randint(0, 4, (400, 3), generator=rng)
    env, other = (envs.make("ALE/Breakout-v5", 3, processes=x) for x in (processes, others))
    state, _ = env.reset(0)
    for action in actions[:350]:
        state, observation, _ = env.step(state, action)
    saved = env.save(state)
    assert saved["games"]["games"].min() >= 1
    again, _ = other.reset(5)
    again = other.load(again, saved)
    for action in actions[350:]:
        state, observation, transition = env.step(state, action)
        again, seen, outcome = other.step(again, action)
        assert torch.equal(observation, seen)
        assert all(map(torch.equal, transition[:4], outcome[:4]))
    env.close(state)
    other.close(again)


def test_games_of_other_settings_are_refused():
    few, many = envs.atari("PongNoFrameskip-v4", 2), envs.atari("PongNoFrameskip-v4", 3)
    calm = envs.atari("PongNoFrameskip-v4", 2, noop_max=0)
    saved = few.save(few.reset(0)[0])
    with pytest.raises(ValueError, match="2 games were saved, and here are 3"):
        many.load(many.reset(0)[0], saved)
    with pytest.raises(ValueError, match="30, True, and this is PongNoFrameskip-v4, 0, True"):
        calm.load(calm.reset(0)[0], saved)

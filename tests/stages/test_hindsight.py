"""Goals that were reached, as if they had been asked for."""

import pytest
import torch
from tensordict import TensorDict

from nappo2 import envs, join
from nappo2.envs import bit_flipping, bits_reached, bits_reward
from nappo2.pipeline import Pipeline
from nappo2.recipes import DQN, double_dqn
from nappo2.reports import Report
from nappo2.seeds import generator
from nappo2.stages import episode, final, future, hindsight
from nappo2.stages.recipe import batches_of, collect_of


def rollouts(dones: list[list[list[bool]]]) -> Pipeline:
    """A source of rollouts [T, B], whose achieved goal is 100 b + t, t counting through all of them."""

    def step(params, state):
        done = torch.tensor(dones[state["n"]])
        steps, num_envs = done.shape
        t = (state["t"] + torch.arange(steps))[:, None] + 100 * torch.arange(num_envs)

        def seen(t):
            goal = torch.full_like(t, -1.0)
            return {"observation": t, "achieved_goal": t, "desired_goal": goal}

        now, then = t[..., None].float(), t[..., None].float() + 1
        flags = {"terminated": torch.zeros_like(done), "truncated": done, "done": done}
        reached = {"observation": seen(then), "reward": torch.full(done.shape, -1.0), **flags}
        item = TensorDict({"observation": seen(now), "next": reached}, batch_size=done.shape)
        state = {"n": state["n"] + 1, "t": state["t"] + steps}
        return state, item, Report(sums={"env_steps": done.numel()})

    return Pipeline(lambda params, seed: {"n": 0, "t": 0}, step)


def equal(achieved, desired):
    return (achieved == desired).all(-1).float() - 1


NO, YES = False, True


def test_the_last_goal_of_each_episode_is_asked_for_in_its_copies():
    """Environment 0 ends after steps 2 and 3, environment 1 after 4: episodes of 2, 1 and 4 steps."""
    source = rollouts([[[NO, NO], [YES, NO], [YES, NO], [NO, YES]]])
    pipe = source | hindsight(equal, final())
    _, item, report = pipe.step(None, pipe.init(None, 0))
    assert item.batch_size == (2 * (2 + 1 + 4),) and report.sums["env_steps"] == 8
    copies = item[item["observation", "desired_goal"][:, 0] >= 0]
    goal = copies["observation", "desired_goal"][:, 0].tolist()
    assert goal == [2, 2, 3, 104, 104, 104, 104]
    assert copies["next", "reward"].tolist() == [-1, 0, 0, -1, -1, -1, 0]
    assert (copies["next", "observation", "desired_goal"][:, 0]).tolist() == goal


def test_an_episode_goes_on_across_the_borders_of_rollouts():
    """It ends in the second rollout: five steps, and the sixth waits for the next."""
    source = rollouts([[[NO], [NO], [NO]], [[NO], [YES], [NO]]])
    pipe = source | hindsight(equal, final())
    state, item, report = pipe.step(None, pipe.init(None, 0))
    assert item["observation", "observation"].flatten().tolist() == [0, 1, 2, 3, 4] * 2
    assert report.sums["env_steps"] == 6
    assert [len(x) for x in state["hindsight"].unfinished] == [1]


def test_which_goals_the_strategies_take():
    """At or after the step; anywhere in the episode; the last."""
    later = future(50)(6, generator(0))
    assert later.shape == (6, 50) and (later >= torch.arange(6)[:, None]).all() and later.max() == 5
    assert set(later[0].tolist()) == set(range(6)) and set(later[5].tolist()) == {5}
    anywhere = episode(50)(6, generator(0))
    assert set(anywhere[5].tolist()) == set(range(6))
    assert final()(3, generator(0)).tolist() == [[2]] * 3


def test_what_terminates_is_asked_again_of_the_new_goal():
    """Whoever flips bits reaches what he reached."""
    recipe = double_dqn(bit_flipping(2, 4), DQN(num_steps=8))
    params = recipe.init(0)
    pipe = collect_of(recipe) | hindsight(bits_reward, final(), bits_reached)
    _, item, _ = pipe.step(params, pipe.init(params, 0))
    reached = (
        item["next", "observation", "achieved_goal"] == item["next", "observation", "desired_goal"]
    )
    assert (item["next", "terminated"] == reached.all(-1)).all() and item[
        "next", "terminated"
    ].any()
    assert (item["next", "reward"] == reached.all(-1).float() - 1).all()


def test_replay_counts_steps_and_not_copies():
    """Half a batch per env step, though hindsight makes five transitions of each."""
    config = DQN(num_steps=4, capacity=10_000, start_steps=0, update_ratio=0.5, batch_size=8)
    recipe = double_dqn(bit_flipping(2, 4), config)
    params = recipe.init(0)
    pipe = collect_of(recipe) | hindsight(bits_reward, future(4), bits_reached) | batches_of(recipe)
    state, reports = pipe.init(params, 0), []
    for _ in range(40):
        state, _, report = pipe.step(params, state)
        reports.append(report)
    steps, own = join(reports).sums["env_steps"], state["replay"]
    assert own.env_steps * 0.5 == 40 + own.owed and steps <= own.env_steps
    assert own.count > 4 * steps


@pytest.mark.parametrize(
    ("reward", "terminated", "message"),
    [
        (
            lambda a, d: equal(a, d) * float("nan"),
            None,
            "reward of hindsight gave .* not finite: nan",
        ),
        (lambda a, d: equal(a, d)[..., None], None, r"of \[3, 1\] goals it gave \[3, 1, 1\]"),
        (lambda a, d: 1.0, None, r"of \[3, 1\] goals it gave 1.0"),
        (equal, lambda a, d: a == d, r"terminated of hindsight .* it gave \[3, 1, 1\]"),
    ],
)
def test_functions_of_goals_give_a_finite_number_for_each(reward, terminated, message):
    """Of an episode of three steps, with a goal of one number each."""
    pipe = rollouts([[[NO], [NO], [YES]]]) | hindsight(reward, final(), terminated)
    with pytest.raises(ValueError, match=message):
        pipe.step(None, pipe.init(None, 0))


def test_rewards_of_goals_have_the_dtype_of_rewards():
    pipe = rollouts([[[YES]]]) | hindsight(lambda a, d: equal(a, d).double(), final())
    _, item, _ = pipe.step(None, pipe.init(None, 0))
    assert item["next", "reward"].dtype == torch.float32


def test_what_has_no_goals_is_refused():
    recipe = double_dqn(envs.cartpole(2), DQN())
    params = recipe.init(0)
    pipe = collect_of(recipe) | hindsight(equal)
    with pytest.raises(ValueError, match="hindsight takes observations of"):
        pipe.step(params, pipe.init(params, 0))


def test_bits_are_flipped_until_they_are_the_goal():
    """Flipping the bits that differ, one by one, costs 1 each, but for the last."""
    env = bit_flipping(3, 5)
    state, seen = env.reset(0)
    costs = torch.zeros(3)
    differ = (seen["observation"] != seen["desired_goal"]).sum(-1)
    for _ in range(4):
        wrong = seen["observation"] != seen["desired_goal"]
        over = torch.zeros(3, dtype=torch.bool)
        state, seen, outcome = env.step(state, wrong.float().argmax(-1))
        over = outcome.terminated
        costs = costs + outcome.reward * (differ > 0)
        if over.any():
            first = over.nonzero()[0, 0]
            assert costs[first] == -(differ[first] - 1) or differ[first] == 0
            break
    assert over.any()

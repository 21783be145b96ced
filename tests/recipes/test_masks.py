"""No recipe takes a forbidden action, wherever it acts, and masks change nothing else."""

from dataclasses import replace

import pytest
import torch
from gymnasium.spaces import Dict, Discrete, MultiBinary
from torch.nn.functional import one_hot

from nappo2 import (
    TrainedAgent,
    envs,
    evaluate,
    generator,
    hindsight,
    losses,
    population,
    scheme,
)
from nappo2 import recipes as a
from nappo2.maths.masks import unmasked
from nappo2.recipes.masks import masking_of
from nappo2.schemes import SCHEMES
from nappo2.stages.recipe import collect_of
from tests.makers.comparing import equal
from tests.makers.masks import NUM_ACTIONS, SOURCES, KeyMines, mines
from tests.makers.recipes import run_of
from tests.makers.stepping import items_of, train
from tests.makers.stepping import step as step_run

ON = {"num_steps": 32, "hidden": (8, 8)}
OFF = {"num_steps": 8, "capacity": 4_000, "batch_size": 16, "start_steps": 500, "hidden": (8, 8)}
OFF |= {"update_ratio": 0.05}
CONFIGS = {
    "ppo": a.PPO(**ON, num_minibatches=2, num_epochs=2),
    "a2c": a.A2C(**ON),
    "vpg": a.VPG(**ON),
    "impala": a.Impala(**ON, normalize=True),
    "recurrent_ppo": a.PPO(**ON, num_minibatches=2, num_epochs=2),
    "recurrent_impala": a.Impala(**ON),
    "dqn": a.DQN(**OFF, exploration_updates=60),
    "double_dqn": a.DQN(**OFF, exploration_updates=60),
    "sac": a.SAC(**OFF),
    "r2d2": a.R2D2(
        num_steps=16, length=8, period=8, burn_in=2, hidden=(8, 8), start_steps=500, capacity=400
    ),
}
ON_POLICY = ("ppo", "a2c", "vpg", "impala", "recurrent_ppo", "recurrent_impala")
RECURRENT = ("recurrent_ppo", "recurrent_impala", "r2d2")


def recipe(name, env=None, **changes):
    """A small recipe; changes of what it has not are left out."""
    known = {key: x for key, x in changes.items() if hasattr(CONFIGS[name], key)}
    return a.RECIPES[name](env or mines(8), replace(CONFIGS[name], **known))


def with_rewards(env):
    """An environment that adds the rewards of each step to a list, and the list."""
    rewards = []

    def step(state, action):
        result = env.step(state, action)
        rewards.append(result[2].reward)
        return result

    return env._replace(step=step), rewards


@pytest.mark.parametrize("name", CONFIGS)
def test_no_action_is_forbidden_in_some_thousand_steps(name):
    """In training, with warm-up and epsilon, and in evaluations, greedy and as in training."""
    env, rewards = with_rewards(mines(8))
    whole = recipe(name, env)
    num = 4_000 // (8 * whole.num_steps)
    params, _ = train(scheme("3cs", whole), whole.init(0), num)
    assert params["version"] > 0 and len(rewards) * 8 >= 3_500
    for policy in (whole.greedy, whole.policy):
        assert (evaluate(env, policy, params, 16).lengths == 20).all()
    assert torch.stack(rewards).min() >= 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CONFIGS)
def test_no_action_is_forbidden_in_a_million_steps(name):
    whole, steps, early = recipe(name, mines(64), update_ratio=0.002), 0, 0
    pipe, params = scheme("3cs", whole), whole.init(0)
    state = pipe.init(params, 0)
    while steps < 1_000_000:
        state, params, report = pipe.step(params, state)
        steps += report.sums["env_steps"]
        early += int((report.episodes["length"] < 20).sum())
    print(f"{name}: {early} forbidden actions in {steps:,} steps, {params['version']} updates")
    assert early == 0


@pytest.mark.parametrize("source", SOURCES)
def test_gymnasium_environments_refuse_none_of_its_actions(source):
    """They raise an error for a forbidden action; with a memory, and with epsilon and warm-up."""
    for name in ("recurrent_ppo", "double_dqn"):
        whole = recipe(name, envs.make(SOURCES[source], 2), num_steps=16)
        train(scheme("3cs", whole), whole.init(0), 6)


@pytest.mark.parametrize("how", SCHEMES)
def test_no_scheme_takes_a_forbidden_action(how):
    """An episode that ends early would have had one."""
    for name in ("ppo", "sac", "r2d2"):
        whole = recipe(name, start_steps=64)
        _, reports = train(scheme(how, whole), whole.init(0), 4)
        lengths = [report.episodes["length"] for report in reports if "length" in report.episodes]
        assert (torch.cat(lengths) == 20).all()


@pytest.mark.parametrize("name", ["impala", "recurrent_ppo", "dqn", "sac", "r2d2"])
def test_no_member_of_a_population_does(name):
    members = population(recipe(name), 2)
    _, reports = train(scheme("3cs", members), members.init(0), 3)
    assert (torch.cat([report.episodes["length"] for report in reports]) == 20).all()


def open_to_all(num_envs):
    """CartPole with masks that allow everything."""
    bare = envs.cartpole(num_envs, time_limit=30)

    def see(physics):
        x = bare.physics.observe(physics)
        return {"observation": x, "action_mask": torch.ones(len(x), 2).bool()}

    start, step, _, limit, _ = bare.physics
    space = Dict({"observation": bare.observation_space, "action_mask": MultiBinary(2)})
    return envs.physics_env("open", num_envs, start, step, see, limit, space, Discrete(2))


@pytest.mark.parametrize("name", ON_POLICY)
def test_masks_that_allow_everything_change_no_bit(name):
    """Networks, noise and statistics are those without masks."""
    runs = [recipe(name, env, num_steps=8) for env in (open_to_all(4), envs.cartpole(4, 30))]
    found = [train(scheme("3cs", run), run.init(0), 3)[0] for run in runs]
    for key in ("weights", "normalizer"):
        left, right = (params[key] for params in found)
        assert all(torch.equal(x, right[k]) for k, x in left.items(True, True))


@pytest.mark.parametrize("name", CONFIGS)
def test_probabilities_of_trained_agents_are_of_allowed_actions(name):
    whole = recipe(name)
    agent = TrainedAgent(whole, whole.init(0))
    _, observation = mines(5).reset(3)
    mask, bare = observation["action_mask"], unmasked(observation)
    chances = torch.from_numpy(agent.probabilities(bare, mask))
    assert (chances[~mask] == 0).all()
    torch.testing.assert_close(chances.sum(-1), torch.ones(5))
    for _ in range(10):
        for action in (agent.act(bare, mask), agent.sample(observation)):
            assert mask.gather(-1, torch.from_numpy(action)[:, None]).all()
    assert agent.act(bare[0], mask[0]) in range(NUM_ACTIONS) if name not in RECURRENT else True


def test_a_trained_agent_asks_for_the_mask():
    whole = recipe("ppo")
    agent, (_, x) = TrainedAgent(whole, whole.init(0)), mines(1).reset(0)
    with pytest.raises(ValueError, match=r"mines has an action_mask, .* act\(observation, action"):
        agent.act(x["observation"])
    with pytest.raises(ValueError, match="forbids every action of mines"):
        agent.act(x["observation"], torch.zeros(1, 8).bool())
    bare = a.ppo(envs.cartpole(2), a.PPO(num_steps=8, num_minibatches=2))
    with pytest.raises(ValueError, match="cartpole has no action_mask"):
        TrainedAgent(bare, bare.init(0)).act([0.0] * 4, [True, False])


def altered(change, num_envs=2):
    """``mines`` whose masks are changed by a function."""
    env = mines(num_envs)

    def see(physics):
        x = env.physics.observe(physics)
        return x | {"action_mask": change(x["action_mask"])}

    start, step, _, limit, _ = env.physics
    return envs.physics_env(
        "altered", num_envs, start, step, see, limit, env.observation_space, env.action_space
    )


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo", "dqn", "sac", "r2d2"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (torch.Tensor.float, r"bools of the shape of the outputs, .* of torch.float32"),
        (lambda mask: mask[:, :7], r"bools of the shape of the outputs, .*, 8\)"),
        (torch.zeros_like, r"environment 0 of altered has an action_mask that forbids every"),
    ],
    ids=["floats", "one too few", "forbids everything"],
)
def test_wrong_masks_in_torch_are_one_sentence_in_the_first_rollout(name, change, message):
    whole = recipe(name, altered(change))
    with pytest.raises(ValueError, match=message):
        train(scheme("3cs", whole), whole.init(0), 1)


def test_an_evaluation_tells_of_a_mask_that_forbids_everything():
    whole = recipe("ppo")
    with pytest.raises(ValueError, match="of altered has an action_mask that forbids .* step 0"):
        evaluate(altered(torch.zeros_like), whole.greedy, whole.init(0), 2)


def test_the_largest_value_of_a_next_state_is_of_its_allowed_actions():
    """Of values 1, 2, 3, ... the greatest allowed one is learnt from, by both networks."""

    q = masking_of(mines(2)).values(lambda weights, x: torch.arange(8.0).expand(len(x), 8))
    mask = torch.tensor([[1, 1, 0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0]]).bool()
    x = {"observation": torch.zeros(2, 4), "action_mask": mask}
    after = {"observation": x, "reward": torch.zeros(2), "terminated": torch.zeros(2).bool()}
    batch = {"observation": x, "action": torch.tensor([0, 2]), "next": after}
    params = {"weights": {}, "target": {}, "hyper": {"gamma": torch.tensor(0.5)}}
    for error in (losses.dqn_error, losses.double_dqn_error):
        assert error(q)(params, batch).tolist() == [0 - 0.5 * 3, 2 - 0.5 * 2]


def test_agents_that_know_nothing_of_masks_are_refused():
    class Mine:
        slicing = "transitions"
        init = normalizer = outputs_and_values = values = policy = greedy = lambda self, *x: None

    with pytest.raises(ValueError, match="agent of class Mine has no method with_masks"):
        a.ppo(mines(2), agent=Mine())


def test_masked_epsilon_and_warm_up_are_uniform_among_allowed_actions():
    """Warm-up and epsilon 1 take each of the four allowed actions with the same share, a quarter."""
    whole = recipe("dqn", mines(4_000))
    params = whole.init(0)
    _, x = whole.env.reset(0)
    action, _ = whole.policy.act(params.to_dict(), x, (), generator(0))
    rank = (x["action_mask"].cumsum(-1) - 1).gather(-1, action[:, None])
    shares = torch.bincount(rank.flatten(), minlength=4) / 4_000
    assert x["action_mask"].gather(-1, action[:, None]).all()
    assert ((shares - 0.25).abs() < 5 * (0.25 * 0.75 / 4_000) ** 0.5).all()


def test_keys_may_be_masks_of_an_environment_of_ones_own():
    assert envs.make(KeyMines).observation_space["action_mask"].shape == (8,)


@pytest.mark.parametrize("name", ["ppo", "dqn", "recurrent_impala"])
def test_no_worker_on_ray_does(name, on_ray):
    whole = recipe(name, start_steps=64)
    pipe = scheme("da2cs", whole, collectors=2, on=on_ray())
    _, reports = train(pipe, whole.init(0), 4)
    assert (torch.cat([report.episodes["length"] for report in reports]) == 20).all()


def test_hindsight_keeps_masks_beside_its_goals():
    """Goals with masks: no bit may be flipped twice in a row."""
    bare = envs.bit_flipping(2, num_bits=4)

    def step(physics, action):
        bits, reward, done = bare.physics.step(physics[:, :2], action)
        last = one_hot(action, 4).unsqueeze(1)
        return torch.cat([bits, last], 1), reward, done

    def begin(num, rng):
        return torch.cat([bare.physics.start(num, rng), torch.zeros(num, 1, 4).long()], 1)

    def see(physics):
        return bare.physics.observe(physics[:, :2]) | {"action_mask": physics[:, 2] == 0}

    space = Dict({**bare.observation_space.spaces, "action_mask": MultiBinary(4)})
    env = envs.physics_env("bits", 2, begin, step, see, 9, space, Discrete(4))
    whole = recipe("double_dqn", env, start_steps=16)
    goals = hindsight(envs.bits_reward, terminated=envs.bits_reached)
    pipe = collect_of(whole.replace(rollouts=goals))
    for item in items_of(pipe, whole.init(0), 5):
        mask, action = item["observation", "action_mask"], item["action"]
        assert mask.gather(-1, action[:, None]).all() and (mask.sum(-1) >= 3).all()
        assert item["next", "observation", "action_mask"].dtype == torch.bool
    params, _ = train(scheme("3cs", whole.replace(rollouts=goals)), whole.init(0), 8)
    assert params["version"] > 0


@pytest.mark.parametrize("name", ["recurrent_ppo", "sac"])
def test_a_saved_run_with_masks_goes_on_to_the_last_bit_and_is_loaded(name, tmp_path):
    first = step_run(run_of(recipe(name, start_steps=64), "3cs", tmp_path), 3)
    first.save()
    second = run_of(recipe(name, start_steps=64), "3cs", seed=9)
    second.resume(tmp_path)
    for run in (first, second):
        step_run(run, 2)
    assert equal(first.params, second.params)
    agent = TrainedAgent(first.pipeline.made.arguments["recipe"], first.params)
    _, x = mines(1).reset(0)
    assert x["action_mask"][0, int(agent.act(x)[0])]
    first.close(), second.close()

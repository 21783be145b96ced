"""No recipe takes a forbidden action, wherever it acts, and masks change nothing else."""

import pytest
import torch
from gymnasium.spaces import Dict, Discrete, MultiBinary

from nappo2 import envs, evaluate, generator, losses, population, ppo, scheme
from nappo2.recipes.masks import masking_of
from nappo2.schemes import SCHEMES
from tests.makers.masks import CONFIGS, SOURCES, masked_recipe, mines
from tests.makers.stepping import steps_of, train

ON_POLICY = ("ppo", "a2c", "vpg", "impala", "recurrent_ppo", "recurrent_impala")


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
    whole = masked_recipe(name, env)
    for _, params, _ in steps_of(scheme("3cs", whole), whole.init(0)):
        if len(rewards) * 8 >= 3_500:
            break
    assert params["version"] > 0
    for policy in (whole.greedy, whole.policy):
        assert (evaluate(env, policy, params, 16).lengths == 20).all()
    assert torch.stack(rewards).min() >= 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CONFIGS)
def test_no_action_is_forbidden_in_a_million_steps(name):
    whole, steps, early = masked_recipe(name, mines(64), update_ratio=0.002), 0, 0
    pipe, params = scheme("3cs", whole), whole.init(0)
    state = pipe.init(params, 0)
    while steps < 1_000_000:
        state, params, report = pipe.step(params, state)
        steps += report.sums.get("env_steps", 0)  # none where a step is one of several updates
        early += sum(int((x < 20).sum()) for key, x in report.episodes.items() if key == "length")
    print(f"{name}: {early} forbidden actions in {steps:,} steps, {params['version']} updates")
    assert early == 0


@pytest.mark.parametrize("source", SOURCES)
def test_gymnasium_environments_refuse_none_of_its_actions(source):
    """They raise an error for a forbidden action; with a memory, and with epsilon and warm-up."""
    for name in ("recurrent_ppo", "double_dqn"):
        whole = masked_recipe(name, envs.make(SOURCES[source], 2), num_steps=16, start_steps=64)
        train(scheme("3cs", whole), whole.init(0), 6)


@pytest.mark.parametrize("how", SCHEMES)
@pytest.mark.parametrize("name", ["ppo", "sac", "r2d2"])
def test_no_scheme_takes_a_forbidden_action(how, name):
    env, rewards = with_rewards(mines(8))
    whole = masked_recipe(name, env, start_steps=128)
    train(scheme(how, whole), whole.init(0), 4)
    assert len(rewards) >= 16 and torch.stack(rewards).min() >= 0


@pytest.mark.parametrize("name", ["impala", "recurrent_ppo", "dqn", "sac", "r2d2"])
def test_no_member_of_a_population_does(name):
    members = population(masked_recipe(name), 2)
    _, reports = train(scheme("3cs", members), members.init(0), 3)
    assert (torch.cat([report.episodes["length"] for report in reports]) == 20).all()


def open_to_all(num_envs):
    """CartPole with masks that allow everything."""
    bare = envs.cartpole(num_envs, time_limit=30)

    def see(physics):
        x = bare.physics.observe(physics)
        return {"observation": x, "action_mask": torch.ones(len(x), 2).bool()}

    start, step, _, limit, *_ = bare.physics
    space = Dict({"observation": bare.observation_space, "action_mask": MultiBinary(2)})
    return envs.physics_env("open", num_envs, start, step, see, limit, space, Discrete(2))


@pytest.mark.parametrize("name", ON_POLICY)
def test_masks_that_allow_everything_change_no_bit(name):
    """Networks, noise and statistics are those without masks."""
    runs = [masked_recipe(name, env, num_steps=8) for env in (open_to_all(4), envs.cartpole(4, 30))]
    found = [train(scheme("3cs", run), run.init(0), 3)[0] for run in runs]
    for key in ("weights", "normalizer"):
        left, right = (params[key] for params in found)
        assert all(torch.equal(x, right[k]) for k, x in left.items(True, True))


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
        ppo(mines(2), agent=Mine())


def test_masked_epsilon_and_warm_up_are_uniform_among_allowed_actions():
    """Warm-up and epsilon 1 take each of the four allowed actions with the same share, a quarter."""
    whole = masked_recipe("dqn", mines(4_000))
    params = whole.init(0)
    _, x = whole.env.reset(0)
    action, _ = whole.policy.act(params.to_dict(), x, (), generator(0))
    rank = (x["action_mask"].cumsum(-1) - 1).gather(-1, action[:, None])
    shares = torch.bincount(rank.flatten(), minlength=4) / 4_000
    assert x["action_mask"].gather(-1, action[:, None]).all()
    assert ((shares - 0.25).abs() < 5 * (0.25 * 0.75 / 4_000) ** 0.5).all()


AT_LENGTH = [pytest.param(name, marks=pytest.mark.faults) for name in ("ppo", "recurrent_impala")]


@pytest.mark.parametrize("name", ["dqn", *AT_LENGTH])
def test_no_worker_on_ray_does(name, on_ray):
    whole = masked_recipe(name, start_steps=64)
    pipe = scheme("da2cs", whole, collectors=1, on=on_ray())
    _, reports = train(pipe, whole.init(0), 4)
    assert (torch.cat([report.episodes["length"] for report in reports]) == 20).all()

"""Policies that explore, and the optimisers of parts that off-policy recipes use."""

import math

import pytest
import torch
from gymnasium.spaces import Box, Discrete

from nappo2 import envs, optim
from nappo2.policies import deterministic, epsilon_greedy, greedy_q, warmup_uniform, with_noise
from nappo2.recipes import TD3, td3
from nappo2.seeds import generator
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, update_of

N = 40_000
VALUES = torch.tensor([0.0, 1.0, 3.0, 2.0])  # of four actions; the third is greedy_q


def q(params, observation):
    return VALUES.expand(*observation.shape[:-1], 4)


def actor(params, observation):
    return torch.tensor([0.9, 0.0]).expand(*observation.shape[:-1], 2)


def at(version):
    return {"version": torch.tensor(version)}


OF_FOUR = envs.action_spec(Discrete(4)).uniform
OF_TWO_NUMBERS = envs.action_spec(Box(-3, 5, (2,))).uniform


def acted(policy, version=1, seed=0, num=N):
    action, memory = policy.act(at(version), torch.zeros(num, 1), (), generator(seed))
    assert memory == ()
    return action


def assert_near(share, chance):
    """Within five standard deviations of the share of N."""
    assert abs(share - chance) <= 5 * math.sqrt(chance * (1 - chance) / N)


def test_epsilon_greedy_takes_the_best_but_for_a_share_of_any():
    """Of epsilon 0.4, a tenth for each of four actions; the greedy_q one has 0.6 more."""
    action = acted(epsilon_greedy(q, optim.constant(0.4)))
    assert action.dtype == torch.int64
    for i, chance in enumerate((0.1, 0.1, 0.7, 0.1)):
        assert_near((action == i).float().mean().item(), chance)


def test_log_probs_of_epsilon_greedy_are_those_of_the_shares():
    policy = epsilon_greedy(q, optim.constant(0.4))
    rollout = {"observation": torch.zeros(4, 1), "action": torch.arange(4)}
    chances = policy.log_prob(at(1), rollout).exp()
    torch.testing.assert_close(chances, torch.tensor([0.1, 0.1, 0.7, 0.1]))


@pytest.mark.parametrize(("version", "epsilon"), [(0, 1.0), (50, 0.6), (100, 0.2), (999, 0.2)])
def test_epsilon_falls_with_the_version(version, epsilon):
    """From 1 to 0.2 in 100 updates; of it, a quarter goes to the greedy_q action."""
    action = acted(epsilon_greedy(q, optim.linear(1.0, 0.2, 100)), version)
    assert_near((action == 2).float().mean().item(), 1 - 0.75 * epsilon)


def test_without_epsilon_there_is_only_the_best():
    assert (acted(epsilon_greedy(q, optim.constant(0.0))) == 2).all()
    assert (acted(greedy_q(q)) == 2).all()


def test_uniform_actions_are_in_both_directions_of_each_dimension():
    """While the version is 0: of mean 0 and variance 1/3, within [-1, 1] and nearly at its ends."""
    action = acted(warmup_uniform(with_noise(actor, 0.1), OF_TWO_NUMBERS), version=0)
    assert action.shape == (N, 2) and action.dtype == torch.float32
    assert -1 <= action.min() < -0.999 and 0.999 < action.max() <= 1
    for x in (*action.T, action.prod(-1)):  # the product, as the dimensions are independent
        assert abs(x.mean()) < 5 * math.sqrt(1 / 3 / N)
    # the variance of x^2 is 1/5 - 1/9
    assert abs(action[:, 0].square().mean() - 1 / 3) < 5 * math.sqrt((1 / 5 - 1 / 9) / N)


def test_uniform_discrete_actions_are_as_frequent():
    action = acted(warmup_uniform(greedy_q(q), OF_FOUR), version=0)
    assert action.dtype == torch.int64
    for i in range(4):
        assert_near((action == i).float().mean().item(), 0.25)


@pytest.mark.parametrize(
    ("policy", "uniform"),
    [(with_noise(actor, 0.1), OF_TWO_NUMBERS), (epsilon_greedy(q, lambda v: 0.5), OF_FOUR)],
    ids=["continuous", "discrete"],
)
def test_after_the_first_update_a_policy_acts_as_it_does(policy, uniform):
    """To the last bit, of the same seed."""
    wrapped = warmup_uniform(policy, uniform)
    assert torch.equal(acted(wrapped, version=1), acted(policy, version=1))
    assert not torch.equal(acted(wrapped, version=0), acted(policy, version=0))


def test_noise_is_added_and_clipped():
    """With deviations of 0.1, one in 6.3 is beyond 1 from 0.9; none is from 0."""
    action = acted(with_noise(actor, 0.1))
    assert action.abs().max() == 1
    beyond = (1 - math.erf(1 / math.sqrt(2))) / 2
    assert_near((action[:, 0] == 1).float().mean().item(), beyond)
    free = action[:, 1]
    assert free.abs().max() < 0.6
    assert abs(free.mean()) < 5 * 0.1 / math.sqrt(N)
    assert abs(free.std() - 0.1) < 5 * 0.1 / math.sqrt(2 * N)


def test_without_noise_an_action_is_the_networks():
    expected = torch.tensor([0.9, 0.0]).expand(N, 2)
    assert torch.equal(acted(deterministic(actor)), expected)
    assert torch.equal(acted(with_noise(actor, 0.0)), expected)


@pytest.mark.parametrize("policy", [greedy_q(q), deterministic(actor), with_noise(actor, 0.1)])
def test_what_has_no_density_has_a_log_prob_of_zero(policy):
    rollout = {"next": {"reward": torch.ones(3, 2)}}
    assert policy.log_prob(at(1), rollout).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize(
    "policy",
    [
        epsilon_greedy(q, optim.constant(0.4)),
        with_noise(actor, 0.1),
        warmup_uniform(greedy_q(q), OF_FOUR),
    ],
    ids=["epsilon", "noise", "uniform"],
)
def test_equal_seeds_explore_equally_and_leave_torchs_generator_alone(policy):
    before = torch.get_rng_state()
    one, other, third = (acted(policy, 0, seed) for seed in (1, 1, 2))
    assert torch.equal(one, other) and not torch.equal(one, third)
    assert torch.equal(torch.get_rng_state(), before)


HYPER = {"learning_rate": torch.tensor(0.01)}


def slopes(num, size):
    return torch.randn(num, size, generator=generator(1))


def walked(transformation, grads):
    """The vector, from zeros, after each of the gradients."""
    vector = torch.zeros(grads.shape[1])
    state, found = transformation.init(vector), []
    for grad in grads:
        updates, state = transformation.update(grad, state, HYPER, vector)
        vector = vector + updates
        found.append(vector)
    return torch.stack(found)


def walked_by_torch(make, grads):
    weights, found = torch.nn.Parameter(torch.zeros(grads.shape[1])), []
    optimizer = make([weights])
    for grad in grads:
        weights.grad = grad
        optimizer.step()
        found.append(weights.detach().clone())
    return torch.stack(found)


def adam(params):
    return torch.optim.Adam(params, lr=0.01)


def momentum(params):
    return torch.optim.SGD(params, lr=0.01, momentum=0.9)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(optim.adam(), adam), (optim.sgd(0.9), momentum)], ids=["adam", "sgd"]
)
def test_every_third_gradient_is_torchs_and_the_others_change_nothing(ours, theirs):
    """Neither the vector nor the optimiser's own state."""
    grads = slopes(30, 5)
    found = walked(optim.every(3, ours), grads)
    torch.testing.assert_close(found[2::3], walked_by_torch(theirs, grads[2::3]))
    assert (found[:2] == 0).all()
    assert torch.equal(found[3::3], found[2:-1:3]) and torch.equal(found[4::3], found[2:-1:3])
    assert (found[5::3] != found[2:-1:3]).all()


def test_each_of_one_is_what_it_repeats():
    grads = slopes(10, 5)
    assert torch.equal(walked(optim.every(1, optim.adam()), grads), walked(optim.adam(), grads))


@pytest.mark.parametrize("order", [1, -1])
def test_the_parts_of_a_vector_are_torchs_each_by_its_own(order):
    """Two weights by momentum, three by Adam at every other gradient; in whichever order named."""
    grads, parts = slopes(20, 5), [("a", optim.sgd(0.9)), ("b", optim.every(2, optim.adam()))]
    weights = {"a": {"x": torch.zeros(2)}, "b": {"x": torch.zeros(1), "y": torch.zeros(2)}}
    found = walked(optim.partition(weights, dict(parts[::order])), grads)
    torch.testing.assert_close(found[:, :2], walked_by_torch(momentum, grads[:, :2]))
    torch.testing.assert_close(found[1::2, 2:], walked_by_torch(adam, grads[1::2, 2:]))
    assert torch.equal(found[2::2, 2:], found[1:-1:2, 2:])


def test_a_clip_within_a_part_is_by_its_own_norm():
    """(3, 4) is 5 long whatever stands beside it."""
    clipped = optim.chain(optim.clip_by_global_norm(1.0), optim.sgd())
    weights = {"a": torch.zeros(2), "b": torch.zeros(1)}
    pair = optim.partition(weights, {"a": clipped, "b": optim.sgd()})
    (found,) = walked(pair, torch.tensor([[3.0, 4.0, 100.0]]))
    torch.testing.assert_close(found, torch.tensor([-0.006, -0.008, -1.0]))


def test_a_label_may_stand_in_many_places():
    """Weights by Adam, biases by momentum; each is what it would be by itself."""
    weights = {name: {"weight": torch.zeros(2), "bias": torch.zeros(1)} for name in ("0", "1")}
    parts = {"weight": optim.adam(), "bias": optim.sgd(0.9)}
    grads = slopes(20, 6)
    found = walked(optim.partition(weights, parts, lambda path: path[-1]), grads)
    at, of = [0, 1, 3, 4], [2, 5]
    torch.testing.assert_close(found[:, at], walked_by_torch(adam, grads[:, at]))
    torch.testing.assert_close(found[:, of], walked_by_torch(momentum, grads[:, of]))


def test_parts_have_rates_of_their_own():
    """One of 0.01 by name, the other of the usual 0.01 times 10."""
    weights = {"a": torch.zeros(1), "b": torch.zeros(1)}
    pair = optim.partition(weights, {"a": optim.sgd(), "b": optim.sgd(rate="fast")})
    hyper = HYPER | {"fast": torch.tensor(0.1)}
    updates, _ = pair.update(torch.ones(2), pair.init(torch.zeros(2)), hyper, torch.zeros(2))
    torch.testing.assert_close(updates, torch.tensor([-0.01, -0.1]))


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "c"), ("a", "b", "c")])
def test_a_weight_of_no_label_would_never_learn_and_is_refused(labels):
    weights = {"a": torch.zeros(2), "b": torch.zeros(3)}
    with pytest.raises(
        ValueError, match="weights are labelled a, b, and there are transformations"
    ):
        optim.partition(weights, {name: optim.sgd() for name in labels})
    pair = optim.partition(weights, {"a": optim.sgd(), "b": optim.sgd()})
    with pytest.raises(ValueError, match="the partition is of 5 weights, and there are 4"):
        pair.init(torch.zeros(4))


def test_a_period_is_at_least_one():
    with pytest.raises(ValueError, match="num is an integer of at least 1, not 0"):
        optim.every(0, optim.sgd())


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_td3s_actor_stands_still_between_its_updates(delay):
    """To the last bit, while the critics move at each; targets follow from the first on."""
    config = TD3(hidden=(4,), batch_size=8, start_steps=8, policy_delay=delay)
    recipe = td3(envs.pendulum(2), config)
    line = collect_of(recipe) | recipe.prepare | batches_of(recipe) | gradients_of(recipe)
    pipe, params = line | update_of(recipe), recipe.init(0)  # one by one, where learn takes many
    state = pipe.init(params, 0)
    for version in range(1, 8):
        before = params
        state, params, _ = pipe.step(params, state)
        assert params["version"] == version
        assert moved(before, params, "weights", "critics")
        assert moved(before, params, "target", "critics")
        assert moved(before, params, "weights", "actor") == (version % delay == 0)
        assert moved(before, params, "target", "actor") == (version >= delay)


def moved(before, after, *branch):
    """Whether all leaves of a branch of params have moved, or none."""
    one, other = (params[branch].flatten_keys() for params in (before, after))
    found = {not torch.equal(one[key], other[key]) for key in one.keys()}
    assert len(found) == 1
    return found.pop()

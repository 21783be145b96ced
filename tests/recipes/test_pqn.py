"""PQN: lambda-returns of Q-values, and what they are with a lambda of 0."""

from dataclasses import replace

import pytest
import torch
from tensordict import TensorDict

from nappo2 import PQN, collect_of, envs, mlp, optim, pqn, recurrent_pqn, scheme
from nappo2.losses import pqn as pqn_loss
from nappo2.losses import recurrent_pqn as recurrent_pqn_loss
from nappo2.maths.masks import FORBIDDEN
from nappo2.maths.returns import lambda_return
from nappo2.maths.values import epsilon_greedy_log_probs
from nappo2.networks import Cell, RecurrentQ, epsilon_greedy_agent
from nappo2.params import make_params, replaced
from nappo2.pipeline import Pipeline
from nappo2.recipes._recurrent_pqn import remembering
from nappo2.reports import Report
from nappo2.stages import lambda_returns
from tests.makers.stepping import train

SMALL = PQN(num_steps=8, num_epochs=1, num_minibatches=1, hidden=(8,), max_grad_norm=1e9)


def column(*numbers):
    return torch.tensor(numbers)[:, None]


def test_lambda_returns_of_values_by_hand():
    """Discount 1/2, lambda 1/2. Rewards 1, 2, 4; the best of the following values are 8, 6 and 4.

    Backwards: 4 + 4/2 = 6, 2 + (6 + 6)/4 = 5, 1 + (8 + 5)/4 = 17/4.
    """
    never = torch.zeros(3, 1, dtype=torch.bool)
    found = lambda_return(column(1.0, 2.0, 4.0), column(8.0, 6.0, 4.0), never, never, 0.5, 0.5)
    assert found[:, 0].tolist() == [4.25, 5, 6]


def test_the_stage_takes_the_best_value_and_stops_where_episodes_end():
    """States 0, 1, 2 have the values (s, 2 s). The second step terminates, the last truncates at state 3.

    Discount 1/2, lambda 1/2, rewards 1: 1 + 6/2 = 4; 1; 1 + (2 + 1)/4 = 7/4.
    """
    q = epsilon_greedy_agent(
        lambda seed: TensorDict(),
        lambda params, x: torch.cat([x, 2 * x], -1) * params["weights"]["one"],
    )
    following = {
        "observation": column(1.0, 2.0, 3.0)[..., None],
        "reward": torch.ones(3, 1),
        "terminated": column(False, True, False),
        "done": column(False, True, True),
    }
    observation = column(0.0, 1.0, 2.0)[..., None]
    rollout = TensorDict({"observation": observation, "next": following}, batch_size=(3, 1))
    source = Pipeline(lambda p, seed: {}, lambda p, state: (state, rollout, Report()))
    params = make_params(TensorDict(one=torch.ones(1)), gamma=0.5, epsilon=0.1)
    _, item, _ = (source | lambda_returns(q, 0.5)).step(params, {})
    assert item["value_target"][:, 0].tolist() == [1.75, 1, 4]


def test_with_a_lambda_of_0_an_update_is_one_of_one_step_q_learning():
    """The gradient of ``1/2 (q(s, a) - r - gamma max q(s', b))^2``, over all of a rollout, by autograd."""
    network = mlp(4, 2)
    config = replace(SMALL, lambda_=0.0, learning_rate=0.1)
    recipe = pqn(envs.cartpole(4, time_limit=5), config, q=network).replace(optimizer=optim.sgd())
    params, source = recipe.init(0), collect_of(recipe)
    _, rollout, _ = source.step(params, source.init(params, 1))
    after, _ = train(scheme("3cs", recipe), params, 1, seed=1)

    weights = params["weights", "q"].clone().apply(lambda x: x.requires_grad_())
    following = rollout["next"]
    with torch.no_grad():
        best = network.apply(weights, following["observation"]).amax(-1)
        y = following["reward"] + config.gamma * best * ~following["terminated"]
    value = network.apply(weights, rollout["observation"]).gather(-1, rollout["action"][..., None])
    (0.5 * (value.squeeze(-1) - y).square().mean()).backward()
    assert following["terminated"].any() or following["truncated"].any()
    for name in ("weight", "bias"):
        expected = params["weights", "q", "0", name] - 0.1 * weights["0", name].grad
        torch.testing.assert_close(after["weights", "q", "0", name], expected)


def test_the_loss_by_hand():
    """Values of 4 and targets of 2 and 5: (4 + 1)/4."""
    params, batch = {}, {"observation": torch.zeros(2, 1), "action": torch.tensor([0, 0])}
    loss = pqn_loss(lambda params, x: torch.tensor([[4.0, 9.0]]).expand(2, -1))
    total, means = loss(params, batch | {"value_target": torch.tensor([2.0, 5.0])})
    assert total == 1.25 and means["value"] == 4


def test_probabilities_of_epsilon_greedy_by_hand():
    """An epsilon of 0.3 and three actions, of which the last but one is best; then it is forbidden."""
    found = epsilon_greedy_log_probs(torch.tensor([1.0, 5.0, 2.0]), 0.3).exp()
    assert found.tolist() == pytest.approx([0.1, 0.8, 0.1])
    masked = epsilon_greedy_log_probs(torch.tensor([1.0, FORBIDDEN, 2.0]), 0.3)
    assert masked.exp().tolist() == pytest.approx([0.15, 0, 0.85]) and masked[1] == FORBIDDEN
    assert epsilon_greedy_log_probs(torch.tensor([1.0, 5.0]), 0.0).tolist() == [FORBIDDEN, 0]


def test_epsilon_falls_with_updates_and_an_evaluation_does_not_explore():
    """Four updates, of which each is a rollout: from 1 to 0.2 in 8 of them, by 0.1 each."""
    recipe = pqn(envs.cartpole(4), replace(SMALL, epsilon=0.2, exploration_updates=8))
    params = recipe.init(0)
    assert params["hyper", "epsilon"] == 1
    after, _ = train(scheme("3cs", recipe), params, 4)
    assert after["hyper", "epsilon"].item() == pytest.approx(0.6)
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    greedy, _ = recipe.greedy.act(params.to_dict(), x, (), torch.Generator())
    assert 0 < greedy.float().mean() < 1  # at an epsilon of 1, too


def test_lambda_is_within_0_and_1():
    with pytest.raises(ValueError, match="lambda_ is within 0 and 1, not 2"):
        pqn(envs.cartpole(4), replace(SMALL, lambda_=2.0))


def forgetful(size):
    """A cell whose memory is what it sees."""
    return Cell(
        lambda seed: TensorDict(nothing=torch.zeros(1)),
        lambda weights, x: x,
        lambda weights, memory, x: x + 0.0 * memory,
        lambda memory: memory,
        *(size, size, size),
    )


def test_with_a_memory_of_what_is_seen_it_is_without_one():
    """One minibatch of all transitions: rollouts, targets and updates are those of ``pqn``."""
    env, head = envs.cartpole(4, time_limit=5), mlp(4, 2)
    plain, remembers = (
        pqn(env, SMALL, q=head),
        recurrent_pqn(env, SMALL, q=RecurrentQ(forgetful(4), head)),
    )
    params, first = plain.init(0), remembers.init(0)
    same = first["weights"].copy().update({"q": params["weights", "q"]})
    start = replaced(first, weights=same)
    ours, _ = train(scheme("3cs", remembers), start, 3, seed=1)
    theirs, _ = train(scheme("3cs", plain), params, 3, seed=1)
    assert ours["version"] == theirs["version"] == 3
    torch.testing.assert_close(
        ours["weights", "q"].to_dict(), theirs["weights", "q"].to_dict(), atol=2e-4, rtol=2e-4
    )


def test_of_sequences_masked_transitions_count_nothing():
    """Values of 4 and targets of 2 and 5, of which the second is masked: (4 - 2)^2 / 2 = 2."""
    network = RecurrentQ(forgetful(1), mlp(1, 2))
    recipe = recurrent_pqn(envs.masked_cartpole(4), replace(SMALL, hidden=(8, 8)))
    assert recipe.name == "recurrent_pqn" and network.cell.size == 1
    agent = remembering(network, lambda params, memory: memory, envs.masked_cartpole(2), SMALL)
    loss = recurrent_pqn_loss(agent, lambda params, memory: memory.expand(-1, 2))
    batch = {
        "observation": torch.full((2, 1, 1), 4.0),
        "memory": torch.zeros(2, 1, 1),
        "is_init": torch.zeros(2, 1, dtype=torch.bool),
        "action": torch.zeros(2, 1, dtype=torch.int64),
        "value_target": torch.tensor([[2.0], [5.0]]),
        "mask": torch.tensor([[True], [False]]),
    }
    total, means = loss({"weights": {"core": {}}, "normalizer": {}}, batch)
    assert total == 2 and means["value_target"] == 2

"""PQN: lambda-returns of Q-values, and what they are with a lambda of 0."""

from dataclasses import replace

import pytest
import torch
from tensordict import TensorDict

from nappo2 import PQN, collect_of, envs, mlp, optim, pqn, scheme
from nappo2.losses import pqn as pqn_loss
from nappo2.maths.masks import FORBIDDEN
from nappo2.maths.returns import lambda_return
from nappo2.maths.values import epsilon_greedy_log_probs
from nappo2.networks import epsilon_greedy_agent
from nappo2.params import make_params
from nappo2.pipeline import Pipeline
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

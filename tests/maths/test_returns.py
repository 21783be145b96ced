"""Returns and advantages, checked by hand, by their laws, and against TorchRL."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torchrl.objectives.value import GAE
from torchrl.objectives.value.functional import (
    generalized_advantage_estimate,
    td1_return_estimate,
    vec_generalized_advantage_estimate,
    vtrace_advantage_estimate,
)

from nappo2.interop import to_torchrl
from nappo2.maths.returns import discounted, gae, running_return, solve_recurrence, vtrace
from nappo2.seeds import generator

NO, YES = torch.tensor([[False]]), torch.tensor([[True]])


def column(*values):
    """[T, 1]"""
    return torch.tensor(values)[:, None]


def never(*shape):
    return torch.zeros(shape, dtype=torch.bool)


def random_rollout(seed, num_steps=33, num_envs=3, dtype=torch.float64):
    """Numbers of a normal distribution; one step in ten is terminal, one in ten is truncated."""
    rng = torch.Generator().manual_seed(seed)
    real = {
        name: torch.randn(num_steps, num_envs, generator=rng, dtype=dtype)
        for name in ("reward", "value", "next_value")
    }
    dice = torch.rand(num_steps, num_envs, generator=rng)
    return real | {"terminated": dice < 0.1, "done": dice < 0.2}


rollouts = st.builds(random_rollout, st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 3))
# a float would make float32 discounts, whatever the rewards
shares = st.floats(0, 1).map(lambda x: torch.tensor(x, dtype=torch.float64))


def without_value(rollout):
    return {name: x for name, x in rollout.items() if name != "value"}


def test_gae_by_hand():
    """Two steps, gamma 1/2, lambda 1/2: delta = [1 + 2/2 - 4, 1 + 8/2 - 2] = [-2, 3]."""
    advantage = gae(
        column(1.0, 1.0), column(4.0, 2.0), column(2.0, 8.0), never(2, 1), never(2, 1), 0.5, 0.5
    )
    assert advantage.flatten().tolist() == [-2 + 3 / 4, 3]


def test_discounted_by_hand():
    """Gamma 1/2: what follows the last reward 4 is worth 8, so [1 + 6/2, 2 + 8/2, 4 + 8/2]."""
    found = discounted(column(1.0, 2.0, 4.0), column(0.0, 0.0, 8.0), never(3, 1), never(3, 1), 0.5)
    assert found.flatten().tolist() == [4, 6, 8]


def test_discounted_bootstraps_at_a_truncation_within():
    """The episode is cut off after its first step, where 6 stands for the rest."""
    cut = column(True, False)
    found = discounted(column(1.0, 2.0), column(6.0, 8.0), never(2, 1), cut, 0.5)
    assert found.flatten().tolist() == [1 + 6 / 2, 2 + 8 / 2]


def test_termination_forgets_the_future_and_truncation_keeps_its_value():
    """One step, reward 1, after which 10 is expected, gamma 1/2."""
    reward, value, following = column(1.0), column(0.0), column(10.0)
    assert gae(reward, value, following, YES, YES, 0.5, 0.9).item() == 1
    assert gae(reward, value, following, NO, YES, 0.5, 0.9).item() == 6
    assert discounted(reward, following, YES, YES, 0.5).item() == 1
    assert discounted(reward, following, NO, YES, 0.5).item() == 6


@given(rollouts, st.integers(0, 39))
@settings(deadline=None)
def test_episodes_do_not_mix(rollout, t):
    """What happens after an episode's end changes nothing before it, to the last bit."""
    t = t % len(rollout["reward"])
    ended = rollout | {"done": rollout["done"].clone()}
    ended["done"][t] = True
    other = ended | {name: ended[name].clone() for name in ("reward", "value", "next_value")}
    for name in ("reward", "value", "next_value"):
        other[name][t + 1 :] += 100
    a, b = gae(**ended, gamma=0.9, lambda_=0.8), gae(**other, gamma=0.9, lambda_=0.8)
    assert torch.equal(a[: t + 1], b[: t + 1])
    a, b = (discounted(**without_value(x), gamma=0.9) for x in (ended, other))
    assert torch.equal(a[: t + 1], b[: t + 1])


@given(rollouts, shares)
@settings(deadline=None)
def test_doubling_is_a_loop(rollout, discount):
    x, c = rollout["reward"], discount * ~rollout["done"]
    expected, y = torch.empty_like(x), torch.zeros_like(x[0])
    for t in reversed(range(len(x))):
        expected[t] = y = x[t] + c[t] * y
    torch.testing.assert_close(solve_recurrence(x, c), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("num_steps", [1, 7, 8, 9, 16, 21])
def test_blocks_of_compiled_code_are_doubling(num_steps):
    rng = generator(num_steps)
    x, c = (torch.rand(num_steps, 3, generator=rng, dtype=torch.float64) for _ in range(2))
    blocks = torch.compile(lambda x, c: solve_recurrence(x, c), backend="eager", fullgraph=True)
    torch.testing.assert_close(blocks(x, c), solve_recurrence(x, c), rtol=1e-12, atol=1e-12)


@given(rollouts, shares, shares, st.floats(-10, 10))
@settings(deadline=None)
def test_advantages_are_linear_in_rewards_and_values(rollout, gamma, lambda_, scale):
    flags = {name: rollout.pop(name) for name in ("terminated", "done")}
    scaled = gae(
        **{name: scale * x for name, x in rollout.items()}, **flags, gamma=gamma, lambda_=lambda_
    )
    once = gae(**rollout, **flags, gamma=gamma, lambda_=lambda_)
    torch.testing.assert_close(scaled, scale * once)


@given(rollouts, shares)
@settings(deadline=None)
def test_gae_with_lambda_zero_is_the_td_error(rollout, gamma):
    following = torch.where(rollout["terminated"], 0, rollout["next_value"])
    td_error = rollout["reward"] + gamma * following - rollout["value"]
    torch.testing.assert_close(gae(**rollout, gamma=gamma, lambda_=0.0), td_error)


@given(rollouts, shares)
@settings(deadline=None)
def test_gae_with_lambda_one_is_the_discounted_return_less_the_value(rollout, gamma):
    """Values within telescope, if both rows that mention V(s[t + 1]) have the same number."""
    within = torch.cat([rollout["value"][1:], rollout["next_value"][-1:]])
    rollout["next_value"] = torch.where(rollout["done"], rollout["next_value"], within)
    advantage = gae(**rollout, gamma=gamma, lambda_=1.0)
    target = discounted(**without_value(rollout), gamma=gamma)
    torch.testing.assert_close(advantage + rollout["value"], target)


def test_running_by_hand():
    """Gamma 1/2, 8 before; the episode ends after the second step, whose sum it still has."""
    found = running_return(
        column(1.0, 1.0, 3.0, 1.0), column(False, True, False, False), torch.tensor([8.0]), 0.5
    )
    assert found.flatten().tolist() == [1 + 4, 1 + 2.5, 3, 1 + 1.5]


@given(rollouts, shares, st.integers(1, 39))
@settings(deadline=None)
def test_running_goes_on_from_rollout_to_rollout(rollout, gamma, t):
    """Two halves, the second from where the first ended, are the whole."""
    reward, done = rollout["reward"], rollout["done"]
    t = t % len(reward)
    before = torch.zeros_like(reward[0])
    whole = running_return(reward, done, before, gamma)
    halves = [running_return(reward[:t], done[:t], before, gamma)] if t else []
    if t:
        before = halves[0][-1] * ~done[t - 1]
    halves.append(running_return(reward[t:], done[t:], before, gamma))
    torch.testing.assert_close(torch.cat(halves), whole)


def in_torchrl(seed):
    """A rollout of nappo2's, float32, and the arguments that TorchRL's estimators take of it."""
    ours = random_rollout(seed, 50, 4, torch.float32)
    reached = {
        "reward": ours["reward"],
        "terminated": ours["terminated"],
        "truncated": ours["done"] & ~ours["terminated"],
        "done": ours["done"],
        "state_value": ours["next_value"],
    }
    batch = TensorDict(next=reached, state_value=ours["value"], batch_size=ours["done"].shape)
    theirs = to_torchrl(batch)
    following = theirs["next"]
    arguments = {
        "next_state_value": following["state_value"],
        "reward": following["reward"],
        "done": following["done"],
        "terminated": following["terminated"],
    }
    assert following["terminated"].any() and following["truncated"].any()
    return ours, theirs["state_value"], arguments


def test_gae_is_torchrls():
    ours, value, arguments = in_torchrl(0)
    expected = gae(**ours, gamma=0.97, lambda_=0.9)
    for estimate in (generalized_advantage_estimate, vec_generalized_advantage_estimate):
        advantage, target = estimate(0.97, 0.9, value, **arguments)
        found = advantage[..., 0].T
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(target[..., 0].T, expected + ours["value"], rtol=1e-5, atol=1e-5)


def test_discounted_is_torchrls_td1_return():
    ours, _, arguments = in_torchrl(1)
    theirs = td1_return_estimate(0.97, **arguments)[..., 0].T
    expected = discounted(**without_value(ours), gamma=0.97)
    torch.testing.assert_close(theirs, expected, rtol=1e-5, atol=1e-5)


def test_torchrls_estimator_reads_a_rollout():
    """Their module ``GAE``, which finds rewards and flags by name, on observations that it values."""
    rng = torch.Generator().manual_seed(2)
    seen, reached = torch.randn(2, 50, 4, 3, generator=rng)
    critic = torch.nn.Linear(3, 1)
    ours = random_rollout(3, 50, 4, torch.float32)
    with torch.no_grad():
        ours |= {"value": critic(seen).squeeze(-1), "next_value": critic(reached).squeeze(-1)}
    following = {name: ours[name] for name in ("reward", "terminated", "done")}
    following |= {"truncated": ours["done"] & ~ours["terminated"], "observation": reached}
    rollout = TensorDict(observation=seen, next=following, batch_size=(50, 4))
    network = TensorDictModule(critic, in_keys=["observation"], out_keys=["state_value"])
    found = GAE(gamma=0.97, lmbda=0.9, value_network=network)(to_torchrl(rollout))
    expected = gae(**ours, gamma=0.97, lambda_=0.9)
    torch.testing.assert_close(found["advantage"][..., 0].T, expected, rtol=1e-5, atol=1e-5)


def test_vtrace_by_hand():
    """Ratios 2 and 1/2, bounds 1: deltas 1 (1 + 2 - 1) = 2 and (4 + 0 - 2) / 2 = 1, then 2 + 1 = 3.

    The advantage of the first step is 1 + (2 + 1) - 1 = 3, of the second (4 - 2) / 2 = 1.
    """
    log_ratio = column(2.0, 0.5).log()
    reward, value, next_value = column(1.0, 4.0), column(1.0, 2.0), column(2.0, 0.0)
    target, advantage = vtrace(
        log_ratio, reward, value, next_value, never(2, 1), never(2, 1), gamma=1.0
    )
    assert target[:, 0].tolist() == [1 + 3, 2 + 1]
    assert advantage[:, 0].tolist() == [3, 1]


@given(rollouts, shares)
def test_vtrace_without_lag_is_gae(rollout, gamma):
    """With equal policies, and any lambda, which is 1 if it is not said."""
    same_policy = torch.zeros_like(rollout["reward"])
    for lambda_ in (1.0, 0.5):
        target, _ = vtrace(same_policy, **rollout, gamma=gamma, lambda_=lambda_)
        expected = rollout["value"] + gae(**rollout, gamma=gamma, lambda_=lambda_)
        torch.testing.assert_close(target, expected)


def rlaxs(rho, reward, value, next_value, discount, lambda_):
    """Errors and advantages of one column, as ``rlax.vtrace_td_error_and_advantage`` has them."""
    clipped, error, errors = rho.clamp(max=1), 0.0, []
    for t in reversed(range(len(rho))):
        td_error = clipped[t] * (reward[t] + discount[t] * next_value[t] - value[t])
        error = td_error + discount[t] * lambda_ * clipped[t] * error
        errors.insert(0, error)
    target = torch.stack(errors) + value
    within = lambda_ * target[1:] + (1 - lambda_) * value[1:]
    following = torch.cat([within, next_value[-1:]])
    return target, clipped * (reward + discount * following - value)


@given(st.integers(1, 9), st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), st.integers(0, 99))
@settings(deadline=None)
def test_vtrace_with_any_lambda_is_rlaxs(length, lambda_, seed):
    rng = torch.Generator().manual_seed(seed)
    log_ratio, reward, value = torch.randn(3, length, generator=rng, dtype=torch.float64)
    next_value = torch.cat([value[1:], torch.ones(1, dtype=torch.float64)])
    terminated = torch.rand(length, generator=rng) < 0.3
    expected = rlaxs(
        log_ratio.exp(), reward, value, next_value, 0.9 * (~terminated).double(), lambda_
    )
    one = [x[:, None] for x in (log_ratio, reward, value, next_value, terminated, terminated)]
    found = vtrace(*one, gamma=0.9, lambda_=lambda_)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours[:, 0], theirs)


@given(rollouts, st.integers(0, 99), st.floats(0.1, 3.0), st.floats(0.1, 3.0))
def test_vtrace_is_torchrls(rollout, seed, clip_rho, clip_c):
    """At terminations and truncations too, whatever the bounds."""
    rng = torch.Generator().manual_seed(seed)
    log_ratio = torch.randn(rollout["reward"].shape, generator=rng, dtype=torch.float64) * 0.5
    target, advantage = vtrace(
        log_ratio, **rollout, gamma=torch.tensor(0.9).double(), clip_rho=clip_rho, clip_c=clip_c
    )
    theirs = {name: x.t()[..., None] for name, x in rollout.items()}
    expected, values = vtrace_advantage_estimate(
        torch.tensor(0.9).double(),
        log_ratio.t()[..., None],
        torch.zeros_like(log_ratio).t()[..., None],
        theirs["value"],
        theirs["next_value"],
        theirs["reward"],
        theirs["done"],
        theirs["terminated"],
        rho_thresh=torch.tensor(clip_rho).double(),
        c_thresh=torch.tensor(clip_c).double(),
    )
    torch.testing.assert_close(advantage, expected.squeeze(-1).t(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(target, values.squeeze(-1).t(), atol=1e-5, rtol=1e-5)

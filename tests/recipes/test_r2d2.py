"""Sequences in replay, their burn-in, and Q-learning of them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict
from torch.nn.functional import smooth_l1_loss

from nappo2 import Pipeline, Report, compose, envs, evaluate, losses, mlp
from nappo2.losses import recurrent_double_dqn
from nappo2.losses.sequences import in_time
from nappo2.maths.rescaling import hyperbolic, unscaled
from nappo2.maths.returns import discounted, lambda_return
from nappo2.networks import RecurrentQ, gru, lstm
from nappo2.params import make_params
from nappo2.recipes import R2D2, r2d2
from nappo2.schemes import SCHEMES, scheme, workers
from nappo2.stages import prioritized_replay, rolling_windows, windows
from nappo2.stages.recipe import collect_of, gradients_of, update_of
from tests.makers.recipes import scheme_arguments
from tests.makers.stepping import items_of, train_until

CONFIG = R2D2(
    num_steps=20, length=12, period=8, burn_in=4, hidden=(8, 8), capacity=100, batch_size=8,
    start_steps=100, update_ratio=0.05,
)  # fmt: skip
ENV = envs.masked_cartpole(4, time_limit=13)
RECIPE = r2d2(ENV, CONFIG)
PARAMS = RECIPE.init(0)


SINGLE_STEPS = collect_of(RECIPE.replace(rollouts=compose()))


def rollout(num=2, source=SINGLE_STEPS):
    return items_of(source, PARAMS, num)[-1]


def cut(whole, *args):
    given = Pipeline(lambda params, seed: {}, lambda params, state: (state, whole, Report()))
    return (given | windows(*args)).step(PARAMS, {})[1]


def test_windows_overlap_and_begin_with_what_was_remembered_there():
    """20 steps in windows of 12 every 8: from -4, 4 and 12, of 4 environments each.

    Of the first, 4 steps are padding; of the last, 8 are there, of which 4 are burn-in.
    """
    whole = rollout()
    found = cut(whole, 12, 8, 4)
    assert found.batch_size == (12,) and found["observation"].shape == (12, 12, 2)
    for i, (start, first, last) in enumerate([(-4, 4, 12), (4, 0, 12), (12, 0, 8)]):
        part = found[4 * i : 4 * i + 4]
        for key in ("observation", "is_init", ("next", "reward")):
            expected = whole[key][start + first : start + last]
            assert torch.equal(part[key].transpose(0, 1)[first:last], expected)
        assert part["padding"].all(0).tolist() == [True] * first + [False] * (12 - first)
        assert part["learnt"].all(0).tolist() == [4 <= t < last for t in range(12)]
        begins = torch.stack([whole["memory"][max(start, 0)], whole["memory"][start + 4]], 1)
        assert torch.equal(part["memory"], begins)
    assert found["memory"][4:, 0].any()


@given(
    num_steps=st.integers(1, 30), burn_in=st.integers(0, 9),
    rest=st.integers(1, 12), period=st.integers(1, 12),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_each_step_is_learnt_from(num_steps, burn_in, rest, period):
    """If windows begin at least as often as what is behind their burn-in is long: else gaps remain."""
    step = torch.arange(num_steps)[:, None]
    whole = TensorDict(step=step, batch_size=(num_steps, 1))
    found = cut(whole, burn_in + rest, period, burn_in)
    learnt = found["step"][found["learnt"]].tolist()
    expected = [t for t in range(num_steps) if t % period < rest]
    assert sorted(set(learnt)) == expected and (period < rest or len(learnt) == len(expected))


def rolled(lengths, length, period, burn_in):
    """What is handed on of rollouts of such lengths, of two environments that count their steps."""
    total = sum(lengths)
    step = torch.arange(total)[:, None].expand(-1, 2) + torch.tensor([0, 1000])
    whole = TensorDict(step=step, batch_size=(total, 2))
    parts = iter(whole.split(lengths))
    source = Pipeline(lambda params, seed: {}, lambda params, s: (s, next(parts), Report()))
    pipe, items = source | rolling_windows(length, period, burn_in), []
    state = pipe.init(PARAMS, 0)
    for _ in lengths:
        state, item, _ = pipe.step(PARAMS, state)
        items.append(item)
    return items


def complete(items):
    """All sequences of those items that have any."""
    return torch.cat([item for item in items if len(item)] or items[:1])


def test_sequences_go_over_the_borders_of_rollouts_by_hand():
    """Of 4 steps every 2, of which 2 burn in: -2, and 0 of the first rollout; of the second 2 and 4."""
    first, second = rolled([4, 4], 4, 2, 2)
    assert [x["step"][::2].tolist() for x in (first, second)] == [
        [[0, 0, 0, 1], [0, 1, 2, 3]],
        [[2, 3, 4, 5], [4, 5, 6, 7]],
    ]
    assert first["padding"][0].tolist() == [True, True, False, False]
    assert not first["padding"][2:].any() and not second["padding"].any()


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    burn_in=st.integers(0, 9), rest=st.integers(1, 12),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_each_step_is_learnt_from_once_whatever_the_lengths_of_rollouts(lengths, burn_in, rest):
    """As soon as it is behind the end of a sequence; and its burn-in has the steps before it."""
    items = rolled(lengths, burn_in + rest, rest, burn_in)
    found = complete(items)
    num = sum(lengths) // rest * rest
    for env, first in enumerate((0, 1000)):
        part = found[env::2]
        learnt = part["step"][part["learnt"]] if len(part) else torch.empty(0)
        assert learnt.tolist() == list(range(first, first + num))
        for row in part:
            made = row["step"][~row["padding"]]
            assert (made.diff() == 1).all()


@pytest.mark.parametrize("period", [1, 5, 9])
def test_sequences_begin_every_period_over_the_borders_too(period):
    """Also where they overlap further than the burn-in, or leave steps out."""
    found = complete(rolled([3, 7, 2, 20], 6, period, 2))[::2]
    first = found["step"][:, 2].tolist()  # of those that are learnt from
    assert first == list(range(0, 32 - 3, period))
    assert [[*map(int, row)] for row in found["learnt"]] == [[0, 0, 1, 1, 1, 1]] * len(first)


def test_a_sequence_has_the_memory_that_acted_on_either_side_of_a_border():
    """The third rollout's first sequence begins in the second, with what was remembered there."""
    whole = torch.cat(items_of(SINGLE_STEPS, PARAMS, 3))
    sequences = torch.cat(items_of(collect_of(RECIPE), PARAMS, 3))
    assert torch.equal(sequences["observation"][-4:], whole["observation"][44:56].transpose(0, 1))
    assert torch.equal(sequences["memory"][-4:], whole["memory"][[44, 48]].transpose(0, 1))
    assert len(sequences) == 4 * 7  # 60 steps of 4 environments, of which 56 are complete


def test_the_next_episodes_begin_with_padding():
    pipe, state = collect_of(RECIPE), collect_of(RECIPE).init(PARAMS, 0)
    state, _, _ = pipe.step(PARAMS, state)
    state["rolling_windows"] = state["rolling_windows"].episodes_begun()
    _, item, _ = pipe.step(PARAMS, state)
    assert item["padding"][:4, :4].all()


def test_rollouts_of_several_workers_are_not_joined():
    with pytest.raises(ValueError, match="rolling_windows does not stand right of workers"):
        SINGLE_STEPS | workers(2) | rolling_windows(4, 2)


def test_a_window_that_begins_with_its_rollout_begins_with_the_recorded_memory():
    """Its loss is that of what is behind the padding, whatever stands there."""
    params, whole = params_of(Q), sequences(4, 10)
    whole["padding"] = (torch.arange(10) < 4).expand(4, 10)
    whole["learnt"][:, :4] = False
    found, _ = recurrent_double_dqn(Q, burn_in=4, lambda_=0.5)(params, whole)
    rest = TensorDict(
        {k: x[:, 1 if k == "memory" else 4 :] for k, x in whole.items() if k != "next"}
        | {"next": {k: x[:, 4:] for k, x in whole["next"].items()}},
        batch_size=[4],
    )
    expected, _ = recurrent_double_dqn(Q, burn_in=0, lambda_=0.5)(params, rest)
    assert torch.equal(found, expected)


def test_what_is_beyond_a_rollout_or_masked_is_not_learnt():
    """Windows of 16 from -4, 4 and 12 learn 12, 12 and 4 of 20 steps. The preempted worker stops
    at 10: its windows of 12 learn 8, 2 and none of these."""
    assert cut(rollout(), 16, 8, 4)["learnt"].sum(1).tolist() == [12] * 8 + [4] * 4
    preempted = rollout(1, SINGLE_STEPS | workers(2, wait_for=1, preempt=0.5))
    learnt = cut(preempted, 12, 8, 4)["learnt"].sum(1).tolist()
    assert learnt == [8] * 8 + [8] * 4 + [2] * 4 + [4] * 4 + [0] * 4


def test_lambda_returns_by_hand():
    """Rewards 1, next values 8, gamma 1/2, lambda 1/2, no end: the last is 1 + 4 = 5, before it
    1 + (4 + 2.5) / 2 = 4.25. With lambda 1 they are discounted returns, with 0 TD targets."""
    ones, none = torch.ones(2, 1), torch.zeros(2, 1, dtype=bool)
    args = (ones, 8 * ones, none, none, 0.5)
    assert lambda_return(*args, 0.5).flatten().tolist() == [4.25, 5.0]
    assert torch.equal(lambda_return(*args, 1.0), discounted(*args))
    assert lambda_return(*args, 0.0).flatten().tolist() == [5.0, 5.0]


def test_lambda_returns_stop_at_the_end_of_an_episode():
    reward, value = torch.ones(3, 2), 8 * torch.ones(3, 2)
    terminated = torch.zeros(3, 2, dtype=bool)
    terminated[1, 0] = True
    done = terminated.clone()
    done[1, 1] = True  # truncated
    found = lambda_return(reward, value, terminated, done, 0.5, 0.5)
    assert found[1].tolist() == [1.0, 5.0]


Q = RecurrentQ(lstm(2, 5), mlp(5, 2))


def sequences(batch, length, seed=0):
    rng = torch.Generator().manual_seed(seed)
    shape = (batch, length)
    done = torch.rand(shape, generator=rng) < 0.2
    terminated = done & (torch.rand(shape, generator=rng) < 0.5)
    is_init = torch.cat([torch.zeros(batch, 1, dtype=bool), done[:, :-1]], 1)
    reached = {
        "observation": torch.randn(*shape, 2, generator=rng), "terminated": terminated,
        "reward": torch.randn(shape, generator=rng), "truncated": done & ~terminated, "done": done,
    }  # fmt: skip
    return TensorDict(
        observation=torch.randn(*shape, 2, generator=rng),
        action=torch.randint(2, shape, generator=rng),
        memory=torch.randn(batch, 2, 10, generator=rng), is_init=is_init,
        learnt=torch.ones(shape, dtype=bool), next=reached, batch_size=[batch],
    )  # fmt: skip


def params_of(q, seed=0):
    params = make_params(
        TensorDict(q=q.init(seed)), target=TensorDict(q=q.init(seed + 1)), gamma=0.9
    )
    return params.to_dict()


def test_of_one_step_it_is_double_dqn_of_memories():
    """With sequences of one step each, the memories of which are given."""
    batch, params = sequences(16, 1), params_of(Q)
    found, _ = recurrent_double_dqn(Q, burn_in=0)(params, batch)
    start = batch["memory"][:, 0]

    def values(weights, x):
        memory = start
        for observation in x.unbind(1):
            memory = Q.step(weights["q"], memory, observation)
        return Q.values(weights["q"], memory)

    seen = torch.cat([batch["observation"], batch["next", "observation"]], 1)
    reached = {name: x[:, 0] for name, x in batch["next"].items()} | {"observation": seen}
    flat = {"observation": seen[:, :1], "action": batch["action"][:, 0], "next": reached}
    expected, _ = losses.double_dqn(values)(params, flat)
    torch.testing.assert_close(found, expected)


def test_with_a_rescaling_targets_are_rescaled_returns_of_inverse_values():
    """Of one step, ``h(r + 0.9 h^-1(Q'))``, as in the paper; the mean value is not rescaled."""
    batch, params, h = sequences(16, 1), params_of(Q), hyperbolic()
    params["target"] = params["weights"]  # so that the best value is the largest
    weights, x = params["weights"]["q"], in_time(batch)
    memory = Q.step(weights, x["memory"][0], x["observation"][0])
    value = Q.values(weights, memory).gather(-1, x["action"][0][:, None]).squeeze(-1)
    following = Q.values(weights, Q.step(weights, memory, x["next"]["observation"][0])).amax(-1)
    y = x["next"]["reward"][0] + 0.9 * h.invert(following) * ~x["next"]["terminated"][0]
    found, means = recurrent_double_dqn(Q, burn_in=0, rescaling=h)(params, batch)
    torch.testing.assert_close(found, smooth_l1_loss(value, h.apply(y)))
    torch.testing.assert_close(means["value"], h.invert(value).mean())


def test_the_expected_return_is_not_rescaled():
    plain, rescaled = (r2d2(ENV, CONFIG, rescaling=x) for x in (unscaled(), hyperbolic()))
    args = PARAMS.to_dict(), torch.randn(3, 2), torch.zeros(3, 16)
    torch.testing.assert_close(
        rescaled.value(*args), hyperbolic().invert(plain.value(*args)), atol=1e-6, rtol=1e-5
    )


def test_burn_in_replaces_the_memory_and_lets_no_gradient_through():
    """It is the loss of the rest alone, from the memory that these weights have by then."""
    params, whole, burn_in = params_of(Q), sequences(4, 10), 4
    params["target"] = params["weights"]  # so that both burn in alike
    weights = params["weights"]["q"]["head"]["0"]["weight"].requires_grad_()
    cell = params["weights"]["q"]["cell"]["weight_hh"].requires_grad_()
    found, _ = recurrent_double_dqn(Q, burn_in=burn_in, lambda_=0.5)(params, whole)
    first = {k: x[:, :burn_in].transpose(0, 1) for k, x in whole.items() if k != "next"}
    with torch.no_grad():
        memory = Q.unroll(
            params["weights"]["q"], first["memory"][0], first["observation"], first["is_init"]
        )[-1]
    rest = TensorDict(
        {k: x[:, burn_in:] for k, x in whole.items() if k not in ("next", "memory")}
        | {"next": {k: x[:, burn_in:] for k, x in whole["next"].items()}},
        batch_size=[4],
    )
    rest["memory"] = memory[:, None]
    expected, _ = recurrent_double_dqn(Q, burn_in=0, lambda_=0.5)(params, rest)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, (weights, cell)),
        torch.autograd.grad(expected, (weights, cell)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_what_is_not_learnt_changes_no_loss_and_no_mean():
    """The last 3 of 8 steps: neither by their errors, nor by what precedes them, nor in what is logged."""
    params, batch = params_of(Q), sequences(4, 8)
    batch["learnt"][:, 5:] = False
    other = batch.clone()
    other["observation"][:, 5:] += 1
    other["next", "reward"][:, 5:] += 1
    loss = recurrent_double_dqn(Q, burn_in=2, lambda_=0.9)
    (first, means), (second, others) = (loss(params, x) for x in (batch, other))
    assert torch.equal(first, second) and "value_target" in means
    assert means == others


def test_what_is_seen_of_observations_can_be_normalised():
    """The loss with such a view is the loss of observations that are normalised already."""
    params, batch = params_of(Q), sequences(4, 6)
    shown = batch.clone()
    shown["observation"], shown["next", "observation"] = (
        (x - 1) / 2 for x in (batch["observation"], batch["next", "observation"])
    )
    seen = recurrent_double_dqn(Q, burn_in=2, view=lambda params, x: (x - 1) / 2)
    expected = recurrent_double_dqn(Q, burn_in=2)(params, shown)[0]
    assert torch.equal(seen(params, batch)[0], expected)
    learnt, _ = train(scheme("3cs", RECIPE))
    assert (learnt["normalizer", "observation", "std"] < 1).all()


def train(pipe):
    """A rollout feeds 4 updates, which 3cs and da2cs take in one step."""
    return train_until(pipe, PARAMS, 8)


@pytest.mark.parametrize("name", SCHEMES)
def test_it_learns_in_every_scheme(name, same):
    params, reports = train(scheme(name, RECIPE))
    assert params["version"] == 8 and torch.isfinite(reports[-1].means["loss"].value)
    assert same(params, train(scheme(name, RECIPE))[0])


@pytest.mark.parametrize("name", ["2dacs", "3ds", "da2cs"])
def test_one_worker_equals_none(name, same):
    pipe = scheme(name, RECIPE, **scheme_arguments(name, learners=1, collectors=1))
    assert same(train(pipe)[0], train(scheme("3cs", RECIPE))[0])


def test_sequences_can_be_replayed_in_proportion_to_surprise():
    """As in the paper: the priority of a sequence is, here, its mean absolute reward."""
    s = RECIPE
    replay = prioritized_replay(
        100, 8, lambda params, batch: batch["next"]["reward"].abs().mean(1), 0.05, 100
    )
    pipe = collect_of(s) | replay | gradients_of(s) | update_of(s)
    assert train(pipe)[0]["version"] == 8


def test_a_cell_and_an_agent_can_be_others():
    recipe = r2d2(ENV, CONFIG, cell=gru)
    assert recipe.init(0)["weights", "q", "cell", "cell", "weight_hh"].shape == (24, 8)
    found = evaluate(ENV, r2d2(ENV, CONFIG).greedy, PARAMS, num_episodes=4)
    assert (found.lengths <= 13).all()


def test_misfits_are_one_sentence():
    with pytest.raises(ValueError, match="r2d2 does not go with continuous actions"):
        r2d2(envs.pendulum(2))
    with pytest.raises(ValueError, match="burn_in is at least 0 and below length 12, not 12"):
        r2d2(ENV, replace(CONFIG, burn_in=12))

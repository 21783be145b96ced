"""Optimisers, against torch's."""

import math

import pytest
import torch
from torch.utils._pytree import tree_map

from nappo2 import PPO, CrossQ, envs, ppo, repeat
from nappo2.optim import (
    adam,
    adamw,
    apply_if_any,
    apply_if_finite,
    chain,
    clip_by_global_norm,
    constant,
    cosine,
    every,
    from_torch,
    linear,
    partition,
    radam,
    rmsprop,
    sgd,
    warm_up,
)
from tests.makers.tensors import randn

HYPER = {"learning_rate": torch.tensor(0.01)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (adam(), lambda p: torch.optim.Adam(p, lr=0.01)),
        (
            adam(0.8, 0.99, 1e-3),
            lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-3),
        ),
        (radam(), lambda p: torch.optim.RAdam(p, lr=0.01)),
        (
            radam(0.8, 0.99, 1e-3),
            lambda p: torch.optim.RAdam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-3),
        ),
        (sgd(), lambda p: torch.optim.SGD(p, lr=0.01)),
        (sgd(0.9), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
        (rmsprop(), lambda p: torch.optim.RMSprop(p, lr=0.01)),
        (rmsprop(0.9, 1e-3), lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-3)),
        (adamw(), lambda p: torch.optim.AdamW(p, lr=0.01)),
        (adamw(weight_decay=0.3), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3)),
        (from_torch(torch.optim.NAdam), lambda p: torch.optim.NAdam(p, lr=0.01)),
        (
            from_torch(torch.optim.Adam, amsgrad=True),
            lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
        ),
        (from_torch(torch.optim.Adagrad), lambda p: torch.optim.Adagrad(p, lr=0.01)),
        (
            from_torch(torch.optim.SGD, momentum=0.9, nesterov=True),
            lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
        ),
    ],
)
def test_fifty_steps_are_torchs(ours, theirs):
    """Down the same noisy slopes, of lengths from 0.001 to 1000, to seven digits nearly."""
    vector = randn(30)
    weights = torch.nn.Parameter(vector.clone())
    reference, state = theirs([weights]), ours.init(vector)
    slopes = randn(50, 30, seed=1) * torch.logspace(-3, 3, 30)
    for noise in slopes:
        weights.grad = weights.detach() + noise
        reference.step()
        updates, state = ours.update(vector + noise, state, HYPER, vector)
        vector = vector + updates
    torch.testing.assert_close(vector, weights.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [adam, radam])
@pytest.mark.parametrize("decays", [(0.0, 0.999), (0.9, 0.0)], ids=str)
def test_a_mean_of_the_last_gradient_alone_is_the_same_for_members(make, decays):
    """A decay of 0, which has no logarithm: of two under vmap, each moves as it does alone."""
    ours, grads = make(*decays), randn(2, 5)
    alone = [ours.update(grad, ours.init(grad), HYPER)[0] for grad in grads]
    both = torch.vmap(lambda grad: ours.update(grad, ours.init(grad), HYPER)[0])(grads)
    torch.testing.assert_close(both, torch.stack(alone))


@pytest.mark.parametrize(
    ("make", "name"),
    [(adam, "b1"), (adamw, "b2"), (radam, "b2"), (rmsprop, "decay"), (CrossQ, "beta1")],
)
def test_a_decay_is_below_one(make, name):
    """A mean with a decay of 1 stays at the 0 that it starts from, and Adam divides 0 by 0."""
    with pytest.raises(ValueError, match=f"{name} is at least 0 and below 1, not 1.0"):
        make(**{name: 1.0})


def test_the_first_step_of_adam_is_the_learning_rate():
    """Both corrections undo the zeros that mu and nu started from: a step is the gradient's sign."""
    updates, state = adam().update(torch.tensor([5.0, -0.1]), adam().init(torch.zeros(2)), HYPER)
    torch.testing.assert_close(updates, torch.tensor([-0.01, 0.01]))
    assert state.count == 1


def test_momentum_by_hand():
    """Gradients 1 and 1, momentum 1/2: the velocity is 1, then 3/2."""
    optimizer, hyper = sgd(0.5), {"learning_rate": torch.tensor(2.0)}
    first, velocity = optimizer.update(torch.ones(1), optimizer.init(torch.zeros(1)), hyper)
    second, _ = optimizer.update(torch.ones(1), velocity, hyper)
    assert (first.item(), second.item()) == (-2, -3)


@pytest.mark.parametrize("make", [adam, radam, sgd, rmsprop])
def test_an_update_changes_no_argument(make):
    """The same arguments give the same updates once more."""
    optimizer, grads = make(), randn(5)
    state = optimizer.update(grads, optimizer.init(grads), HYPER)[1]
    once, again = (optimizer.update(grads, state, HYPER)[0] for _ in range(2))
    assert torch.equal(once, again) and torch.equal(grads, randn(5))


@pytest.mark.parametrize("max_norm", [0.5, 5.0, 500.0])
def test_clipping_is_torchs(max_norm):
    """Of several tensors, raveled; their norm is 12 or so."""
    leaves = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((3, 4), (4,), (5, 5, 5))]
    for i, leaf in enumerate(leaves):
        leaf.grad = randn(*leaf.shape, seed=i)
    grads = torch.cat([leaf.grad.flatten() for leaf in leaves])
    torch.nn.utils.clip_grad_norm_(leaves, max_norm)
    theirs = torch.cat([leaf.grad.flatten() for leaf in leaves])
    ours, _ = clip_by_global_norm(max_norm).update(grads, (), HYPER)
    torch.testing.assert_close(ours, theirs, rtol=3e-6, atol=1e-6)


def test_short_gradients_are_not_clipped():
    """(3, 4) is 5 long."""
    grads = torch.tensor([3.0, 4.0])
    assert torch.equal(clip_by_global_norm(5.0).update(grads, (), HYPER)[0], grads)
    assert torch.equal(clip_by_global_norm(1.0).update(grads * 0, (), HYPER)[0], grads * 0)


def test_a_chain_applies_its_parts_in_order():
    """Clipped to 1, then times 10; or times 10, then clipped to 1."""
    grads, hyper = torch.tensor([3.0, 4.0]), {"learning_rate": torch.tensor(10.0)}
    for parts, expected in (
        ((clip_by_global_norm(1.0), sgd()), [-6.0, -8.0]),
        ((sgd(), clip_by_global_norm(1.0)), [-0.6, -0.8]),
    ):
        optimizer = chain(*parts)
        updates, state = optimizer.update(grads, optimizer.init(grads), hyper)
        torch.testing.assert_close(updates, torch.tensor(expected))
        assert len(state) == 2


def test_a_chain_of_chains_is_a_chain():
    grads = randn(5)
    flat = chain(clip_by_global_norm(1.0), adam(), sgd())
    nested = chain(chain(clip_by_global_norm(1.0), adam()), chain(sgd()))
    for _ in range(2):
        a, b = (x.update(grads, x.init(grads), HYPER)[0] for x in (flat, nested))
        assert torch.equal(a, b)


def test_linear_by_hand():
    """From 1 to 0 in 4 updates, and 0 from then on."""
    falling = linear(1.0, 0.0, 4)
    assert [falling(torch.tensor(version)).item() for version in (0, 1, 4, 9)] == [1, 0.75, 0, 0]
    rising = linear(1.0, 3.0, 2)
    assert [rising(torch.tensor(version)).item() for version in (0, 1, 2, 3)] == [1, 2, 3, 3]


def test_constant_is_constant():
    assert [constant(0.5)(torch.tensor(version)).item() for version in (0, 7)] == [0.5, 0.5]


@pytest.mark.parametrize("max_norm", [0, -1.0, math.nan])
def test_a_norm_is_above_zero(max_norm):
    with pytest.raises(ValueError, match=f"max_norm is above 0, not {max_norm}"):
        clip_by_global_norm(max_norm)


def test_a_schedule_takes_at_least_one_update():
    with pytest.raises(ValueError, match="num_updates is an integer of at least 1, not 0"):
        linear(1.0, 0.0, 0)


def test_an_optimiser_of_torch_learns_in_a_recipe_fused_as_composed(same):
    s = ppo(envs.cartpole(2), PPO(num_steps=8, num_epochs=1, num_minibatches=2, hidden=(4,)))
    s = s.replace(optimizer=from_torch(torch.optim.RAdam))
    fused, composed = s.central, s.line | repeat(2)
    results = []
    for pipe in (fused, composed):
        params = s.init(0)
        state = pipe.init(params, 0)
        for _ in range(2):
            state, params, _ = pipe.step(params, state)
        results.append(params["weights"])
    assert same(*results) and not same(results[0], s.init(0)["weights"])


def test_what_torch_refuses_is_refused_where_it_is_given():
    with pytest.raises(ValueError, match=r"from_torch cannot use SGD: .*nesterof"):
        from_torch(torch.optim.SGD, nesterof=True)
    for optimizer in (torch.optim.LBFGS, torch.optim.SparseAdam, print):
        with pytest.raises(ValueError, match="from_torch cannot use"):
            from_torch(optimizer)


def test_a_cosine_by_hand():
    """From 1 to 0 in 4 updates: cos 0, 45, 90, 135 and 180 degrees."""
    falling = cosine(1.0, 0.0, 4)
    values = [falling(torch.tensor(version)).item() for version in (0, 1, 2, 3, 4, 9)]
    assert values == pytest.approx([1, 0.853553, 0.5, 0.146447, 0, 0], abs=1e-6)


def test_a_schedule_warms_up():
    """0 to 1 in 2 updates, and then down to 0 in 4."""
    value = warm_up(2, linear(1.0, 0.0, 4))
    values = [value(torch.tensor(version)).item() for version in range(8)]
    assert values == [0, 0.5, 1, 0.75, 0.5, 0.25, 0, 0]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR
    weights = [torch.nn.Parameter(torch.zeros(1))]
    theirs = schedule(torch.optim.SGD(weights, lr=0.3), 10, eta_min=0.1)
    for version in range(10):
        expected = theirs.get_last_lr()[0]
        assert cosine(0.3, 0.1, 10)(torch.tensor(version)).item() == pytest.approx(expected)
        theirs.optimizer.step()
        theirs.step()


PARTS = {"a": torch.zeros(2), "b": torch.zeros(3)}
STATES = {
    "a tuple in a tuple": chain(clip_by_global_norm(1.0), chain(adam(), sgd(0.9))),
    "by labels": partition(PARTS, {"a": every(2, adam()), "b": adamw()}),
    "labels in labels": partition(
        {"x": PARTS}, {"x": partition(PARTS, {"a": rmsprop(), "b": sgd()})}
    ),
}


@pytest.mark.parametrize("ours", STATES.values(), ids=STATES)
def test_members_refuse_as_one_does_whatever_state_an_optimiser_has(ours):
    """Of two under vmap, the second gradient of the first is not finite."""
    optimizer = apply_if_finite(ours)
    grads = randn(3, 2, 5)
    grads[1, 0, 3] = math.nan
    vectors = torch.zeros(2, 5)
    alone = [optimizer.init(vectors[0]) for _ in range(2)]
    states = tree_map(lambda *leaves: torch.stack(leaves), *alone)
    step = torch.vmap(lambda g, s, w: optimizer.update(g, s, HYPER, w))
    expected = vectors.clone()
    for both in grads:
        updates, states = step(both, states, vectors)
        vectors = vectors + updates
        for i in range(2):
            update, alone[i] = optimizer.update(both[i], alone[i], HYPER, expected[i])
            expected[i] = expected[i] + update
    torch.testing.assert_close(vectors, expected)
    assert states.refused.tolist() == [0, 0] and vectors.isfinite().all()


@pytest.mark.parametrize("ours", [adam(), chain(clip_by_global_norm(1.0), sgd(0.9))])
def test_a_gradient_of_zeros_changes_nothing_for_one_or_for_members(ours):
    """Of two under vmap, the second gradient of the first is 0: its weights are those without it."""
    optimizer, grads = apply_if_any(ours), randn(3, 2, 5)
    grads[1, 0] = 0
    vectors = torch.zeros(2, 5)
    first = optimizer.init(vectors[0])
    states = tree_map(lambda leaf: torch.stack([leaf, leaf]), first)
    step = torch.vmap(lambda g, s, w: optimizer.update(g, s, HYPER, w))
    expected, alone, without = torch.zeros(5), first, [torch.zeros(5), first]
    for i, both in enumerate(grads):
        updates, states = step(both, states, vectors)
        vectors = vectors + updates
        update, alone = optimizer.update(both[0], alone, HYPER, expected)
        expected = expected + update
        if i != 1:
            update, state = ours.update(both[0], without[1], HYPER, without[0])
            without = [without[0] + update, state]
    torch.testing.assert_close(vectors[0], expected)
    assert torch.equal(expected, without[0])

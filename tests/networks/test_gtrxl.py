"""GTrXL: a window of the past as a memory, attention over it, and gates. That stepping through a
sequence forgets where an episode begins is tested in test_cells.py, with all cells."""

from functools import partial

import pytest
import torch
from torch.nn.functional import layer_norm, linear

from nappo2 import PPO, Impala, envs
from nappo2.networks import gtrxl, unroll
from nappo2.networks._gtrxl import attention, gate, sinusoids
from nappo2.recipes import R2D2, r2d2, recurrent_impala, recurrent_ppo
from nappo2.schemes import scheme
from nappo2.trees import walk
from tests.makers.recipes import composed, fused
from tests.makers.stepping import train, train_until
from tests.makers.tensors import randn

T, B, SIZE, HEADS, LAYERS = 9, 2, 6, 2, 2


def drawn(cell, seed=0):
    """Weights that are all drawn, biases among them."""
    weights = cell.init(seed)
    return weights.apply(lambda x: x + 0.3 * randn(*x.shape, seed=int(x.numel())))


def whole_sequence(weights, x, window, layers=LAYERS):
    """The outputs [T, B, size] of a sequence in which no episode ends, all steps at once.

    Transformer-XL's attention with a band of ``window`` steps, its formula (a + b + c + d) for each pair.
    """
    t = torch.arange(len(x))
    distance = t[:, None] - t[None]
    angle = distance[..., None] / 10_000 ** (torch.arange(0, SIZE, 2) / SIZE)
    encoding = torch.cat([angle.sin(), angle.cos()], -1)
    x = linear(x, weights["embed", "weight"], weights["embed", "bias"])
    for i in range(layers):
        w = weights[f"layer{i}"]
        a, size = w["attention"], (HEADS, SIZE // HEADS)
        normed = layer_norm(x, (SIZE,), w["norm", "weight"], w["norm", "bias"])
        q, k, v = (
            linear(normed, a[name]).unflatten(-1, size) for name in ("query", "key", "value")
        )
        r = linear(encoding, a["position"]).unflatten(-1, size)
        scores = torch.einsum("ibhd,jbhd->ijbh", q, k) + torch.einsum("ibhd,ijhd->ijbh", q, r)
        scores += torch.einsum("hd,jbhd->jbh", a["content_bias"], k)
        scores += torch.einsum("hd,ijhd->ijh", a["position_bias"], r)[:, :, None]
        seen = (distance >= 0) & (distance <= window)
        shares = (
            (scores / size[1] ** 0.5).masked_fill(~seen[..., None, None], -torch.inf).softmax(1)
        )
        attended = linear(torch.einsum("ijbh,jbhd->ibhd", shares, v).flatten(-2), a["output"])
        y = gru_gate(w["gate"], x, attended.relu())
        z = layer_norm(y, (SIZE,), w["perceptron_norm", "weight"], w["perceptron_norm", "bias"])
        for j in ("0", "2"):
            z = linear(z, w["perceptron", j, "weight"], w["perceptron", j, "bias"]).relu()
        x = gru_gate(w["perceptron_gate"], y, z)
    return x


def gru_gate(weights, x, y):
    """Equations of the paper, one weight each."""
    w_r, w_z, w_g = weights["of_y"].chunk(3)
    u_r, u_z = weights["of_x"].chunk(2)
    r = torch.sigmoid(y @ w_r.T + x @ u_r.T)
    z = torch.sigmoid(y @ w_z.T + x @ u_z.T - weights["bias"])
    return (1 - z) * x + z * torch.tanh(y @ w_g.T + (r * x) @ weights["candidate"].T)


@pytest.mark.parametrize("window", [1, 3, 20])
def test_step_by_step_it_is_the_whole_sequence(window):
    """With a window shorter than the sequence, and a longer one, of which most is empty."""
    cell = gtrxl(4, SIZE, num_layers=LAYERS, num_heads=HEADS, window=window)
    weights, xs = drawn(cell), randn(T, B, 4)
    memory = torch.zeros(B, cell.memory_size)
    _, stepped = unroll(cell, weights, memory, xs, torch.zeros(T, B, dtype=bool))
    torch.testing.assert_close(stepped, whole_sequence(weights, xs, window), atol=2e-6, rtol=1e-5)


def test_two_halves_of_a_sequence_are_the_whole():
    """The second begins with the memory that the first ended with."""
    cell = gtrxl(4, SIZE, num_layers=LAYERS, num_heads=HEADS, window=3)
    weights, xs, no_ends = drawn(cell), randn(T, B, 4), torch.zeros(T, B, dtype=bool)
    memory = torch.zeros(B, cell.memory_size)
    whole, _ = unroll(cell, weights, memory, xs, no_ends)
    first, _ = unroll(cell, weights, memory, xs[:4], no_ends[:4])
    second, _ = unroll(cell, weights, first[-1], xs[4:], no_ends[4:])
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_a_gate_by_hand():
    """Of size 1, x = 2, y = 1, W = (0, 0, 0), U_g = 1/2: r is 1/2, so that tanh(1/2) = 0.4621 is new.

    Of new weights z is sigmoid(-2) = 0.1192: 0.8808 * 2 + 0.1192 * 0.4621.
    """
    weights = {
        "of_y": torch.zeros(3, 1), "of_x": torch.zeros(2, 1),
        "candidate": torch.tensor([[0.5]]), "bias": torch.tensor([2.0]),
    }  # fmt: skip
    found = gate(weights, torch.tensor([2.0]), torch.tensor([1.0]))
    torch.testing.assert_close(found, torch.tensor([1.8167]), atol=1e-4, rtol=0)


def test_a_new_layer_is_close_to_the_identity():
    """The gates begin with b = 2, so that what is seen goes through mostly as it is."""
    cell = gtrxl(SIZE, SIZE, num_heads=HEADS)
    weights, x = cell.init(0), randn(50, SIZE)
    assert (weights["layer0", "gate", "bias"] == 2).all()
    embedded = cell.project(weights, x)
    y = cell.read(cell.advance(weights, torch.zeros(50, cell.memory_size), embedded))
    assert torch.nn.functional.cosine_similarity(y, embedded).min() > 0.6


def test_attention_by_hand():
    """Of size 1 and three steps, the first of which is not there: scores are 2 * 3 and 2 * 2 by content.

    Distances have the encoding sin(1) and 0, times 1; so shares are those of 6 + 2 sin(1) and 4.
    """
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    names = ("query", "key", "value", "position", "output")
    weights = dict.fromkeys(names, one) | {"content_bias": zero, "position_bias": zero}
    steps, there = torch.tensor([[100.0], [3.0], [2.0]]), torch.tensor([False, True, True])
    share = torch.tensor(6 + 2 * 0.84147 - 4).sigmoid()
    found = attention(weights, steps, there, sinusoids(2, 1))
    torch.testing.assert_close(found, 3 * share[None] + 2 * (1 - share), atol=1e-5, rtol=0)


def test_nothing_of_the_past_remains_after_a_reset():
    """No number of what was before has a gradient, and the window is as long as the new episode."""
    cell = gtrxl(4, SIZE, num_layers=LAYERS, num_heads=HEADS, window=5)
    weights, xs = drawn(cell), randn(T, B, 4).requires_grad_()
    memory = randn(B, cell.memory_size).requires_grad_()
    is_init = torch.zeros(T, B, dtype=bool)
    is_init[4] = True
    memories, y = unroll(cell, weights, memory, xs, is_init)
    before, first = torch.autograd.grad(y[4:].square().sum(), (xs, memory))
    assert not before[:4].any() and not first.any() and before[4:].any(-1).all()
    assert memories[4:, 0, SIZE].tolist() == [1, 2, 3, 4, 5]


def test_gradients_flow_through_the_window():
    """From the last step to all weights, and to as many steps as layers reach: two layers, two each."""
    cell = gtrxl(4, SIZE, num_layers=2, num_heads=HEADS, window=2)
    weights, xs = drawn(cell).apply(lambda x: x.requires_grad_()), randn(T, B, 4).requires_grad_()
    memory = torch.zeros(B, cell.memory_size)
    _, y = unroll(cell, weights, memory, xs, torch.zeros(T, B, dtype=bool))
    leaves = [leaf for _, leaf in walk(weights)]
    seen, *grads = torch.autograd.grad(y[-1].square().sum(), (xs, *leaves))
    assert all(grad.any() for grad in grads)
    assert seen.any(-1).any(-1).tolist() == [False] * 4 + [True] * 5


def test_heads_that_do_not_divide_the_size_are_refused():
    with pytest.raises(ValueError, match="num_heads divides the size of the layers, 6; 4 does not"):
        gtrxl(4, 6)


ENV = envs.masked_cartpole(4, time_limit=13)
CELL = partial(gtrxl, num_layers=1, num_heads=2, window=4)
SMALL = {"hidden": (8, 8)}
RECIPES = {
    "recurrent_ppo": lambda: recurrent_ppo(
        ENV, PPO(num_steps=8, num_epochs=1, num_minibatches=2, **SMALL), cell=CELL
    ),
    "recurrent_impala": lambda: recurrent_impala(ENV, Impala(num_steps=8, **SMALL), cell=CELL),
    "r2d2": lambda: r2d2(
        ENV,
        R2D2(
            num_steps=8, length=6, period=4, burn_in=2, capacity=64, batch_size=4, start_steps=32,
            update_ratio=0.05, **SMALL,
        ),
        cell=CELL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_learn_with_it(name):
    recipe = RECIPES[name]()
    params, reports = train_until(scheme("3cs", recipe), recipe.init(0), 2)
    assert torch.isfinite(reports[-1].means["loss"].value) and params["version"] >= 2


def test_learning_from_sequences_in_one_step_is_learning_in_many(same):
    """Fused as composed, to the last bit."""
    s = RECIPES["recurrent_ppo"]()
    one, _ = train(fused(s), s.init(0), 2)
    many, _ = train(composed(s), s.init(0), 4)
    assert same(one, many)


@pytest.mark.learning  # as compiling takes minutes
@pytest.mark.timeout(3600)
def test_compiled_it_learns_the_same():
    """Within 1e-5 after two updates of rollouts of 2 steps; each step of a sequence is compiled anew."""
    found = []
    for jit in (False, True):
        config = PPO(num_steps=2, num_epochs=1, num_minibatches=1, jit=jit, **SMALL)
        s = recurrent_ppo(ENV, config, cell=CELL)
        params, _ = train_until(scheme("3cs", s), s.init(0), 2)
        found.append(params["weights"])
    for (_, ours), (_, theirs) in zip(walk(found[0]), walk(found[1]), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)

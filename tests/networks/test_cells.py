"""Cells and agents that remember, against torch's own and against stepping."""

import pytest
import torch

from nappo2 import from_module, make_params, mlp, ravel
from nappo2.networks import (
    gru,
    gtrxl,
    lstm,
    normalized,
    recurrent_actor_critic,
    separate_recurrent_actor_critic,
    side_by_side,
    unroll,
    with_log_std,
    with_torso,
)
from tests.makers.tensors import randn

T, B = 7, 3
CELLS = {
    "gru": gru(4, 5),
    "lstm": lstm(4, 5),
    "torso": with_torso(mlp(4, 6), gru(6, 5)),
    "gtrxl": gtrxl(4, 6, num_layers=2, num_heads=2, window=3),
    "side_by_side": side_by_side(gru(4, 5), lstm(4, 2)),
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def stepped(cell, weights, memory, xs, is_init):
    memories, ys = [], []
    for x, begins in zip(xs, is_init, strict=True):
        memory, y = cell.apply(weights, memory * ~begins[:, None], x)
        memories.append(memory)
        ys.append(y)
    return torch.stack(memories), torch.stack(ys)


@pytest.mark.parametrize(
    ("make", "module"), [(gru, torch.nn.GRU), (lstm, torch.nn.LSTM)], ids=["gru", "lstm"]
)
def test_cells_are_torchs(make, module):
    """On the same weights, from a memory that is not 0, to 1e-6."""
    theirs, cell = module(4, 5), make(4, 5)
    weights = {name.removesuffix("_l0"): p.detach() for name, p in theirs.named_parameters()}
    xs, memory = randn(T, B, 4), randn(B, cell.memory_size, seed=1)
    parts = tuple(part.contiguous()[None] for part in memory.split(5, -1))
    ys, last = theirs(xs, parts if len(parts) == 2 else parts[0])
    memories, result = unroll(cell, weights, memory, xs, torch.zeros(T, B, dtype=bool))
    torch.testing.assert_close(result, ys, atol=1e-6, rtol=0)
    last = torch.cat(last, -1) if isinstance(last, tuple) else last
    torch.testing.assert_close(memories[-1], last[0], atol=1e-6, rtol=0)


@every_cell
def test_an_unroll_is_as_many_steps_that_forget_where_an_episode_begins(cell):
    weights, xs, memory = cell.init(0), randn(T, B, 4), randn(B, cell.memory_size, seed=1)
    is_init = torch.zeros(T, B, dtype=bool)
    is_init[0, 1] = is_init[3, 0] = is_init[4, 2] = True
    actual, expected = (
        unroll(cell, weights, memory, xs, is_init),
        stepped(cell, weights, memory, xs, is_init),
    )
    assert actual[0].shape == (T, B, cell.memory_size) and actual[1].shape == (T, B, cell.size)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@every_cell
def test_what_an_episode_ended_before_is_forgotten(cell):
    """From its beginning on, an episode is the same whatever was before it."""
    weights, xs = cell.init(0), randn(T, B, 4)
    is_init = torch.zeros(T, B, dtype=bool)
    is_init[3] = True
    memory = randn(B, cell.memory_size)
    whole, _ = unroll(cell, weights, memory, xs, is_init)
    alone, _ = unroll(cell, weights, 0 * memory, xs[3:], is_init[3:])
    torch.testing.assert_close(whole[3:], alone, atol=1e-6, rtol=0)


@every_cell
def test_populations_of_cells_are_vmapped(cell):
    """Two members with weights of their own, in one call."""
    members = [cell.init(seed) for seed in (0, 1)]
    vectors, (_, unravel) = torch.stack([ravel(w)[0] for w in members]), ravel(members[0])
    xs, memory = randn(T, B, 4), torch.zeros(B, cell.memory_size)
    is_init = torch.zeros(T, B, dtype=bool)
    result = torch.func.vmap(lambda v: unroll(cell, unravel(v), memory, xs, is_init)[1])(vectors)
    for member, ours in zip(members, result, strict=True):
        theirs = unroll(cell, member, memory, xs, is_init)[1]
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["side_by_side", "gtrxl"])
def test_cells_compile_in_one_graph(name):
    """As the tracer sees them; what the C++ compiler makes of it is its own affair."""
    cell = CELLS[name]
    weights, xs, memory = cell.init(0).to_dict(), randn(2, B, 4), torch.zeros(B, cell.memory_size)
    is_init = torch.zeros(2, B, dtype=bool)
    compiled = torch.compile(
        lambda w, m, x, i: unroll(cell, w, m, x, i), fullgraph=True, backend="aot_eager"
    )
    for ours, theirs in zip(
        compiled(weights, memory, xs, is_init),
        unroll(cell, weights, memory, xs, is_init),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def agents():
    heads = mlp(5, 2), mlp(5, 1)
    shared = recurrent_actor_critic(gru(4, 5), *heads)
    separate = separate_recurrent_actor_critic(lstm(4, 5), heads[0], gru(4, 5), heads[1])
    return {"shared": shared, "separate": separate, "log_std": with_log_std(shared, 2)}


def rollout(agent, **more):
    is_init = torch.zeros(T, B, dtype=bool)
    is_init[4, 1] = True
    memory = randn(B, agent.memory_size, seed=2).expand(T, -1, -1)
    return {"observation": randn(T, B, 4), "memory": memory, "is_init": is_init} | more


@pytest.mark.parametrize("name", ["shared", "separate", "log_std"])
def test_an_agent_sees_in_a_rollout_what_it_saw_step_by_step(name):
    agent = agents()[name]
    params = make_params(agent.init(0)).to_dict()
    batch = rollout(agent)
    outputs, value = agent.outputs_and_values(params, batch)
    memory = batch["memory"][0]
    for t in range(T):
        memory = memory * ~batch["is_init"][t][:, None]
        memory = agent.step(params, memory, batch["observation"][t])
        expected = agent.heads.both(params, memory)
        torch.testing.assert_close(outputs[t], expected[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(value[t], expected[1], atol=1e-6, rtol=1e-5)


def test_separate_cores_share_nothing():
    """The value depends on no weight of the actor's, and the action on none of the critic's."""
    agent = agents()["separate"]
    params = make_params(agent.init(0)).to_dict()
    for branch, other in (("first", 1), ("second", 0)):
        changed = {**params, "weights": {**params["weights"]}}
        core = params["weights"]["core"]
        changed["weights"]["core"] = core | {
            branch: {name: 2 * w for name, w in core[branch].items()}
        }
        results = [agent.outputs_and_values(p, rollout(agent)) for p in (params, changed)]
        assert torch.equal(results[0][other], results[1][other])
        assert not torch.equal(results[0][1 - other], results[1][1 - other])


def test_a_normalised_agent_sees_standard_deviations_from_the_mean():
    plain = agents()["shared"]
    agent = normalized(plain, (4,))
    params = make_params(agent.init(0), normalizer=agent.normalizer())
    params["normalizer", "observation", "mean"] += 1
    params["normalizer", "observation", "std"] *= 2
    batch = rollout(agent)
    actual = agent.unroll(params.to_dict(), batch)
    shown = batch | {"observation": (batch["observation"] - 1) / 2}
    expected = plain.unroll(params.to_dict(), shown)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


def test_a_module_can_be_a_torso():
    cell = with_torso(from_module(lambda: torch.nn.Linear(4, 6)), gru(6, 5))
    memory, y = cell.apply(cell.init(0), torch.zeros(B, 5), randn(B, 4))
    assert memory.shape == y.shape == (B, 5)

"""SAC and TD3 of sequences: an actor and critics with a memory, and what their losses are of."""

from dataclasses import replace

import pytest
import torch
from tensordict import TensorDict

from nappo2 import envs, losses
from nappo2.losses.sequences import mean_of_learnt
from nappo2.networks import actor_critics, gru, lstm, mlp, recurrent_actor_critics, with_temperature
from nappo2.params import make_params
from nappo2.recipes import RecurrentSAC, RecurrentTD3, recurrent_sac, recurrent_td3
from nappo2.schemes import SCHEMES, scheme
from tests.makers.stepping import train_until

INPUTS, ACTIONS, N, L, BURN_IN = 2, 1, 4, 7, 3
SMALL = {
    **{"num_steps": 8, "length": 6, "period": 4, "burn_in": 2, "hidden": (8, 8)},
    **{"capacity": 40, "batch_size": 4, "start_steps": 16},
}
ENV = envs.masked_pendulum(2, time_limit=9)
RECIPES = {
    "recurrent_sac": lambda **c: recurrent_sac(ENV, RecurrentSAC(**SMALL | c)),
    "recurrent_td3": lambda **c: recurrent_td3(ENV, RecurrentTD3(**SMALL | c)),
}


def soft_agent(cell=lstm):
    heads = mlp(5, 2 * ACTIONS), mlp(5 + ACTIONS, 1)
    return with_temperature(
        recurrent_actor_critics(cell(INPUTS, 5), heads[0], cell(INPUTS, 5), heads[1]), 0.5
    )


def sequences(agent, length=L, seed=0):
    """A batch [N] of sequences in which episodes end, with noise for SAC."""
    rng = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(N, length, *shape, generator=rng)

    done = torch.rand(N, length, generator=rng) < 0.3
    terminated = done & (randn() > 0)
    is_init = torch.cat([torch.zeros(N, 1, dtype=bool), done[:, :-1]], 1)
    after = {
        "observation": randn(INPUTS),
        "reward": randn(),
        "terminated": terminated,
        "done": done,
    }
    return TensorDict(
        observation=randn(INPUTS),
        action=randn(ACTIONS).tanh(),
        noise=randn(ACTIONS),
        next_noise=randn(ACTIONS),
        memory=torch.randn(N, 2, agent.memory_size, generator=rng),
        is_init=is_init,
        padding=torch.zeros(N, length, dtype=bool),
        learnt=torch.ones(N, length, dtype=bool),
        next=after,
        batch_size=[N],
    )


def params_of(agent):
    weights, target = agent.init(0), agent.init(1)
    return make_params(weights, target=target, gamma=0.9).to_dict()


def sac_loss(agent, burn_in):
    loss = losses.sac(agent.of_sequences(burn_in), target_entropy=-1.0)
    return losses.over_sequences(loss, burn_in)


def test_a_loss_of_sequences_is_that_of_transitions_of_memories():
    """Each step by itself: SAC of the memories that a loop over the steps has reached."""
    agent = soft_agent()
    params, batch = params_of(agent), sequences(agent)
    online, slow = (
        {"weights": params[name] if name == "weights" else {**params["weights"], **params[name]}}
        for name in ("weights", "target")
    )
    memory = {"online": batch["memory"][:, 0], "slow": batch["memory"][:, 0]}
    steps = []
    for t in range(L):
        keep, x = ~batch["is_init"][:, t, None], batch["observation"][:, t]
        reached = batch["next", "observation"][:, t]
        sides = (("online", online), ("slow", slow))
        memory = {k: agent.step(p, memory[k] * keep, x) for k, p in sides}
        after = {k: agent.step(p, memory[k], reached) for k, p in sides}
        steps.append((memory, after))
    kept = steps[BURN_IN:]
    actor_size = agent.actor_cell.memory_size

    def both(pair):  # the actor's memory of the online weights, the critics' of the targets
        return torch.cat([pair["online"][:, :actor_size], pair["slow"][:, actor_size:]], -1)

    rest = {
        key: batch[key][:, BURN_IN:].transpose(0, 1) for key in ("action", "noise", "next_noise")
    }
    following = {k: batch["next", k][:, BURN_IN:].transpose(0, 1) for k in ("reward", "terminated")}
    flat = {k: x.flatten(0, 1) for k, x in rest.items()}
    flat["observation"] = torch.cat([now["online"] for now, _ in kept])
    flat["next"] = {k: x.flatten(0, 1) for k, x in following.items()}
    flat["next"]["observation"] = torch.cat([both(after) for _, after in kept])
    expected, theirs = losses.sac(agent.of_memories(), target_entropy=-1.0)(params, flat)
    found, ours = sac_loss(agent, BURN_IN)(params, batch)
    torch.testing.assert_close(found, expected)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name])


def td3_agent():
    heads = mlp(5, ACTIONS), mlp(5 + ACTIONS, 1)
    return recurrent_actor_critics(lstm(INPUTS, 5), heads[0], lstm(INPUTS, 5), heads[1])


def td3_loss(agent, burn_in):
    return losses.over_sequences(losses.td3(agent.of_sequences(burn_in)), burn_in)


@pytest.mark.parametrize(("agent", "loss_of"), [(soft_agent(), sac_loss), (td3_agent(), td3_loss)])
def test_what_is_not_learnt_changes_no_loss_and_no_mean(agent, loss_of):
    """The last 2 of 7 steps: neither their errors, nor what the actor gets of them, nor what is logged."""
    params, batch = params_of(agent), sequences(agent)
    batch["learnt"][:, 5:] = False
    other = batch.clone()
    other["observation"][:, 5:] += 1
    other["next", "reward"][:, 5:] += 1
    other["noise"][:, 5:] += 1
    loss = loss_of(agent, BURN_IN)
    (first, means), (second, others) = (loss(params, x) for x in (batch, other))
    assert torch.equal(first, second) and "value_target" in means
    assert means == others


def test_means_of_what_is_learnt_by_hand():
    """Of 1, 2, 6 and 9 the first two are learnt: 1.5."""
    x, learnt = torch.tensor([[1.0, 2.0], [6.0, 9.0]]), torch.tensor([[True, True], [False, False]])
    assert mean_of_learnt(x, {"learnt": learnt}).item() == 1.5
    assert mean_of_learnt(x, {}).item() == 4.5
    assert mean_of_learnt(x, {"learnt": torch.zeros(2, 2, dtype=bool)}).item() == 0


def test_no_gradient_reaches_the_burn_in():
    """The loss has a gradient by the observations of the steps behind it, of cells alone by none before."""
    agent = soft_agent()
    params, batch = params_of(agent), sequences(agent)
    batch["observation"].requires_grad_()
    sac_loss(agent, BURN_IN)(params, batch)[0].backward()
    moved = batch["observation"].grad.abs().sum((0, 2)) > 0
    assert moved.tolist() == [False] * BURN_IN + [True] * (L - BURN_IN)


def test_the_actors_loss_moves_no_critic_and_the_critics_no_actor():
    agent = soft_agent()
    params, batch = params_of(agent), sequences(agent)
    leaves = TensorDict(params["weights"]).flatten_keys(".")
    for leaf in leaves.values():
        leaf.requires_grad_()
    _, means = sac_loss(agent, BURN_IN)(params, batch)
    for name, own in (("actor_loss", "actor"), ("critic_loss", "critics")):
        grads = torch.autograd.grad(
            means[name], list(leaves.values()), retain_graph=True, allow_unused=True
        )
        moved = {
            key.split(".")[0]
            for key, grad in zip(leaves.keys(), grads, strict=True)
            if grad is not None and grad.any()
        }
        assert moved == {own}


@pytest.mark.parametrize("name", RECIPES)
def test_it_learns_in_every_scheme_that_one_worker_equals_none_of(name, same):
    recipe = RECIPES[name]()
    first, _ = train_until(scheme("3cs", recipe), recipe.init(0), 4)
    assert first["weights", "critics", "cell"].isfinite().all()
    for word in ("2dacs", "da2cs"):
        options = {"learners": 1} if word == "2dacs" else {"collectors": 1}
        assert same(train_until(scheme(word, recipe, **options), recipe.init(0), 4)[0], first)
    assert recipe.compatible.scheme == SCHEMES or set(recipe.compatible.scheme) == set(SCHEMES)


@pytest.mark.parametrize("cell", [gru, lstm])
@pytest.mark.parametrize("make", [recurrent_sac, recurrent_td3])
def test_cells_can_be_others(make, cell):
    config = (RecurrentSAC if make is recurrent_sac else RecurrentTD3)(**SMALL)
    recipe = make(ENV, config, cell=cell)
    rows = {gru: 3 * 8, lstm: 4 * 8}[cell]
    assert recipe.init(0)["weights", "actor", "cell", "cell", "weight_hh"].shape == (rows, 8)


def test_misfits_are_one_sentence():
    with pytest.raises(ValueError, match="recurrent_sac does not go with discrete actions"):
        recurrent_sac(envs.cartpole(2))
    with pytest.raises(ValueError, match="hidden needs at least two sizes"):
        recurrent_td3(ENV, replace(RecurrentTD3(), hidden=(8,)))
    with pytest.raises(ValueError, match=r"agent is an? .*RecurrentActorCritics"):
        recurrent_td3(ENV, agent=actor_critics(mlp(2, 1), mlp(3, 1)))
    with pytest.raises(ValueError, match="recurrent_sac learns a temperature"):
        agent = recurrent_actor_critics(lstm(2, 5), mlp(5, 2), lstm(2, 5), mlp(6, 1))
        recurrent_sac(ENV, agent=agent)

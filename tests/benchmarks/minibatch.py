"""One PPO minibatch of ``learn``, beside the loop of nn.Module, clip_grad_norm_ and torch.optim.Adam.

26 inputs, separate 64-64 tanh actor and critic, six continuous actions, minibatches of 64; the
loss is the same, formula by formula.
"""

from time import perf_counter

import torch
from tensordict import TensorDict
from torch import nn

from nappo2 import losses, optim
from nappo2.maths.distributions import normal
from nappo2.networks import actor_critic, mlp, with_log_std
from nappo2.params import make_params
from nappo2.stages.learn import epochs
from nappo2.stages.minibatches import shuffled

SIZE, NUM_EPOCHS, NUM_MINIBATCHES = 2048, 2, 32
HYPER = {"learning_rate": 3e-4, "gamma": 0.99, "clip_eps": 0.2, "entropy_coef": 0.0}


def batch() -> dict:
    rng = torch.Generator().manual_seed(0)
    return {
        "observation": torch.randn(SIZE, 26, generator=rng),
        "action": torch.randn(SIZE, 6, generator=rng),
        "action_log_prob": torch.randn(SIZE, generator=rng) - 8,
        "advantage": torch.randn(SIZE, generator=rng),
        "value_target": torch.randn(SIZE, generator=rng),
    }


def ours():
    """A function that takes all minibatches of some epochs."""
    agent = with_log_std(actor_critic(mlp(26, 64, 64, 6), mlp(26, 64, 64, 1)), 6)
    loss = losses.ppo(agent, normal())
    optimizer = optim.chain(optim.clip_by_global_norm(0.5), optim.adam(eps=1e-5))
    params, data = make_params(agent.init(0), **HYPER), batch()
    vector = torch.cat([x.reshape(-1) for x in params["weights"].values(True, True)])
    state = optimizer.init(vector)

    @torch.no_grad()
    def run():
        orders = shuffled(SIZE, NUM_EPOCHS, NUM_MINIBATCHES, torch.Generator().manual_seed(0))
        epochs(loss, optimizer, params, state, data, orders)

    return run


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Linear(26, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
        self.actor = nn.Sequential(*layers, nn.Linear(64, 6))
        layers = [nn.Linear(26, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
        self.critic = nn.Sequential(*layers, nn.Linear(64, 1))
        self.log_std = nn.Parameter(torch.zeros(6))

    def forward(self, x):
        mean = self.actor(x)
        return torch.cat([mean, self.log_std.expand_as(mean)], -1), self.critic(x).squeeze(-1)


def theirs():
    """The same with a module, its backward and torch's optimiser."""
    module, data = Module(), TensorDict(batch(), batch_size=SIZE).to_dict()
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-4, eps=1e-5)
    agent = actor_critic(mlp(1, 1), mlp(1, 1))._replace(both=lambda params, x: module(x))
    loss = losses.ppo(agent, normal())
    params = {"hyper": {name: torch.tensor(x) for name, x in HYPER.items()}}

    def run():
        orders = shuffled(SIZE, NUM_EPOCHS, NUM_MINIBATCHES, torch.Generator().manual_seed(0))
        for part in orders.flatten(0, 1):
            minibatch = {key: x[part] for key, x in data.items()}
            value, _ = loss(params, minibatch)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 0.5)
            optimizer.step()

    return run


def seconds(run) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def main(rounds: int = 15) -> dict:
    torch.set_num_threads(1)
    runs = {"learn": ours(), "module": theirs()}
    times = {name: [] for name in runs}
    for _ in range(rounds + 2):
        for name, run in runs.items():
            times[name].append(seconds(run) / (NUM_EPOCHS * NUM_MINIBATCHES))
    medians = {name: torch.tensor(found[2:]).median().item() for name, found in times.items()}
    return {
        "figure": "PPO minibatch, eager: module / learn",
        "ratio": round(medians["module"] / medians["learn"], 3),
        "microseconds": {name: round(1e6 * x, 1) for name, x in medians.items()},
        "at_least": 1.25,
    }


if __name__ == "__main__":
    import json

    print(json.dumps(main()))

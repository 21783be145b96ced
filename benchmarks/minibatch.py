"""One PPO minibatch of ``learn``, beside the loop of nn.Module, clip_grad_norm_ and torch.optim.Adam.

26 inputs, separate 64-64 tanh actor and critic, six continuous actions, minibatches of 64; the
loss is the same, formula by formula.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import torch
from tensordict import TensorDict
from torch import nn

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import losses, optim
from nappo2.maths.distributions import normal
from nappo2.networks import actor_critic, mlp, with_log_std
from nappo2.params import make_params
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.stages import all_minibatches, learn

SIZE, NUM_EPOCHS, NUM_MINIBATCHES = 2048, 2, 32
CLIPPED_ADAM = optim.chain(optim.clip_by_global_norm(0.5), optim.adam(eps=1e-5))
HYPER = {"learning_rate": 3e-4, "gamma": 0.99, "clip_eps": 0.2, "entropy_coef": 0.0}


def rollout() -> TensorDict:
    rng = torch.Generator().manual_seed(0)
    made = TensorDict(
        observation=torch.randn(SIZE, 26, generator=rng),
        action=torch.randn(SIZE, 6, generator=rng),
        action_log_prob=torch.randn(SIZE, generator=rng) - 8,
        advantage=torch.randn(SIZE, generator=rng),
        value_target=torch.randn(SIZE, generator=rng),
        params_version=torch.zeros(SIZE, dtype=torch.int64),
        batch_size=SIZE,
    )
    return made.reshape(256, 8)


def ours(jit: bool, optimizer: optim.GradientTransformation = CLIPPED_ADAM) -> Callable[[], None]:
    """A function that takes all minibatches of some epochs."""
    agent = with_log_std(actor_critic(mlp(26, 64, 64, 6), mlp(26, 64, 64, 1)), 6)
    same = rollout()
    source = Pipeline(lambda params, seed: {}, lambda params, state: (state, same, Report()))
    loss = losses.ppo(agent, normal())
    pipeline = (
        source | all_minibatches(NUM_EPOCHS, NUM_MINIBATCHES) | learn(loss, optimizer, jit=jit)
    )
    params = make_params(agent.init(0), **HYPER)
    state = pipeline.init(params, 0)

    def run():
        nonlocal params, state
        state, params, _ = pipeline.step(params, state)

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


def theirs() -> Callable[[], None]:
    """The same with a module, its backward and torch's optimiser."""
    module, data = Module(), rollout().reshape(-1).exclude("params_version").to_dict()
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-4, eps=1e-5)
    agent = actor_critic(mlp(1, 1), mlp(1, 1))._replace(both=lambda params, x: module(x))
    loss = losses.ppo(agent, normal())
    params = {"hyper": {name: torch.tensor(x) for name, x in HYPER.items()}}

    def run():
        for _ in range(NUM_EPOCHS):
            for part in torch.randperm(SIZE).chunk(NUM_MINIBATCHES):
                minibatch = {key: x[part] for key, x in data.items()}
                value, _ = loss(params, minibatch)
                optimizer.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(module.parameters(), 0.5)
                optimizer.step()

    return run


def microseconds(run: Callable[[], None]) -> Iterator[float]:
    """The microseconds of a minibatch, again and again."""
    while True:
        start = perf_counter()
        run()
        yield (perf_counter() - start) / (NUM_EPOCHS * NUM_MINIBATCHES) * 1e6


def measure(rounds: int = 25) -> list[dict]:
    taken = interleaved(
        rounds,
        eager=microseconds(ours(jit=False)),
        compiled=microseconds(ours(jit=True)),
        module=microseconds(theirs()),
    )
    eager, compiled, module = taken.values()
    return [
        figure("PPO minibatch: module / learn", ratios(module, eager), at_least=1.25),
        figure("PPO minibatch: module / learn, jit", ratios(module, compiled), at_least=5),
        figure("PPO minibatch: learn", eager, "us"),
        figure("PPO minibatch: learn, jit", compiled, "us"),
        figure("PPO minibatch: module", module, "us"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))

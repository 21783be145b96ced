"""DQN on Gymnasium's CartPole beside Stable-Baselines3 and a script as CleanRL's, with one thread.

CleanRL's numbers for CartPole: one environment, a perceptron of 120 and 84 ReLUs, batches of 128 from
10,000 transitions, an update per ten env steps, a copy to the target per 500. Of the actions one in twenty
is drawn, as towards the end of a run. A turn is 1,000 env steps. nappo2 learns after each ten env steps, as
the others do, or after each hundred, ten batches at once.
"""

import random
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from benchmarks.cartpole import make, rates
from benchmarks.figures import figure, interleaved, ratios, report
from benchmarks.soft import running
from nappo2 import DQN, dqn, envs

CAPACITY, BATCH, START, EVERY, COPY, RATE, GAMMA = 10_000, 128, 1_000, 10, 500, 2.5e-4, 0.99
EPSILON = 0.05
HIDDEN, TURN = (120, 84), 1_000


def ours(num_steps: int, jit: bool) -> Iterator[float]:
    """Env steps/s."""
    config = DQN(
        num_steps=num_steps,
        capacity=CAPACITY,
        batch_size=BATCH,
        update_ratio=1 / EVERY,
        start_steps=START,
        learning_rate=RATE,
        gamma=GAMMA,
        target_step_size=1.0,
        target_delay=COPY // EVERY,
        epsilon=EPSILON,
        exploration_updates=1,
        hidden=HIDDEN,
        orthogonal=False,
        jit=jit,
    )
    return running(dqn(envs.from_gym("CartPole-v1", 1), config), START, turn=TURN)


def stable_baselines() -> Iterator[float]:
    """Env steps/s."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.logger import Logger

    model = DQN(
        "MlpPolicy", make(), learning_rate=RATE, buffer_size=CAPACITY, learning_starts=START,
        batch_size=BATCH, gamma=GAMMA, train_freq=EVERY, gradient_steps=1,
        target_update_interval=COPY, exploration_initial_eps=EPSILON,
        exploration_final_eps=EPSILON, seed=0, device="cpu",
        policy_kwargs={"net_arch": list(HIDDEN)},
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    model.learn(START)
    return rates(lambda: model.learn(TURN, reset_num_timesteps=False), TURN)


def script() -> Iterator[float]:
    """Env steps/s of one loop with a buffer of SB3's, modules and torch.optim, as CleanRL's dqn.py."""
    from stable_baselines3.common.buffers import ReplayBuffer

    env = gymnasium.wrappers.RecordEpisodeStatistics(make())
    online, target = network(env), network(env)
    target.load_state_dict(online.state_dict())
    optimizer = torch.optim.Adam(online.parameters(), lr=RATE)
    spaces = env.observation_space, env.action_space
    buffer = ReplayBuffer(CAPACITY, *spaces, "cpu", handle_timeout_termination=False)
    observation, step = env.reset(seed=0)[0], 0

    def act() -> int:
        if random.random() < EPSILON:
            return int(env.action_space.sample())
        with torch.no_grad():
            return int(online(torch.as_tensor(observation)).argmax())

    def learn() -> None:
        data = buffer.sample(BATCH)
        with torch.no_grad():
            best = target(data.next_observations).max(1).values
            aim = data.rewards.flatten() + GAMMA * best * (1 - data.dones.flatten())
        value = online(data.observations).gather(1, data.actions).squeeze()
        loss = mse_loss(aim, value)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def run(num_steps: int = TURN) -> None:
        nonlocal observation, step
        for _ in range(num_steps):
            action = np.array([act()])
            after, reward, terminated, truncated, _ = env.step(action.item())
            buffer.add(observation, after, action, np.array([reward]), np.array([terminated]), [{}])
            observation = env.reset()[0] if terminated or truncated else after
            step += 1
            if step > START and step % EVERY == 0:
                learn()
            if step % COPY == 0:
                target.load_state_dict(online.state_dict())

    run(START)
    return rates(run, TURN)


def network(env: gymnasium.Env) -> nn.Module:
    """A perceptron of observations to values."""
    sizes = (*env.observation_space.shape, *HIDDEN)
    layers = [[nn.Linear(*pair), nn.ReLU()] for pair in pairwise(sizes)]
    return nn.Sequential(*(x for pair in layers for x in pair), nn.Linear(HIDDEN[-1], 2))


def measure(rounds: int = 12) -> list[dict]:
    turns: dict[str, Callable[[], Iterator[float]]] = {
        "nappo2": lambda: ours(10, False),
        "nappo2, jit": lambda: ours(10, True),
        "nappo2, ten batches at once": lambda: ours(100, False),
        "nappo2, ten batches at once, jit": lambda: ours(100, True),
        "SB3": stable_baselines,
        "CleanRL's loop": script,
    }
    found = interleaved(rounds, **{name: begin() for name, begin in turns.items()})
    sb3, loop = found["SB3"], found["CleanRL's loop"]
    figures = []
    for name in list(found)[:4]:
        figures += [
            figure(f"DQN, CartPole, env steps/s: {name} / SB3", ratios(found[name], sb3)),
            figure(
                f"DQN, CartPole, env steps/s: {name} / CleanRL's loop", ratios(found[name], loop)
            ),
        ]
    return [
        *figures,
        *(figure(f"DQN, CartPole, env steps/s: {k}", x, "1/s") for k, x in found.items()),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))

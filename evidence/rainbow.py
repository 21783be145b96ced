"""Double DQN with each piece of Rainbow (https://arxiv.org/abs/1710.02298), and Rainbow without each."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch

from evidence.entry import Entry, Task
from evidence.recipes import learner
from nappo2 import (
    Learner,
    double_dqn,
    envs,
    losses,
    mlp,
    optim,
    preset,
    prioritized_replay,
    rainbow,
    replay,
    rolling_n_step,
)
from nappo2.envs import Env
from nappo2.networks import dueling, implicit_quantiles, noisy_mlp, sequential
from nappo2.recipes import categorical_returns, expected, munchausen, quantiles, random_quantiles
from nappo2.stages import Recipe

PLAIN, WHOLE = preset("double_dqn", "cartpole"), preset("rainbow", "cartpole")
TORSO = sequential(mlp(4, 128, final_gain=2**0.5), torch.relu)
ATOMS = categorical_returns(51, 0.0, 50.0)


def with_priorities(env: Env) -> Recipe:
    """Double DQN with prioritised replay, whose beta rises over the run."""
    q = mlp(4, 128, 128, 2, activation=torch.relu)
    error = losses.double_dqn_error(lambda weights, x: q.apply(weights["q"], x))
    beta = optim.linear(0.4, 1.0, 30_000)
    ring = partial(prioritized_replay, priority=error, alpha=0.5, beta=beta)
    return double_dqn(env, PLAIN.config, q=q, replay=ring)


WITH: Mapping[str, Callable[[Env], Recipe]] = {
    "distribution": lambda env: double_dqn(env, PLAIN.config, returns=ATOMS),
    "quantiles": lambda env: double_dqn(env, PLAIN.config, returns=quantiles(50)),
    "random-quantiles": lambda env: double_dqn(
        env,
        PLAIN.config,
        q=implicit_quantiles(TORSO, 128, 2, 32),
        returns=random_quantiles(32),
    ),
    "munchausen": lambda env: double_dqn(env, PLAIN.config, returns=munchausen()),
    "dueling": lambda env: double_dqn(
        env, PLAIN.config, q=dueling(TORSO, mlp(128, 128, 1), mlp(128, 128, 2), 2)
    ),
    "noise": lambda env: double_dqn(
        env,
        replace(PLAIN.config, epsilon=0.0, exploration_updates=1),
        q=noisy_mlp(4, 128, 128, 2),
    ),
    "priorities": with_priorities,
    "n-steps": lambda env: double_dqn(env, PLAIN.config).replace(rollouts=rolling_n_step(3)),
}
"""Pieces that are added to double DQN."""

WITHOUT: Mapping[str, Callable[[Env], Recipe]] = {
    "distribution": lambda env: rainbow(env, WHOLE.config, returns=expected()),
    "dueling": lambda env: rainbow(env, WHOLE.config, q=noisy_mlp(4, 128, 128, 2 * 51)),
    "noise": lambda env: rainbow(
        env, replace(WHOLE.config, sigma=0.0, epsilon=0.05, exploration_updates=3_000)
    ),
    "priorities": lambda env: rainbow(env, WHOLE.config, replay=replay),
    "n-steps": lambda env: rainbow(env, replace(WHOLE.config, n_step=1)),
}
"""Pieces that are taken out of Rainbow."""


def with_piece(piece: str, entry: Entry, task: Task) -> Learner:
    """Double DQN with a piece of Rainbow, as an entry."""
    return learner(WITH[piece](envs.make(entry.env, PLAIN.num_envs)), entry, task)


def without_piece(piece: str, entry: Entry, task: Task) -> Learner:
    """Rainbow without one of its pieces, as an entry."""
    return learner(WITHOUT[piece](envs.make(entry.env, WHOLE.num_envs)), entry, task)

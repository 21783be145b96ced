"""PPO on gymnax's CartPole in JAX, Flax and Optax, for ``nox -s jax``, as one program of both loops.

After PureJaxRL (Lu et al., https://arxiv.org/abs/2210.05639): updates are a scan, of which each scans
environment steps, advantages and minibatches; seeds are a vmap over all of it. Hyper-parameters are those
of ``benchmarks.cartpole``. It runs in an environment of its own, without torch: each line that comes in
asks for a turn, and each line that goes out is its env steps/s.
"""

import sys
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import gymnax
import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

NUM_STEPS, NUM_EPOCHS, NUM_MINIBATCHES, HIDDEN = 128, 4, 4, 64
GAMMA, LAMBDA, CLIP_EPS, VALUE_COEF, ENTROPY_COEF = 0.99, 0.95, 0.2, 0.5, 0.0
OPTIMIZER = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(3e-4, eps=1e-5))
ENV, ENV_PARAMS = gymnax.make("CartPole-v1")


class State(NamedTuple):
    """What an update hands to the next one."""

    weights: Any
    optimizer: Any
    env: Any
    observation: jax.Array  # [B, 4]
    score: jax.Array  # [B], the return of each episode so far
    key: jax.Array


class Step(NamedTuple):
    """A step of all environments; of a rollout [T, B, ...]."""

    observation: jax.Array
    action: jax.Array
    log_prob: jax.Array
    value: jax.Array
    reward: jax.Array
    done: jax.Array
    score: jax.Array


class ActorCritic(nn.Module):
    """Two perceptrons with tanh and orthogonal weights."""

    @nn.compact
    def __call__(self, x):
        return self.mlp(x, 2, 0.01), self.mlp(x, 1, 1.0).squeeze(-1)

    def mlp(self, x, outputs, gain):
        for _ in range(2):
            x = jnp.tanh(nn.Dense(HIDDEN, kernel_init=nn.initializers.orthogonal(2**0.5))(x))
        return nn.Dense(outputs, kernel_init=nn.initializers.orthogonal(gain))(x)


AGENT = ActorCritic()


def start(num_envs, key):
    key, weights_key, env_key = jax.random.split(key, 3)
    observation, env = jax.vmap(ENV.reset, (0, None))(
        jax.random.split(env_key, num_envs), ENV_PARAMS
    )
    weights = AGENT.init(weights_key, observation)
    return State(weights, OPTIMIZER.init(weights), env, observation, jnp.zeros(num_envs), key)


def act(state, _):
    """A step of all environments."""
    key, action_key, env_key = jax.random.split(state.key, 3)
    logits, value = AGENT.apply(state.weights, state.observation)
    action = jax.random.categorical(action_key, logits)
    keys = jax.random.split(env_key, len(action))
    observation, env, reward, done, _ = jax.vmap(ENV.step, (0, 0, 0, None))(
        keys, state.env, action, ENV_PARAMS
    )
    score = state.score + reward
    row = Step(
        state.observation, action, log_prob_of(logits, action), value, reward, done, score * done
    )
    return state._replace(env=env, observation=observation, score=score * ~done, key=key), row


def log_prob_of(logits, action):
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[..., None], -1).squeeze(-1)


def advantages(rollout, last_value):
    def back(carry, row):
        advantage, next_value = carry
        going_on = 1 - row.done
        error = row.reward + GAMMA * next_value * going_on - row.value
        advantage = error + GAMMA * LAMBDA * going_on * advantage
        return (advantage, row.value), advantage

    return jax.lax.scan(back, (jnp.zeros_like(last_value), last_value), rollout, reverse=True)[1]


def loss(weights, batch, advantage, target):
    logits, value = AGENT.apply(weights, batch.observation)
    log_probs = jax.nn.log_softmax(logits)
    ratio = jnp.exp(log_prob_of(logits, batch.action) - batch.log_prob)
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    clipped = ratio.clip(1 - CLIP_EPS, 1 + CLIP_EPS)
    policy_loss = -jnp.minimum(ratio * advantage, clipped * advantage).mean()
    value_loss = 0.5 * jnp.square(value - target).mean()
    entropy = -(jnp.exp(log_probs) * log_probs).sum(-1).mean()
    total = policy_loss + VALUE_COEF * value_loss - ENTROPY_COEF * entropy
    return total, (policy_loss, value_loss, entropy)


def descend(carry, minibatch):
    """A gradient step."""
    weights, optimizer = carry
    (_, means), grads = jax.value_and_grad(loss, has_aux=True)(weights, *minibatch)
    updates, optimizer = OPTIMIZER.update(grads, optimizer)
    return (optax.apply_updates(weights, updates), optimizer), means


def update(state, _):
    """A rollout, and all gradient steps from it."""
    state, rollout = jax.lax.scan(act, state, None, NUM_STEPS)
    _, last_value = AGENT.apply(state.weights, state.observation)
    advantage = advantages(rollout, last_value)
    batch = jax.tree.map(
        lambda x: x.reshape(-1, *x.shape[2:]), (rollout, advantage, advantage + rollout.value)
    )

    def epoch(carry, key):
        order = jax.random.permutation(key, rollout.done.size)
        passed = jax.tree.map(lambda x: x[order].reshape(NUM_MINIBATCHES, -1, *x.shape[1:]), batch)
        return jax.lax.scan(descend, carry, passed)

    key, orders_key = jax.random.split(state.key)
    (weights, optimizer), means = jax.lax.scan(
        epoch, (state.weights, state.optimizer), jax.random.split(orders_key, NUM_EPOCHS)
    )
    score = rollout.score.sum() / rollout.done.sum().clip(1)
    state = state._replace(weights=weights, optimizer=optimizer, key=key)
    return state, (score, *(x.mean() for x in means))


def serve(num_envs: int, num_members: int, num_updates: int) -> None:
    """Takes a turn of ``num_updates`` updates for each line of the standard input."""
    key, each = jax.random.key(0), lambda fn: fn
    if num_members > 1:
        key, each = jax.random.split(key, num_members), jax.vmap
    state = jax.jit(each(partial(start, num_envs)))(key)
    run = jax.jit(each(lambda state: jax.lax.scan(update, state, None, num_updates)))
    steps = num_members * num_envs * NUM_STEPS * num_updates
    for _ in sys.stdin:
        began = perf_counter()
        state, means = jax.block_until_ready(run(state))
        seconds = perf_counter() - began
        print(steps / seconds, float(means[0].mean()), flush=True)


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))

"""Agents of a stranger: one with two values, and one that sees a window of observations."""

from typing import NamedTuple

import torch
from tensordict import TensorDict

from nappo2.networks import Network, mlp
from nappo2.policies import greedy, stochastic, with_memory
from nappo2.seeds import split


class TwoValues(NamedTuple):
    """An actor beside two critics; a state is worth the smaller of their values."""

    actor: Network = mlp(4, 8, 2, final_gain=0.01)
    critic: Network = mlp(4, 8, 1)
    slicing = "transitions"
    normalizer = TensorDict

    def init(self, seed):
        actor, *critics = split(seed, 3)
        values = {name: self.critic.init(key) for name, key in zip("ab", critics, strict=True)}
        return TensorDict(actor=self.actor.init(actor), **values)

    def outputs(self, params, x):
        return self.actor.apply(params["weights"]["actor"], x)

    def value(self, params, x):
        values = [self.critic.apply(params["weights"][name], x).squeeze(-1) for name in "ab"]
        return torch.minimum(*values)

    def outputs_and_values(self, params, batch):
        x = batch["observation"]
        return self.outputs(params, x), self.value(params, x)

    def values(self, params, rollout):
        reached = rollout["next"]["observation"]
        return self.value(params, rollout["observation"]), self.value(params, reached)

    def policy(self, dist):
        return stochastic(self.outputs, dist)

    def greedy(self, dist):
        return greedy(self.outputs, dist)


class Window(NamedTuple):
    """What ``inner`` makes of the last observations in a row, which are its memory."""

    inner: TwoValues = TwoValues(mlp(12, 8, 2, final_gain=0.01), mlp(12, 8, 1))
    size: int = 12
    slicing = "sequences"
    normalizer = TensorDict

    def init(self, seed):
        return self.inner.init(seed)

    def step(self, params, memory, observation):
        return torch.cat([memory[..., observation.shape[-1] :], observation], -1)

    def windows(self, rollout):
        memory, memories = rollout["memory"][0], []
        for x, begins in zip(rollout["observation"], rollout["is_init"], strict=True):
            memory = self.step(None, memory * ~begins[:, None], x)
            memories.append(memory)
        return torch.stack(memories)

    def outputs_and_values(self, params, batch):
        return self.inner.outputs_and_values(params, {"observation": self.windows(batch)})

    def values(self, params, rollout):
        windows = self.windows(rollout)
        reached = self.step(params, windows, rollout["next"]["observation"])
        return self.inner.value(params, windows), self.inner.value(params, reached)

    def policy(self, dist):
        return with_memory(self.inner.policy(dist), self.step, self.size)

    def greedy(self, dist):
        return with_memory(self.inner.greedy(dist), self.step, self.size)

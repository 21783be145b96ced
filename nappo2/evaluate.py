"""How good params are: episodes of their own, with seeds of their own."""

from typing import NamedTuple

import torch
from torch import Tensor

from nappo2.envs import Env, counted
from nappo2.params import Params
from nappo2.pipeline import positive
from nappo2.policies import Policy, action_of
from nappo2.seeds import fold_in, generator, split


class Evaluation(NamedTuple):
    """What finished episodes came to.

    Attributes:
        returns: undiscounted and unscaled, [num_episodes].
        lengths: in steps, [num_episodes].
    """

    returns: Tensor
    lengths: Tensor

    def __repr__(self):
        spread = self.returns.std(correction=0)
        return f"{self.returns.mean():.1f} ± {spread:.1f} ({len(self.returns)} episodes)"


@torch.no_grad()
def evaluate(
    env: Env, policy: Policy, params: Params, num_episodes: int = 10, seed: int = 0
) -> Evaluation:
    """The returns of exactly ``num_episodes`` episodes.

    How many episodes of each environment count is settled before they begin, so that short
    ones are not preferred (the first to finish would be). ``stages.greedy`` is the policy for a
    deterministic evaluation, ``stages.policy`` for one as in training.

    Raises:
        ValueError: if ``num_episodes`` is not at least 1.
    """
    positive(num_episodes=num_episodes)
    env_seed, memory_seed, key = split(fold_in(seed, "evaluate"), 3)
    state, observation = env.reset(env_seed)
    size, plain, rng = env.num_envs, params.to_dict(), generator(key)
    memory = policy.init(size, memory_seed)
    quota = [num_episodes // size + (i < num_episodes % size) for i in range(size)]
    score, length, found = torch.zeros(size), torch.zeros(size), [[] for _ in quota]
    while any(len(episodes) < due for episodes, due in zip(found, quota, strict=True)):
        decision, memory = policy.act(plain, observation, memory, rng)
        state, observation, outcome = env.step(state, action_of(decision))
        memory = policy.reset(memory, outcome.terminated | outcome.truncated, rng)
        reward, over, _ = counted(outcome)
        score, length = score + reward, length + 1
        for i in over.nonzero().flatten().tolist():
            if len(found[i]) < quota[i]:
                found[i].append((score[i].item(), length[i].item()))
        score, length = score * ~over, length * ~over
    env.close(state)
    returns, lengths = torch.tensor([episode for episodes in found for episode in episodes]).unbind(
        -1
    )
    return Evaluation(returns, lengths)

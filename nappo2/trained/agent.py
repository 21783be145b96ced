"""``TrainedAgent``: an agent that acts on observations, in anybody's loop."""

from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import batched
from nappo2.params import Params, Plain, beside_environments
from nappo2.policies import Policy, action_of
from nappo2.seeds import generator, split
from nappo2.stages.recipe import Recipe
from nappo2.trained.masks import masked_batching_of
from nappo2.trained.probabilities import probabilities_of, without_batch


class TrainedAgent:
    """Acts on one observation or a batch of them, as a simulator of Gymnasium gives them.

    Observations are arrays, tensors or lists, ``[*shape]`` or ``[B, *shape]``; of goal environments
    dictionaries of these. Where an environment has masks, they are in the observation, or given beside
    it as ``action_mask``. Actions are the environment's: integers, arrays within its bounds, or
    tuples and dictionaries of these. A batch of actions is one for a vector environment of Gymnasium.
    An agent with a memory keeps it from one call to the next, until ``reset``.

    Attributes:
        recipe: that trained it.
        params: that were learnt.
    """

    def __init__(self, recipe: Recipe, params: Params, seed: int = 0):
        """Makes an agent.

        Args:
            recipe: whose policies act.
            params: of these policies.
            seed: of ``sample``, and of the first memories.
        """
        self.recipe, self.params = recipe, params
        self._plain = Plain(beside_environments(params).to_dict())
        key, self._seed = split(seed)
        self._rng, self._batch = generator(key), masked_batching_of(recipe.env)
        self._to_env = recipe.env.action_spec.to_env
        self._memories: dict[str, Any] = {}
        self._going_on = lru_cache(8)(partial(torch.zeros, dtype=torch.bool))

    def __repr__(self):
        return f"{self.recipe.name} for {self.recipe.env.name}, {int(self.params['version']):,} updates"

    def act(self, observation: Any, action_mask: Any = None) -> Any:
        """The most probable action.

        Args:
            observation: ``[*shape]``, or a batch ``[B, *shape]``.
            action_mask: which actions are allowed, [n] or [B, n] bool; None if the observation says
                so, or the environment has no masks.

        Returns:
            An action of the environment; of a batch an array [B, ...], or a tuple or dictionary of
            arrays.

        Raises:
            ValueError: if the observation is not one of the environment's.
        """
        return self._take("greedy", observation, action_mask)

    def sample(self, observation: Any, action_mask: Any = None) -> Any:
        """An action as in training: drawn from the policy's distribution, or with its exploration.

        Args:
            observation: ``[*shape]``, or a batch ``[B, *shape]``.
            action_mask: which actions are allowed, [n] or [B, n] bool; None if the observation says
                so, or the environment has no masks.

        Returns:
            An action of the environment; of a batch an array [B, ...], or a tuple or dictionary of
            arrays.

        Raises:
            ValueError: if the observation is not one of the environment's.
        """
        return self._take("policy", observation, action_mask)

    def value(self, observation: Any, action_mask: Any = None) -> Any:
        """The discounted return that the critics expect from here on, in the environment's rewards.

        A memory is read as it is before ``act``, and not changed.

        Args:
            observation: ``[*shape]``, or a batch ``[B, *shape]``.
            action_mask: which actions are allowed, [n] or [B, n] bool; None if the observation says
                so, or the environment has no masks.

        Returns:
            A float, or an array [B] float32.

        Raises:
            ValueError: if the observation is not one of the environment's, or the recipe has no value.
        """
        if self.recipe.value is None:
            raise ValueError(
                f"{self.recipe.name} has no value: recipe.replace(value=...) gives it one"
            )
        batch, single = self._batch(observation, action_mask)
        with torch.no_grad():
            values = self.recipe.value(self._plain, batch, self._memory("greedy", batch))
        return float(values[0]) if single else values.numpy()

    def probabilities(self, observation: Any, action_mask: Any = None) -> Any:
        """The probability of each of n discrete actions in training, exploration included.

        Where an action has several choices, they are independent, and each has its own: a list for
        MultiDiscrete and MultiBinary, a dictionary by name for Dict, and by "0", "1", ... for Tuple.
        Parts that are no choices are left out. A memory is read as it is before ``act``, and not changed.

        Args:
            observation: ``[*shape]``, or a batch ``[B, *shape]``.
            action_mask: which actions are allowed, [n] or [B, n] bool; None if the observation says
                so, or the environment has no masks.

        Returns:
            An array [n] or [B, n] float32, or several.

        Raises:
            ValueError: if the observation is not one of the environment's, or actions are continuous.
        """
        spec = self.recipe.env.action_spec
        if spec.kind != "discrete" and not spec.sizes:
            raise ValueError(
                f"only discrete actions have probabilities; {self.recipe.env.name}'s are {spec.kind}"
            )
        batch, single = self._batch(observation, action_mask)
        memory = self._memory("greedy", batch)
        with torch.no_grad():
            if spec.kind == "discrete":
                num = spec.size
                actions = torch.arange(num).unsqueeze(1).expand(num, _size(batch))
                each = self._log_prob(batch, memory, actions, num).exp().T.numpy()
            else:
                log_prob = partial(self._log_prob, batch, memory)
                action, _ = self.recipe.greedy.act(self._plain, batch, memory, generator(0))
                each = probabilities_of(spec, action_of(action), log_prob)
        return without_batch(each) if single else each

    def _log_prob(self, batch: Any, memory: Any, actions: Any, num: int) -> Tensor:
        """The log-probabilities [num, B] of actions [num, B, ...], each of the same observations."""
        rollout = {"observation": batch, "next": {"reward": torch.zeros(_size(batch))}}
        rollout |= zip(("memory",), self.recipe.greedy.recorded(memory), strict=False)
        rollout = trees.map(lambda x: x.expand(num, *x.shape), rollout)
        return self.recipe.policy.log_prob(self._plain, rollout | {"action": actions})

    def reset(self, done: Any = None) -> None:
        """Forgets what came before: call it where episodes begin.

        Args:
            done: which of a batch begin anew, [B] bool; None for all, of any number.
        """
        if done is None:
            self._memories.clear()
            return
        flags = torch.as_tensor(np.asarray(done), dtype=torch.bool)
        for name, memory in self._memories.items():
            self._memories[name] = getattr(self.recipe, name).reset(memory, flags, self._rng)

    def _take(self, name: str, observation: Any, action_mask: Any) -> Any:
        batch, single = self._batch(observation, action_mask)
        policy: Policy = getattr(self.recipe, name)
        with torch.no_grad():
            decision, memory = policy.act(self._plain, batch, self._memory(name, batch), self._rng)
            self._memories[name] = policy.reset(memory, self._going_on(_size(batch)), self._rng)
        actions = self._to_env(action_of(decision))
        return actions[0] if single else batched(actions)

    def _memory(self, name: str, batch: Any) -> Any:
        """The memory of a policy, new at the first call."""
        num = _size(batch)
        memory = self._memories.get(name)
        if memory is None:
            return getattr(self.recipe, name).init(num, self._seed)
        kept = trees.leaves(memory) if not isinstance(memory, tuple) or memory else ()
        if kept and isinstance(kept[0], Tensor) and kept[0].ndim and len(kept[0]) != num:
            raise ValueError(
                f"the memory is of {len(kept[0])} episodes, and these are {num} observations; "
                "agent.reset() begins anew"
            )
        return memory


def _size(batch: Any) -> int:
    """The number of observations in a batch."""
    return batch.shape[0] if isinstance(batch, Tensor) else len(trees.leaves(batch)[0])

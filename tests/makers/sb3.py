"""Stable-Baselines3's weights, rollouts and batches as nappo2's, so that both learn from the same."""

from collections.abc import Callable, Iterator
from itertools import repeat

import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from tensordict import TensorDict
from torch import Tensor, nn

from nappo2 import Params, Pipeline
from nappo2.params import ravel, replaced
from nappo2.reports import Report
from nappo2.stages import Recipe
from nappo2.stages.learning.batches import Batches, Passes
from nappo2.stages.learning.loops import Rule
from nappo2.stages.recipe import finite


class Recorder(VecEnvWrapper):
    """Records what an algorithm sees of environments, and what it does not see: how episodes ended."""

    def __init__(self, venv: VecEnv):
        super().__init__(venv)
        self.observation, self.rows = None, []

    def reset(self):
        self.observation = self.venv.reset()
        return self.observation

    def step_wait(self):
        after, reward, done, infos = self.venv.step_wait()
        reached, truncated = after.copy(), np.zeros_like(done)
        for i in np.flatnonzero(done):
            reached[i] = infos[i]["terminal_observation"]
            truncated[i] = infos[i]["TimeLimit.truncated"]
        row = self.observation, reached, reward.copy(), done & ~truncated, truncated
        self.rows.append([torch.tensor(x) for x in row])
        self.observation = after
        return after, reward, done, infos

    def rollout(self) -> TensorDict:
        """What was recorded since the last call, [T, B], without actions."""
        columns, self.rows = map(torch.stack, zip(*self.rows, strict=True)), []
        observation, reached, reward, terminated, truncated = columns
        flags = {"terminated": terminated, "truncated": truncated, "done": terminated | truncated}
        after = {"observation": reached.float(), "reward": reward.float(), **flags}
        row = {"observation": observation.float(), "next": after}
        return TensorDict(row, batch_size=reward.shape)


def mlp_weights(*modules: nn.Module) -> TensorDict:
    """The linear layers of modules as the weights of an ``mlp``."""
    found = [x for module in modules for x in module.modules() if isinstance(x, nn.Linear)]
    return TensorDict({str(i): layer_weights(x) for i, x in enumerate(found)})


def layer_weights(layer: nn.Module) -> TensorDict:
    """Weight and bias of a layer."""
    return TensorDict({name: x.detach().clone() for name, x in layer.named_parameters()})


def actor_critic_weights(policy: nn.Module) -> TensorDict:
    """The weights of an ``MlpPolicy`` of numbers, with gSDE or without."""
    log_std, extractor = policy.log_std.detach().clone(), policy.mlp_extractor
    critic = mlp_weights(extractor.value_net, policy.value_net)
    if log_std.ndim == 1:
        actor = mlp_weights(extractor.policy_net, policy.action_net)
        return TensorDict(actor=actor, critic=critic, log_std=log_std)
    torso = TensorDict({"0": mlp_weights(extractor.policy_net)})
    actor = layer_weights(policy.action_net).update({"torso": torso, "log_std": log_std})
    return TensorDict(actor=actor, critic=critic)


def on_policy_rounds(
    model: OnPolicyAlgorithm, total_steps: int
) -> Iterator[tuple[TensorDict, Tensor, TensorDict]]:
    """Lets an algorithm learn in a ``Recorder``, rollout by rollout.

    Yields:
        The rollout [T, B] that it learnt from, the order of its transitions in each epoch
        [num_epochs, N] int64, and afterwards its weights.
    """
    model.set_logger(Logger(None, []))
    _, callback = model._setup_learn(total_steps)
    buffer = model.rollout_buffer
    for _ in repeat(None):
        model.collect_rollouts(model.env, callback, buffer, model.n_steps)
        rollout = model.env.rollout()
        rollout["action"] = torch.tensor(buffer.actions)
        rollout["action_log_prob"] = torch.tensor(buffer.log_probs)
        model._update_current_progress_remaining(model.num_timesteps, total_steps)
        before = np.random.get_state()
        orders = [np.random.permutation(rollout.numel()) for _ in range(model.n_epochs)]
        np.random.set_state(before)
        model.train()
        orders = torch.tensor(np.stack(orders))
        environments, steps = orders // model.n_steps, orders % model.n_steps
        yield rollout, steps * model.n_envs + environments, actor_critic_weights(model.policy)


def prepared(recipe: Recipe, params: Params, rollout: TensorDict) -> TensorDict:
    """A rollout [T, B] with the advantages of a recipe."""
    source = Pipeline(lambda *_: {}, lambda params, state: (state, rollout, Report()))
    pipe = source | recipe.prepare
    return pipe.step(params, pipe.init(params, 0))[1]


def passes(rollout: TensorDict, orders: Tensor, size: int) -> Passes:
    """Minibatches of a size, of the transitions of a rollout in this order [num_epochs, N]."""
    data = rollout.exclude("next").reshape(-1).to_dict()
    sizes = [size] * (rollout.numel() // size)
    return Passes(data, orders, sizes, 0, orders.numel(), torch.zeros(()))


def updated(
    recipe: Recipe, params: Params, state: object, batches: Batches, loop: Callable
) -> tuple[Params, object]:
    """Params and optimizer state after a recipe's updates by batches; ``state`` None begins."""
    rule = Rule(recipe.loss, finite(recipe.optimizer), recipe.target, recipe.stop_early)
    if state is None:
        state = rule.optimizer.init(ravel(params["weights"])[0])
    with torch.no_grad():
        result = loop(rule, params, state, batches)
    version = params["version"] + result.num_updates
    changed = {"weights": result.weights, "target": result.target, "version": version}
    return replaced(params, **changed), result.state


def off_policy_updates(model: OffPolicyAlgorithm, num: int) -> list[dict]:
    """Lets an algorithm learn ``num`` times from its replay; returns the batches that it sampled."""
    sample, sampled = model.replay_buffer.sample, []

    def recorded(*args, **kwargs):
        sampled.append(sample(*args, **kwargs))
        return sampled[-1]

    model.replay_buffer.sample = recorded
    model.train(num, model.batch_size)
    model.replay_buffer.sample = sample
    return [_batch(x) for x in sampled]


def _batch(data: ReplayBufferSamples) -> dict:
    after = {
        "observation": data.next_observations,
        "reward": data.rewards.squeeze(-1),
        "terminated": data.dones.squeeze(-1).bool(),
    }
    discrete = not data.actions.is_floating_point()
    action = data.actions.squeeze(-1) if discrete else data.actions
    return {"observation": data.observations, "action": action, "next": after}


def critics_weights(critic: nn.Module) -> TensorDict:
    """The weights of the critics of SAC or TD3."""
    return TensorDict({str(i): mlp_weights(q) for i, q in enumerate(critic.q_networks)})


def soft_weights(model: OffPolicyAlgorithm) -> TensorDict:
    """The weights of SAC's actor, critics and temperature."""
    actor = model.actor
    hidden, heads = (
        mlp_weights(actor.latent_pi),
        [layer_weights(x) for x in (actor.mu, actor.log_std)],
    )
    last = TensorDict({name: torch.cat([x[name] for x in heads]) for name in ("weight", "bias")})
    return TensorDict(
        actor=hidden.update({str(len(hidden.keys())): last}),
        critics=critics_weights(model.critic),
        log_alpha=model.log_ent_coef.detach().squeeze().clone(),
    )

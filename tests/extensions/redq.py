"""REDQ (Chen et al., https://arxiv.org/abs/2101.05982): five critics, and the least of two random ones."""

from dataclasses import dataclass

import torch
from tensordict import TensorDict

from nappo2 import Recipe, envs, make_params, mlp, noise, optim, split
from nappo2.maths.distributions import squash, tanh_normal
from nappo2.maths.values import td_target
from nappo2.params import stop_gradient
from nappo2.policies import greedy, stochastic, warmup_uniform
from nappo2.recipes.off_policy import off_policy
from nappo2.stages import replay


@dataclass(frozen=True)
class REDQ:
    num_steps: int = 4
    capacity: int = 10_000
    batch_size: int = 32
    update_ratio: float = 1.0
    start_steps: int = 64
    learning_rate: float = 1e-3
    gamma: float = 0.99
    target_step_size: float = 0.01
    num_critics: int = 5
    alpha: float = 0.1
    jit: bool = False


def redq(env: envs.Env, config: REDQ = REDQ()) -> Recipe:
    c, (inputs,), (size,) = config, env.observation_space.shape, env.action_space.shape
    actor_network = mlp(inputs, 32, 2 * size, activation=torch.relu, final_gain=0.01)
    critic, dist = mlp(inputs + size, 32, 1, activation=torch.relu), tanh_normal()
    hyper = {name: getattr(c, name) for name in ("learning_rate", "gamma", "alpha")}

    def init(seed):
        first, *rest = split(seed, 1 + c.num_critics)
        critics = TensorDict({str(i): critic.init(own) for i, own in enumerate(rest)})
        weights = TensorDict(actor=actor_network.init(first), critics=critics)
        return make_params(weights, target=weights.select("critics"), **hyper)

    def actor(params, observation):
        return actor_network.apply(params["weights"]["actor"], observation)

    def values(weights, observation, action):
        """Of all critics, [K, N]."""
        both = torch.cat([observation, action], -1)
        return torch.stack([critic.apply(own, both).squeeze(-1) for own in weights.values()])

    def random_ones(batch, rng):
        """Noise of actions, and for each transition two critics of K, [N, 2]."""
        n = len(batch)
        order = torch.rand(n, c.num_critics, generator=rng).argsort(-1)
        draws = {key: torch.randn(n, size, generator=rng) for key in ("noise", "next_noise")}
        return draws | {"chosen": order[:, :2]}

    def loss(params, batch):
        weights, observation, reached = params["weights"], batch["observation"], batch["next"]
        alpha = params["hyper"]["alpha"]
        with torch.no_grad():
            action, log_prob = squash(actor(params, reached["observation"]), batch["next_noise"])
            all_of = values(params["target"]["critics"], reached["observation"], action)
            least = all_of.T.gather(1, batch["chosen"]).amin(1) - alpha * log_prob
            y = td_target(reached["reward"], least, reached["terminated"], params["hyper"]["gamma"])
        error = values(weights["critics"], observation, batch["action"]) - y
        action, log_prob = squash(actor(params, observation), batch["noise"])
        mean = values(stop_gradient(weights["critics"]), observation, action).mean(0)
        critic_loss = 0.5 * error.square().mean(1).sum()
        actor_loss = (alpha * log_prob - mean).mean()
        return critic_loss + actor_loss, {"critic_loss": critic_loss, "actor_loss": actor_loss}

    return off_policy(
        env, c, name="redq", init=init,
        policy=warmup_uniform(stochastic(actor, dist), env.action_spec.uniform),
        greedy=greedy(actor, dist), loss=loss, optimizer=optim.adam(), replay=replay,
        noise=noise(random_ones),
    )  # fmt: skip

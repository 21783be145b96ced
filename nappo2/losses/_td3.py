"""Twin delayed deep deterministic policy gradients."""

import torch

from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.losses.loss import target as target_of
from nappo2.maths.surrogates import squared_error
from nappo2.maths.values import smoothed
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient


@checked
def td3(agent: ActorCritics, *, noise_std: float = 0.2, noise_limit: float = 0.5) -> Loss:
    """TD3 (Fujimoto et al., https://arxiv.org/abs/1802.09477); the delay is the optimiser's.

    Reads, of a batch [N], ``observation``, ``action``, ``next`` and the standard normal
    ``next_noise`` [N, A]; of params ``target``, with actor and critics, and ``gamma``.

    Args:
        agent: an actor of actions in [-1, 1], [N, A], and critics of (observation, action).
        noise_std: of the noise on the target's action.
        noise_limit: to which that is clipped.
    """

    def loss(params, batch):
        weights, observation, reached = params["weights"], batch["observation"], batch["next"]
        with torch.no_grad():
            y = target(params, reached, batch["next_noise"])
        first, second = agent.critics(weights["critics"], observation, batch["action"])
        weight = batch.get("importance", None)
        critic = squared_error(first, y, weight) + squared_error(second, y, weight)
        still = stop_gradient(weights["critics"])
        value, _ = agent.critics(still, observation, agent.actor(params, observation))
        actor = -value.mean()
        means = {"critic_loss": critic, "actor_loss": actor, "value": first.mean()}
        return critic + actor, means

    def target(params, reached, noise):
        slow = {**params, "weights": params["target"]}
        action = agent.actor(slow, reached["observation"])
        action = smoothed(action, noise, noise_std, noise_limit)
        critics = params["target"]["critics"]
        value = torch.minimum(*agent.critics(critics, reached["observation"], action))
        return target_of(params, reached, value)

    return loss

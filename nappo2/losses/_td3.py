"""Twin delayed deep deterministic policy gradients."""

import torch

from nappo2.checks import checked
from nappo2.losses.critics import OfCritics, critic_loss, least
from nappo2.losses.critics import target as target_of
from nappo2.losses.loss import Loss
from nappo2.maths.values import smoothed
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient


@checked
def td3(
    agent: ActorCritics,
    *,
    noise_std: float = 0.2,
    noise_limit: float = 0.5,
    next_value: OfCritics = least,
) -> Loss:
    """TD3 (Fujimoto et al., https://arxiv.org/abs/1802.09477); the delay is the optimiser's.

    Reads, of a batch [N], ``observation``, ``action``, ``next`` and the standard normal
    ``next_noise`` [N, A]; of params ``target``, with actor and critics, and ``gamma``.

    Args:
        agent: an actor of actions in [-1, 1], [N, A], and critics of (observation, action).
        noise_std: of the noise on the target's action.
        noise_limit: to which that is clipped.
        next_value: what the target takes the critics to say: ``(values [K, N], batch) -> [N]``.
    """

    def loss(params, batch):
        weights, observation = params["weights"], batch["observation"]
        with torch.no_grad():
            y = target(params, batch)
        values = agent.critics(weights["critics"], observation, batch["action"])
        critic = critic_loss(values, y, batch)
        still = stop_gradient(weights["critics"])
        first = agent.critics(still, observation, agent.actor(params, observation))[0]
        actor = -first.mean()
        means = {"critic_loss": critic, "actor_loss": actor, "value": values[0].mean()}
        return critic + actor, means

    def target(params, batch):
        reached, slow = batch["next"], {**params, "weights": params["target"]}
        action = agent.actor(slow, reached["observation"])
        action = smoothed(action, batch["next_noise"], noise_std, noise_limit)
        values = agent.critics(params["target"]["critics"], reached["observation"], action)
        return target_of(params, reached, next_value(values, batch))

    return loss

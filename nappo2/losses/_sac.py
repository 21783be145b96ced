"""Soft actor-critic, for continuous and for discrete actions."""

import torch

from nappo2.checks import checked
from nappo2.losses.critics import OfCritics, critic_loss, least
from nappo2.losses.critics import target as target_of
from nappo2.losses.loss import Loss
from nappo2.maths.distributions import discrete_entropy, squash
from nappo2.maths.values import expected_soft_value, of_action, soft_value
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient


@checked
def sac(
    agent: ActorCritics,
    *,
    target_entropy: float,
    next_value: OfCritics = least,
    policy_value: OfCritics = least,
) -> Loss:
    """Soft actor-critic (Haarnoja et al., https://arxiv.org/abs/1812.05905).

    Reads, of a batch [N], ``observation``, ``action`` and ``next``, and the standard normal
    ``noise`` and ``next_noise`` [N, A] from which actions are made; of params ``target``,
    ``gamma`` and the weight ``log_alpha``. Gradients of the three losses do not touch.

    Args:
        agent: an actor of tanh-normal outputs [N, 2A], and critics of (observation, action).
        target_entropy: to which the temperature steers the policy, such as -A.
        next_value: what the target takes the critics to say: ``(values [K, N], batch) -> [N]``.
        policy_value: the same, of the policy's actions, which the actor raises.
    """

    def target(params, batch, alpha):
        reached = batch["next"]
        action, log_prob = squash(agent.actor(params, reached["observation"]), batch["next_noise"])
        values = agent.critics(params["target"]["critics"], reached["observation"], action)
        value = next_value(values, batch)
        return target_of(params, reached, soft_value(value, log_prob, alpha))

    def loss(params, batch):
        weights, observation = params["weights"], batch["observation"]
        alpha = weights["log_alpha"].detach().exp()
        with torch.no_grad():
            y = target(params, batch, alpha)
        values = agent.critics(weights["critics"], observation, batch["action"])
        critic = critic_loss(values, y, batch)
        action, log_prob = squash(agent.actor(params, observation), batch["noise"])
        still = stop_gradient(weights["critics"])
        value = policy_value(agent.critics(still, observation, action), batch)
        actor = -soft_value(value, log_prob, alpha).mean()
        temperature = -(weights["log_alpha"] * (log_prob.detach() + target_entropy)).mean()
        return critic + actor + temperature, _means(
            critic, actor, temperature, alpha, values[0], -log_prob
        )

    return loss


@checked
def discrete_sac(
    agent: ActorCritics,
    *,
    target_entropy: float,
    next_value: OfCritics = least,
    policy_value: OfCritics = least,
) -> Loss:
    """Soft actor-critic in expectation over n actions (Christodoulou, https://arxiv.org/abs/1910.07207).

    Reads what ``sac`` reads, but no noise.

    Args:
        agent: an actor of logits [N, n], and critics of observations, [K, N, n].
        target_entropy: to which the temperature steers the policy, a share of log n.
        next_value: what the target takes the critics to say: ``(values [K, N, n], batch) -> [N, n]``.
        policy_value: the same, where the policy acts, which the actor raises.
    """

    def target(params, batch, alpha):
        reached = batch["next"]
        log_probs = agent.actor(params, reached["observation"]).log_softmax(-1)
        values = agent.critics(params["target"]["critics"], reached["observation"])
        value = next_value(values, batch)
        return target_of(params, reached, expected_soft_value(value, log_probs, alpha))

    def loss(params, batch):
        weights, observation = params["weights"], batch["observation"]
        alpha = weights["log_alpha"].detach().exp()
        with torch.no_grad():
            y = target(params, batch, alpha)
        values = agent.critics(weights["critics"], observation)
        action = batch["action"].expand(values.shape[:-1])
        critic = critic_loss(of_action(values, action), y, batch)
        log_probs = agent.actor(params, observation).log_softmax(-1)
        value = policy_value(values, batch).detach()
        actor = -expected_soft_value(value, log_probs, alpha).mean()
        entropy = discrete_entropy(log_probs.detach())
        temperature = (weights["log_alpha"] * (entropy - target_entropy)).mean()
        return critic + actor + temperature, _means(
            critic, actor, temperature, alpha, values[0], entropy
        )

    return loss


def _means(critic, actor, temperature, alpha, value, entropy):
    return {
        "critic_loss": critic,
        "actor_loss": actor,
        "alpha_loss": temperature,
        "alpha": alpha,
        "value": value.mean(),
        "entropy": entropy.mean(),
    }

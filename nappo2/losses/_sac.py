"""Soft actor-critic, for continuous and for discrete actions."""

import torch

from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.losses.loss import target as target_of
from nappo2.maths.distributions import discrete_entropy, squash
from nappo2.maths.surrogates import squared_error
from nappo2.maths.values import expected_soft_value, of_action, soft_value
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient


@checked
def sac(agent: ActorCritics, *, target_entropy: float) -> Loss:
    """Soft actor-critic (Haarnoja et al., https://arxiv.org/abs/1812.05905).

    Reads, of a batch [N], ``observation``, ``action`` and ``next``, and the standard normal
    ``noise`` and ``next_noise`` [N, A] from which actions are made; of params ``target``,
    ``gamma`` and the weight ``log_alpha``. Gradients of the three losses do not touch.

    Args:
        agent: an actor of tanh-normal outputs [N, 2A], and critics of (observation, action).
        target_entropy: to which the temperature steers the policy, such as -A.
    """

    def target(params, batch, alpha):
        reached = batch["next"]
        action, log_prob = squash(agent.actor(params, reached["observation"]), batch["next_noise"])
        critics = params["target"]["critics"]
        value = torch.minimum(*agent.critics(critics, reached["observation"], action))
        return target_of(params, reached, soft_value(value, log_prob, alpha))

    def loss(params, batch):
        weights, observation = params["weights"], batch["observation"]
        alpha = weights["log_alpha"].detach().exp()
        with torch.no_grad():
            y = target(params, batch, alpha)
        first, second = agent.critics(weights["critics"], observation, batch["action"])
        weight = batch.get("importance", None)
        critic = squared_error(first, y, weight) + squared_error(second, y, weight)
        action, log_prob = squash(agent.actor(params, observation), batch["noise"])
        still = stop_gradient(weights["critics"])
        value = torch.minimum(*agent.critics(still, observation, action))
        actor = -soft_value(value, log_prob, alpha).mean()
        temperature = -(weights["log_alpha"] * (log_prob.detach() + target_entropy)).mean()
        return critic + actor + temperature, _means(
            critic, actor, temperature, alpha, first, -log_prob
        )

    return loss


@checked
def discrete_sac(agent: ActorCritics, *, target_entropy: float) -> Loss:
    """Soft actor-critic in expectation over n actions (Christodoulou, https://arxiv.org/abs/1910.07207).

    Reads what ``sac`` reads, but no noise.

    Args:
        agent: an actor of logits [N, n], and critics of observations, [N, n].
        target_entropy: to which the temperature steers the policy, a share of log n.
    """

    def target(params, batch, alpha):
        reached = batch["next"]
        log_probs = agent.actor(params, reached["observation"]).log_softmax(-1)
        values = torch.minimum(*agent.critics(params["target"]["critics"], reached["observation"]))
        return target_of(params, reached, expected_soft_value(values, log_probs, alpha))

    def loss(params, batch):
        weights, observation = params["weights"], batch["observation"]
        alpha = weights["log_alpha"].detach().exp()
        with torch.no_grad():
            y = target(params, batch, alpha)
        first, second = agent.critics(weights["critics"], observation)
        weight, action = batch.get("importance", None), batch["action"]
        critic = squared_error(of_action(first, action), y, weight)
        critic = critic + squared_error(of_action(second, action), y, weight)
        log_probs = agent.actor(params, observation).log_softmax(-1)
        values = torch.minimum(first, second).detach()
        actor = -expected_soft_value(values, log_probs, alpha).mean()
        entropy = discrete_entropy(log_probs.detach())
        temperature = (weights["log_alpha"] * (entropy - target_entropy)).mean()
        return critic + actor + temperature, _means(
            critic, actor, temperature, alpha, first, entropy
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

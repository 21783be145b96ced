"""Truncated quantile critics (TQC): soft actor-critic whose critics estimate distributions of returns."""

import torch

from nappo2.checks import checked
from nappo2.losses._sac import soft_means
from nappo2.losses.critics import target as target_of
from nappo2.losses.loss import Loss
from nappo2.maths.distributional import midpoints, quantile_huber, truncated
from nappo2.maths.distributions import squash
from nappo2.maths.surrogates import weighted_mean
from nappo2.maths.values import soft_value
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient


@checked
def tqc(agent: ActorCritics, *, target_entropy: float, num_dropped: int = 2) -> Loss:
    """Truncated quantile critics (Kuznetsov et al., https://arxiv.org/abs/2005.04269).

    The sum of three losses with separate gradients, where a' and b are sampled by the actor, z_k are
    the M quantiles of critic k, and z are the smallest ``K (M - num_dropped)`` of all K target critics::

        critics:     mean over k, i, j of |tau_i - 1[y_j < z_ki(s, a)]| huber(y_j - z_ki(s, a)),
                     y_j = r + gamma (z_j(s', a') - alpha log pi(a' | s'))
        actor:       alpha log pi(b | s) - mean over k, i of z_ki(s, b)
        temperature: -log_alpha (log pi(b | s) + target_entropy)

    Reads the same keys and params as ``losses.sac``. The losses are those of sb3-contrib, where the
    critics' is a mean over quantiles; in the paper it is a sum over critics.

    Args:
        agent: an actor of tanh-normal outputs [N, 2A], and critics of (observation, action) that
            give quantiles [K, N, M].
        target_entropy: entropy that the temperature aims at, in nats, such as -A.
        num_dropped: number of quantiles per critic that the target leaves out, below M.

    Returns:
        The loss, with the means ``critic_loss``, ``actor_loss``, ``alpha_loss``, ``alpha``, ``value``,
        ``value_target`` and ``entropy``.

    Example:
        >>> agent = networks.with_temperature(networks.quantile_actor_critics(mlp(3, 2), mlp(4, 5)))
        >>> params = make_params(agent.init(0), target=agent.init(0), gamma=0.5)
        >>> x, zeros, terminated = torch.zeros(2, 3), torch.zeros(2, 1), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": torch.ones(2), "terminated": terminated}
        >>> batch = {"observation": x, "action": zeros, "noise": zeros, "next_noise": zeros, "next": after}
        >>> _, means = losses.tqc(agent, target_entropy=-1.0, num_dropped=2)(params, batch)
        >>> means["critic_loss"], means["value_target"]  # quantiles of 0: mean tau 1/2, huber(1 - 0) = 1/2
        (tensor(0.2500), tensor(1.))
    """

    def target(params, batch, alpha):
        after = batch["next"]
        action, log_prob = squash(agent.actor(params, after["observation"]), batch["next_noise"])
        quantiles = agent.critics(params["target"]["critics"], after["observation"], action)
        return target_of(
            params, after, soft_value(truncated(quantiles, num_dropped), log_prob, alpha)
        )

    def loss(params, batch):
        weights, observation = params["weights"], batch["observation"]
        alpha = weights["log_alpha"].detach().exp()
        with torch.no_grad():
            y = target(params, batch, alpha)
        quantiles = agent.critics(weights["critics"], observation, batch["action"])
        size = quantiles.shape[-1]
        tau = midpoints(size).to(quantiles.device)
        error = quantile_huber(quantiles, y.mT, tau).mean(0) / size
        critic = weighted_mean(error, batch.get("importance", None))
        action, log_prob = squash(agent.actor(params, observation), batch["noise"])
        critics = stop_gradient(weights["critics"])
        value = agent.critics(critics, observation, action).mean((0, -1))
        actor = -soft_value(value, log_prob, alpha).mean()
        temperature = -(weights["log_alpha"] * (log_prob.detach() + target_entropy)).mean()
        return critic + actor + temperature, soft_means(
            batch, critic, actor, temperature, alpha, quantiles, y, -log_prob
        )

    return loss

"""Twin delayed deep deterministic policy gradients (TD3)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.losses.critics import CriticReduction, critic_loss, least
from nappo2.losses.critics import target as target_of
from nappo2.losses.loss import Loss
from nappo2.losses.sequences import mean_of_learnt
from nappo2.maths.values import smoothed
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient


@checked
def td3(
    agent: ActorCritics,
    *,
    noise_std: float = 0.2,
    noise_limit: float = 0.5,
    next_value: CriticReduction = least,
) -> Loss:
    """TD3 (Fujimoto et al., https://arxiv.org/abs/1802.09477); delays are the optimiser's.

    The sum of two losses with separate gradients::

        critics: 1/2 (q_k(s, a) - y)^2,  y = r + gamma q_target(s', clip(mu_target(s') + noise, -1, 1))
        actor:   -q_1(s, mu(s))

    Reads, of a batch [N], ``observation``, ``action``, ``next`` and the standard normal
    ``next_noise`` [N, A]; of params ``target``, with actor and critics, and ``gamma``.

    Args:
        agent: an actor of actions in [-1, 1], [N, A], and critics of (observation, action).
        noise_std: standard deviation of the noise on the target's action.
        noise_limit: bound on that noise.
        next_value: ``(values [K, N], batch) -> [N]``, the target critics' value.

    Returns:
        The loss, with the means ``critic_loss``, ``actor_loss``, ``value`` and ``value_target``.

    Example:
        >>> agent = networks.actor_critics(mlp(3, 1), mlp(4, 1))
        >>> params = make_params(agent.init(0), target=agent.init(0), gamma=0.5)
        >>> x, zeros, terminated = torch.zeros(2, 3), torch.zeros(2, 1), torch.tensor([False, False])
        >>> after = {"observation": x, "reward": torch.tensor([2.0, 4.0]), "terminated": terminated}
        >>> batch = {"observation": x, "action": zeros, "next_noise": zeros, "next": after}
        >>> _, means = losses.td3(agent)(params, batch)
        >>> means["critic_loss"], means["value_target"]  # two critics of 0: 2 (4/2 + 16/2) / 2
        (tensor(10.), tensor(3.))
    """

    critic_of = twin_critics(agent, noise_std, noise_limit, next_value)

    def loss(params, batch):
        critic, of_critics = critic_of(params, batch)
        observation, critics = batch["observation"], stop_gradient(params["weights"]["critics"])
        policy_value = agent.critics(critics, observation, agent.actor(params, observation))[0]
        actor = -mean_of_learnt(policy_value, batch)
        return critic + actor, {"critic_loss": critic, "actor_loss": actor, **of_critics}

    return loss


def twin_critics(
    agent: ActorCritics, noise_std: float, noise_limit: float, next_value: CriticReduction
) -> Callable[[Mapping, Mapping], tuple[Tensor, dict[str, Tensor]]]:
    """The loss of TD3's critics, with targets of smoothed actions of the target actor.

    Args:
        agent: an actor of actions in [-1, 1], [N, A], and critics of (observation, action).
        noise_std: standard deviation of the noise on the target's action.
        noise_limit: bound on that noise.
        next_value: ``(values [K, N], batch) -> [N]``, the target critics' value.

    Returns:
        ``(params, batch) -> (loss [], means)``, of ``value``, that of the first critic, and ``value_target``.
    """

    def target(params, batch):
        after, target_params = batch["next"], {**params, "weights": params["target"]}
        action = agent.actor(target_params, after["observation"])
        action = smoothed(action, batch["next_noise"], noise_std, noise_limit)
        values = agent.critics(params["target"]["critics"], after["observation"], action)
        return target_of(params, after, next_value(values, batch))

    def critic_of(params, batch):
        with torch.no_grad():
            y = target(params, batch)
        critics = params["weights"]["critics"]
        values = agent.critics(critics, batch["observation"], batch["action"])
        means = {
            "value": mean_of_learnt(values[0], batch),
            "value_target": mean_of_learnt(y, batch),
        }
        return critic_loss(values, y, batch), means

    return critic_of

"""Soft actor-critic for continuous and for discrete actions."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.losses.critics import CriticChoice, CriticReduction, all_critics, critic_loss, least
from nappo2.losses.critics import target as target_of
from nappo2.losses.loss import Loss
from nappo2.losses.sequences import mean_of_learnt
from nappo2.maths.distributions import discrete_entropy, squash
from nappo2.maths.masks import entropy_share
from nappo2.maths.values import expected_soft_value, of_action, soft_value
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient


@checked
def sac(
    agent: ActorCritics,
    *,
    target_entropy: float,
    next_critics: CriticChoice = all_critics,
    next_value: CriticReduction = least,
    policy_value: CriticReduction = least,
) -> Loss:
    """Soft actor-critic (Haarnoja et al., https://arxiv.org/abs/1812.05905).

    The sum of three losses with separate gradients, where a' and b are sampled by the actor::

        critics:     1/2 (q_k(s, a) - y)^2,  y = r + gamma (q_target(s', a') - alpha log pi(a' | s'))
        actor:       alpha log pi(b | s) - q(s, b)
        temperature: -log_alpha (log pi(b | s) + target_entropy)

    Reads, of a batch [N], ``observation``, ``action`` and ``next``, and the standard normal
    ``noise`` and ``next_noise`` [N, A] of which actions are made; of params ``target``,
    ``gamma`` and the weight ``log_alpha``.

    Args:
        agent: an actor of tanh-normal outputs [N, 2A], and critics of (observation, action).
        target_entropy: entropy that the temperature aims at, in nats, such as -A.
        next_critics: ``(weights of the target critics, batch) -> weights`` of those that value a'.
        next_value: ``(values [K, N], batch) -> [N]``, the target critics' value of a'.
        policy_value: ``(values [K, N], batch) -> [N]``, the critics' value of b.

    Returns:
        The loss, with the means ``critic_loss``, ``actor_loss``, ``alpha_loss``, ``alpha``, ``value``,
        ``value_target`` and ``entropy``.

    Example:
        >>> agent = networks.with_temperature(networks.actor_critics(mlp(3, 2), mlp(4, 1)))
        >>> params = make_params(agent.init(0), target=agent.init(0), gamma=0.5)
        >>> x, zeros, terminated = torch.zeros(2, 3), torch.zeros(2, 1), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": torch.tensor([2.0, 4.0]), "terminated": terminated}
        >>> batch = {"observation": x, "action": zeros, "noise": zeros, "next_noise": zeros, "next": after}
        >>> _, means = losses.sac(agent, target_entropy=-1.0)(params, batch)
        >>> means["critic_loss"], means["actor_loss"]  # two critics of 0: 2 (4/2 + 16/2) / 2; -log sqrt(2 pi)
        (tensor(10.), tensor(-0.9189))
    """

    critic_of = soft_critics(agent, next_critics, next_value)

    def loss(params, batch):
        weights, observation = params["weights"], batch["observation"]
        critic, values, y, alpha = critic_of(params, batch)
        action, log_prob = squash(agent.actor(params, observation), batch["noise"])
        critics = stop_gradient(weights["critics"])
        value = policy_value(agent.critics(critics, observation, action), batch)
        actor = -mean_of_learnt(soft_value(value, log_prob, alpha), batch)
        surplus = log_prob.detach() + target_entropy
        temperature = -mean_of_learnt(weights["log_alpha"] * surplus, batch)
        return critic + actor + temperature, soft_means(
            batch, critic, actor, temperature, alpha, values[0], y, -log_prob
        )

    return loss


@checked
def sac_critics(
    agent: ActorCritics,
    *,
    next_critics: CriticChoice = all_critics,
    next_value: CriticReduction = least,
) -> Loss:
    """The critics' part of ``sac``, for updates at which actor and temperature stay: see ``stages.Delayed``.

    Args:
        agent: as for ``sac``.
        next_critics: as for ``sac``.
        next_value: as for ``sac``.

    Returns:
        The loss, with the means ``critic_loss``, ``alpha``, ``value`` and ``value_target``.

    Example:
        >>> agent = networks.with_temperature(networks.actor_critics(mlp(3, 2), mlp(4, 1), num_critics=1))
        >>> params = make_params(agent.init(0), target=agent.init(0), gamma=0.5)
        >>> x, zeros, terminated = torch.zeros(2, 3), torch.zeros(2, 1), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": torch.tensor([2.0, 4.0]), "terminated": terminated}
        >>> batch = {"observation": x, "action": zeros, "next_noise": zeros, "next": after}
        >>> loss, means = losses.sac_critics(agent)(params, batch)
        >>> loss, sorted(means)  # a critic of 0: (4/2 + 16/2) / 2
        (tensor(5.), ['alpha', 'critic_loss', 'value', 'value_target'])
    """
    critic_of = soft_critics(agent, next_critics, next_value)

    def loss(params, batch):
        critic, values, y, alpha = critic_of(params, batch)
        means = {
            "value": mean_of_learnt(values[0], batch),
            "value_target": mean_of_learnt(y, batch),
        }
        return critic, {"critic_loss": critic, "alpha": alpha, **means}

    return loss


def soft_critics(
    agent: ActorCritics, next_critics: CriticChoice, next_value: CriticReduction
) -> Callable[[Mapping, Mapping], tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The loss of SAC's critics.

    Args:
        agent: as for ``sac``.
        next_critics: as for ``sac``.
        next_value: as for ``sac``.

    Returns:
        ``(params, batch) -> (loss [], values [K, N], targets [N], temperature [])``.
    """

    def target(params, batch, alpha):
        after = batch["next"]
        action, log_prob = squash(agent.actor(params, after["observation"]), batch["next_noise"])
        critics = next_critics(params["target"]["critics"], batch)
        value = next_value(agent.critics(critics, after["observation"], action), batch)
        return target_of(params, after, soft_value(value, log_prob, alpha))

    def critic_of(params, batch):
        weights = params["weights"]
        alpha = weights["log_alpha"].detach().exp()
        with torch.no_grad():
            y = target(params, batch, alpha)
        values = agent.critics(weights["critics"], batch["observation"], batch["action"])
        return critic_loss(values, y, batch), values, y, alpha

    return critic_of


@checked
def discrete_sac(
    agent: ActorCritics,
    *,
    target_entropy: float,
    next_value: CriticReduction = least,
    policy_value: CriticReduction = least,
) -> Loss:
    """Soft actor-critic for n discrete actions (Christodoulou, https://arxiv.org/abs/1910.07207).

    The losses of ``sac`` in expectation over all actions; reads the same keys, but no noise.

    Args:
        agent: an actor of logits [N, n], and critics of observations, [K, N, n].
        target_entropy: entropy that the temperature aims at, in nats: a share of log n; where a mask
            allows k of n actions, ``log k / log n`` of it.
        next_value: ``(values [K, N, n], batch) -> [N, n]``, the target critics' value of s'.
        policy_value: ``(values [K, N, n], batch) -> [N, n]``, the critics' value of s for the actor.

    Returns:
        The loss, with the means of ``sac``.

    Example:
        >>> agent = networks.with_temperature(networks.discrete_actor_critics(mlp(3, 2), mlp(3, 2)))
        >>> params = make_params(agent.init(0), target=agent.init(0), gamma=0.5)
        >>> x, terminated = torch.zeros(2, 3), torch.tensor([False, False])
        >>> after = {"observation": x, "reward": torch.zeros(2), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 1]), "next": after}
        >>> _, means = losses.discrete_sac(agent, target_entropy=0.5)(params, batch)
        >>> means["entropy"], means["value_target"]  # of logits and values of 0: log 2, and gamma log 2
        (tensor(0.6931), tensor(0.3466))
    """

    def target(params, batch, alpha):
        after = batch["next"]
        log_probs = agent.actor(params, after["observation"]).log_softmax(-1)
        values = agent.critics(params["target"]["critics"], after["observation"])
        value = next_value(values, batch)
        return target_of(params, after, expected_soft_value(value, log_probs, alpha))

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
        aim = target_entropy * entropy_share(observation)
        temperature = (weights["log_alpha"] * (entropy - aim)).mean()
        return critic + actor + temperature, soft_means(
            batch, critic, actor, temperature, alpha, values[0], y, entropy
        )

    return loss


def soft_means(
    batch: Mapping,
    critic: Tensor,
    actor: Tensor,
    temperature: Tensor,
    alpha: Tensor,
    value: Tensor,
    value_target: Tensor,
    entropy: Tensor,
) -> dict[str, Tensor]:
    """The means that losses with a temperature report, by name.

    Args:
        batch: which says the steps of sequences that are ``learnt``, if it has some.
        critic: loss of the critics, [].
        actor: loss of the actor, [].
        temperature: loss of the temperature, [].
        alpha: the temperature, [].
        value: of the batch, of any shape; of sequences [L, N].
        value_target: of the batch, of any shape; of sequences [L, N].
        entropy: of the policy at each observation, [N] or [L, N].

    Returns:
        Means [] by name.
    """
    return {
        "critic_loss": critic,
        "actor_loss": actor,
        "alpha_loss": temperature,
        "alpha": alpha,
        "value": mean_of_learnt(value, batch),
        "value_target": mean_of_learnt(value_target, batch),
        "entropy": mean_of_learnt(entropy, batch),
    }

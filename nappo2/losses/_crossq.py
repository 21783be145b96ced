"""CrossQ: soft actor-critic without target networks, by batch normalisation of critics."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked, explained
from nappo2.losses._sac import soft_means
from nappo2.losses.critics import CriticReduction, critic_loss, least
from nappo2.losses.critics import target as target_of
from nappo2.losses.loss import Loss
from nappo2.maths.distributions import squash
from nappo2.maths.values import soft_value
from nappo2.networks import BatchActorCritics, statistics_of
from nappo2.params import stop_gradient


@checked
def crossq(
    agent: BatchActorCritics,
    *,
    target_entropy: float,
    next_value: CriticReduction = least,
    policy_value: CriticReduction = least,
) -> Loss:
    """CrossQ (Bhatt et al., https://arxiv.org/abs/1902.05605); delays are the optimiser's.

    The losses of ``sac`` without target networks. The critics see (s, a) and (s', a') as one batch of 2N,
    by whose statistics they normalise both, and y has no gradient::

        [q_k(s, a), q_k(s', a')] = critic_k([s, s'], [a, a'])
        y = r + gamma (q(s', a') - alpha log pi(a' | s'))

    a' is of the actor by its running statistics, and the actor's own loss by those of the batch; it sees
    critics by running statistics. Of all networks these move towards those of the batch, by a gradient
    that is the step itself: see ``statistics_step``.

    Reads, of a batch [N], ``observation``, ``action``, ``next``, ``noise`` and ``next_noise`` [N, A]; of
    params ``gamma`` and the weight ``log_alpha``.

    Args:
        agent: an actor of tanh-normal outputs [N, 2A], and critics of (observation, action).
        target_entropy: entropy that the temperature aims at, in nats, such as -A.
        next_value: ``(values [K, N], batch) -> [N]``, the critics' value of a'.
        policy_value: ``(values [K, N], batch) -> [N]``, the critics' value of an action for the actor.

    Returns:
        The loss, with the means of ``sac``.

    Example:
        >>> actor, critic = networks.batch_renorm_mlp(3, 2), networks.batch_renorm_mlp(4, 1)
        >>> agent = networks.batch_actor_critics(actor, networks.of_pairs(lambda x: x, critic))
        >>> x, zeros, terminated = torch.zeros(2, 3), torch.zeros(2, 1), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": torch.tensor([2.0, 4.0]), "terminated": terminated}
        >>> batch = {"observation": x, "action": zeros, "noise": zeros, "next_noise": zeros, "next": after}
        >>> _, means = losses.crossq(agent, target_entropy=-1.0)(make_params(agent.init(0), gamma=0.9), batch)
        >>> means["critic_loss"], means["value_target"]  # two critics of 0: 2 (4/2 + 16/2) / 2
        (tensor(10.), tensor(3.))
    """

    def both(batch, next_action):
        pair = batch["observation"], batch["next"]["observation"]
        observation = trees.map(lambda *xs: torch.cat(xs), *map(_plain, pair))
        return observation, torch.cat([batch["action"], next_action])

    def loss(params, batch):
        weights, observation, after = params["weights"], batch["observation"], batch["next"]
        alpha = weights["log_alpha"].detach().exp()
        with torch.no_grad():
            outputs = agent.agent.actor(params, after["observation"])
            next_action, next_log_prob = squash(outputs, batch["next_noise"])
        joint, critics = agent.learn_critics(weights["critics"], *both(batch, next_action))
        values, next_values = joint.chunk(2, 1)
        following = soft_value(next_value(next_values.detach(), batch), next_log_prob, alpha)
        y = target_of(params, after, following)
        critic = critic_loss(values, y, batch)
        outputs, actors = agent.learn_actor(weights["actor"], observation)
        action, log_prob = squash(outputs, batch["noise"])
        seen = agent.agent.critics(stop_gradient(critics), observation, action)
        actor = -soft_value(policy_value(seen, batch), log_prob, alpha).mean()
        temperature = -(weights["log_alpha"] * (log_prob.detach() + target_entropy)).mean()
        steps = statistics_step(weights["critics"], critics) + statistics_step(
            weights["actor"], actors
        )
        means = soft_means(batch, critic, actor, temperature, alpha, values[0], y, -log_prob)
        return critic + actor + temperature + steps, means

    return loss


@explained
def statistics_step(weights: Mapping, moved: Mapping) -> Tensor:
    """A loss of 0 whose gradient is ``old - moved``, for the running statistics among weights.

    ``optim.gradient_descent``, for these leaves, makes of it what they moved to; where gradients of
    several workers are averaged, so are their statistics.

    Args:
        weights: with statistics, which the gradient is of.
        moved: the same with statistics after a batch.

    Returns:
        0, [].

    Example:
        >>> old, new = torch.tensor([4.0], requires_grad=True), torch.tensor([3.0])
        >>> loss = losses.statistics_step({"statistics": {"mean": old}}, {"statistics": {"mean": new}})
        >>> loss.detach(), torch.autograd.grad(loss, old)
        (tensor(0.), (tensor([1.]),))
    """
    pairs = zip(statistics_of(weights), statistics_of(moved), strict=True)
    return sum(
        ((old - new).detach() * (old - old.detach())).sum() for old, new in pairs
    ) + torch.zeros(())


def _plain(observation):
    return observation.to_dict() if hasattr(observation, "to_dict") else observation

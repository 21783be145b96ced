"""Munchausen DQN: rewards plus the scaled log-probability of the action."""

import torch

from nappo2.checks import checked
from nappo2.losses._dqn import Q, q_loss
from nappo2.losses.critics import target
from nappo2.losses.loss import Loss
from nappo2.maths.values import expected_soft_value, of_action


@checked
def munchausen_dqn(
    q: Q, *, alpha: float = 0.9, temperature: float = 0.03, lowest: float = -1.0
) -> Loss:
    """Munchausen DQN (Vieillard et al., https://arxiv.org/abs/2007.14430).

    ``dqn`` with another target, where pi is the softmax of ``q_target / temperature``::

        y = r + alpha clip(temperature log pi(a | s), lowest, 0)
              + gamma sum_b pi(b | s') (q_target(s', b) - temperature log pi(b | s'))

    Args:
        q: ``(weights, observation) -> values`` of all n actions, [N, n].
        alpha: weight of the log-probability; 0 is soft Q-learning.
        temperature: of the softmax.
        lowest: bound on the scaled log-probability.

    Returns:
        The loss, with the means ``value`` and ``value_target``.

    Raises:
        ValueError: if ``lowest`` is above 0, where all log-probabilities would be 0.

    Example:
        >>> network = mlp(4, 8, 2)
        >>> params = {"weights": network.init(0), "target": network.init(1), "hyper": {"gamma": 0.99}}
        >>> x, terminated = torch.ones(3, 4), torch.zeros(3, dtype=torch.bool)
        >>> after = {"observation": x, "reward": torch.ones(3), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 1, 0]), "next": after}
        >>> loss, means = losses.munchausen_dqn(network.apply)(params, batch)
        >>> sorted(means)
        ['value', 'value_target']
    """
    if lowest > 0:
        raise ValueError(f"lowest is at most 0, as log-probabilities are, not {lowest}")

    def values_and_targets(params, batch):
        after = batch["next"]
        with torch.no_grad():
            before = q(params["target"], batch["observation"])
            values = q(params["target"], after["observation"])
            log_prob = of_action((before / temperature).log_softmax(-1), batch["action"])
            log_probs = (values / temperature).log_softmax(-1)
            next_value = expected_soft_value(values, log_probs, temperature)
            bonus = alpha * (temperature * log_prob).clamp(lowest, 0)
            y = bonus + target(params, after, next_value)
        return of_action(q(params["weights"], batch["observation"]), batch["action"]), y

    return q_loss(values_and_targets)

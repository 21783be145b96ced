"""The intrinsic curiosity module (ICM): what a model of one's own actions cannot predict is new."""

from collections.abc import Callable
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.maths.novelty import half_squared_distance
from nappo2.networks import Network
from nappo2.seeds import split
from nappo2.stages.exploring.bonus import Bonus, Sight, bonus_weights, learnt_mean


@checked
def curiosity(
    features: Network,
    inverse: Network,
    forward: Network,
    sight: Sight,
    dist: Distribution,
    action_row: Callable[[Any], Tensor],
    *,
    beta: float = 0.2,
    eta: float = 0.01,
) -> Bonus:
    """The bonus of the intrinsic curiosity module (Pathak et al., https://arxiv.org/abs/1705.05363).

    With features phi of observations s and s', between which the action a was taken::

        bonus = eta 1/2 |forward(phi(s), a) - phi(s')|^2
        loss  = (1 - beta) -log p(a | inverse(phi(s), phi(s'))) + beta 1/2 |forward(phi(s), a) - phi(s')|^2

    Features learn from both terms: the inverse model makes them tell what actions change.

    Args:
        features: phi, of what the sight shows, [..., n] to [..., F].
        inverse: of two features side by side, [..., 2 F], to the outputs of ``dist``.
        forward: of features beside an action, [..., F + A], to [..., F].
        sight: how the features see observations.
        dist: of actions, of the inverse model's outputs.
        action_row: ``action -> [..., A]`` float32, as the forward model sees an action.
        beta: weight of the forward model in the loss, within 0 and 1.
        eta: scale of the bonus.

    Returns:
        The bonus, with the weights ``features``, ``inverse`` and ``forward``.

    Raises:
        ValueError: if ``beta`` is not within 0 and 1.

    Example:
        >>> from nappo2.stages import curiosity, normalized_sight
        >>> sight = normalized_sight(lambda observation: observation, size=4)
        >>> bonus = curiosity(
        ...     features=mlp(4, 8),
        ...     inverse=mlp(2 * 8, 2),
        ...     forward=mlp(8 + 2, 8),
        ...     sight=sight,
        ...     dist=distributions.categorical(),
        ...     action_row=lambda action: torch.nn.functional.one_hot(action, 2).float(),
        ... )
        >>> sorted(bonus.init(0).keys())
        ['features', 'forward', 'inverse']
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is within 0 and 1, not {beta}")
    networks = {"features": features, "inverse": inverse, "forward": forward}

    def init(seed):
        seeds = zip(networks.items(), split(seed, 3), strict=True)
        return TensorDict({name: network.init(key) for (name, network), key in seeds})

    def encoded(params, observation):
        return features.apply(bonus_weights(params)["features"], sight.view(params, observation))

    def surprise(params, before, action, after):
        x = torch.cat([before, action_row(action)], -1)
        return half_squared_distance(forward.apply(bonus_weights(params)["forward"], x), after)

    def reward(params, rollout):
        before = encoded(params, rollout["observation"])
        after = encoded(params, rollout["next"]["observation"])
        return eta * surprise(params, before, rollout["action"], after)

    def loss(params, batch):
        before = encoded(params, batch["observation"])
        after = encoded(params, batch["novelty"]["observation"])
        outputs = inverse.apply(bonus_weights(params)["inverse"], torch.cat([before, after], -1))
        inverse_loss = learnt_mean(-dist.log_prob(outputs, batch["action"]), batch)
        forward_loss = learnt_mean(surprise(params, before, batch["action"], after), batch)
        total = (1 - beta) * inverse_loss + beta * forward_loss
        return total, {"inverse_loss": inverse_loss, "forward_loss": forward_loss}

    return Bonus(sight.view, reward, sight.count, sight.statistics, init, loss)

"""RAdam: Adam whose first steps do not trust a variance of few gradients."""

import torch

from nappo2.checks import checked
from nappo2.optim.transformations import (
    AdamState,
    GradientTransformation,
    adam_state,
    correction,
)

LEAST_RHO = 5.0  # below which the variance has no finite correction, as in torch


@checked
def radam(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, rate: str = "learning_rate"
) -> GradientTransformation:
    """Rectified Adam (Liu et al., https://arxiv.org/abs/1908.03265), as in torch.

    With ``rho = 2 / (1 - b2) - 1 - 2 t b2^t / (1 - b2^t)``, the length of the running mean, updates are
    ``-rate * mu / (1 - b1^t)``, and where ``rho > 5`` this times
    ``r(rho) sqrt(1 - b2^t) / (sqrt(nu) + eps)``.

    Args:
        b1: decay of the mean gradient.
        b2: decay of the mean squared gradient.
        eps: added to the root of the latter.
        rate: name of the hyper-parameter that is the learning rate.

    Returns:
        A transformation of gradients to updates, which are added to the weights.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.radam()
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0.3000, -0.4000])
    """
    longest = 2 / (1 - b2) - 1

    def update(grads, state, hyper, weights=None):
        count = state.count + 1
        mu = state.mu.lerp(grads, 1 - b1)
        nu = torch.addcmul(state.nu * b2, grads, grads, value=1 - b2)
        first, second = (correction(b, count.double()) for b in (b1, b2))
        rho = longest - 2 * count * (1 - second) / second
        shrink = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
        scale = (shrink.clamp(min=0) * second).sqrt().float() / (nu.sqrt() + eps)
        updates = -hyper[rate] * mu / first.float() * torch.where(rho > LEAST_RHO, scale, 1.0)
        return updates, AdamState(count, mu, nu)

    return GradientTransformation(adam_state, update)

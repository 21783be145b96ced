"""The loss of a critic of intrinsic returns."""

import torch

from nappo2.batch import valid
from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.policies import Apply


@checked
def intrinsic_value(critic: Apply) -> Loss:
    """The mean of ``1/2 (v(s) - target)^2`` over the transitions of a batch that count.

    Reads ``observation`` and ``novelty/value_target``, which ``intrinsic_advantages`` adds, of a batch
    [N], or of sequences [T, N].

    Args:
        critic: ``(params, observation) -> value`` [...] float32, of intrinsic returns.

    Returns:
        The loss, with the mean ``intrinsic_value_loss``.

    Example:
        >>> loss = losses.intrinsic_value(lambda params, x: x.squeeze(-1))
        >>> novelty = {"value_target": torch.tensor([2.0, 5.0])}
        >>> loss({}, {"observation": torch.tensor([[4.0], [4.0]]), "novelty": novelty})  # (4/2 + 1/2) / 2
        (tensor(1.2500), {'intrinsic_value_loss': tensor(1.2500)})
    """

    def loss(params, batch):
        error = (
            0.5 * (critic(params, batch["observation"]) - batch["novelty"]["value_target"]).square()
        )
        mask = torch.ones_like(error, dtype=torch.bool) if valid(batch) is None else valid(batch)
        mean = torch.where(mask, error, 0.0).sum() / mask.sum().clamp(min=1)
        return mean, {"intrinsic_value_loss": mean}

    return loss

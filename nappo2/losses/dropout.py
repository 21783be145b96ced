"""Dropout in the critics of an off-policy loss, by masks that are drawn before."""

from collections.abc import Mapping

from torch import Tensor

from nappo2.checks import checked
from nappo2.losses.loss import Loss
from nappo2.networks import with_kept
from nappo2.params import Plain


@checked
def with_dropout(loss: Loss, *hidden: int) -> Loss:
    """The loss with dropout in critics and target critics (Hiraoka et al., https://arxiv.org/abs/2110.02034).

    Reads, of a batch [N], the masks ``kept`` [N, 2 K H] bool that ``kept_units`` draws, for K critics
    whose hidden layers, made by ``networks.dropout_mlp``, have H units in all. The critics' values for the
    actor have the masks of the critics' own errors.

    Args:
        loss: of params with ``weights`` and ``target``, each with ``critics``.
        *hidden: sizes of the hidden layers of a critic; behind a torso, those of its head.

    Example:
        >>> critic = networks.dropout_mlp(3, 4, 1, dropout=0.5)
        >>> def loss(params, batch):
        ...     return params["weights"]["critics"]["0"]["0"]["kept"].sum(), {}
        >>> critics = {"critics": {"0": critic.init(0)}}
        >>> kept = torch.tensor([[True, True, True, False] + 4 * [True]])  # of the critic, of its target
        >>> losses.with_dropout(loss, 4)({"weights": critics, "target": critics}, {"kept": kept})
        (tensor(3), {})
    """

    def dropped(params: Mapping, batch: Mapping) -> tuple[Tensor, dict[str, Tensor]]:
        branches = zip(("weights", "target"), batch["kept"].chunk(2, -1), strict=True)
        masked = {
            name: {**params[name], "critics": with_masks(params[name]["critics"], kept, hidden)}
            for name, kept in branches
        }
        return loss(Plain({**params, **masked}), batch)

    return dropped


def with_masks(critics: Mapping, kept: Tensor, hidden: tuple[int, ...]) -> dict:
    """The weights of K critics with the masks of their hidden units.

    Args:
        critics: the weights of each.
        kept: [N, K H] bool, of all units side by side.
        hidden: sizes of the hidden layers of a critic, H in all.

    Returns:
        Trees in which masks stand beside weights.
    """
    each = kept.chunk(len(critics), -1)
    return {
        name: _with_masks(critic, mask.split(hidden, -1))
        for (name, critic), mask in zip(critics.items(), each, strict=True)
    }


def _with_masks(critic: Mapping, masks: tuple[Tensor, ...]) -> Mapping:
    if "head" in critic:  # behind a torso
        return {**critic, "head": with_kept(critic["head"], masks)}
    return with_kept(critic, masks)

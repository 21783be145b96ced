"""The way to TorchRL, whose losses and estimators can then read what nappo2 collects."""

from tensordict import TensorDict

from nappo2.checks import checked

COLUMNS = (
    "reward",
    "terminated",
    "truncated",
    "done",
    "advantage",
    "value_target",
    "state_value",
    "is_init",
)


@checked
def to_torchrl(batch: TensorDict) -> TensorDict:
    """Lays a batch out as TorchRL does (https://docs.pytorch.org/rl): [B, T], numbers as columns.

    The keys are TorchRL's already. What has one number per transition and is listed in
    ``COLUMNS``, at the root or under ``next``, gets a trailing dimension of 1; all else stays as
    it is, also ``action_log_prob`` and discrete actions, which have none in TorchRL either.

    Args:
        batch: a rollout [T, B] or a minibatch [N], which is not written to.

    Returns:
        A batch [B, T] or [N], of views.
    """
    turned = batch.transpose(0, 1) if batch.ndim == 2 else batch

    def widened(name, x):
        return x.unsqueeze(-1) if name in COLUMNS else x

    return turned.named_apply(widened)

"""Conversion to TorchRL, whose losses and estimators can then read batches of nappo2."""

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
    """Converts a batch to TorchRL's layout (https://docs.pytorch.org/rl): [B, T], numbers as columns.

    The keys are TorchRL's already. Keys in ``COLUMNS``, at the root or under ``next``, get a trailing
    dimension of 1; others stay as they are, also ``action_log_prob`` and discrete actions, which have
    none in TorchRL either.

    Args:
        batch: a rollout [T, B] or a minibatch [N], which is not written to.

    Returns:
        A batch [B, T] or [N], of views.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> rollout = first(collect_of(recipe), recipe.init(0)).item
        >>> to_torchrl(rollout).batch_size, to_torchrl(rollout)["next", "reward"].shape
        (torch.Size([4, 8]), torch.Size([4, 8, 1]))
    """

    def as_column(name, x):
        return x.unsqueeze(-1) if name in COLUMNS else x

    batch = batch.transpose(0, 1) if batch.ndim == 2 else batch
    return batch.named_apply(as_column)

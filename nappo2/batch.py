"""Batches: the table of all keys of rollouts and minibatches, and functions that select and count.

``KEYS`` is the table, from which messages and the page *Concepts* are made. The names are TorchRL's.

Index t of a rollout [T, B] is one step: the policy took ``action[t]`` at ``observation[t]``, and ``next``
has the reward, the flags and the observation that followed. ``terminated`` stops bootstrapping, ``done``
stops the trace, and the last observation of an episode is in ``next``, before any reset. A minibatch
has [N] where its rollout has [T, B], or [T, N] of whole sequences; a population's rollouts have
[n, T, B].
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.params import Params
from nappo2.trees import as_tensordict


class Key(NamedTuple):
    """A row of the table.

    Attributes:
        shape: of the tensor, when it is written.
        dtype: of the tensor; "of the space" if the environment defines it.
        written_by: the stage that writes it, as a call.
        read_by: stages and losses that need it.
        meaning: in a few words.
    """

    shape: str
    dtype: str
    written_by: str
    read_by: str
    meaning: str


_COLLECT = "collect(...)"
_RECURRENT = "collect(...) with a policy that remembers"
_ADVANTAGE = "gae(agent) or vtrace(agent, dist)"
_INTRINSIC = "intrinsic_rewards(bonus)"
_WINDOWS = "rolling_windows(length, period)"
_LOSSES = "advantages, losses"

KEYS = {
    "observation": Key(
        "[T, B, ...]", "of the space", _COLLECT, _LOSSES, "observation acted on, not normalised"
    ),
    "observation/action_mask": Key(
        "[T, B, n]",
        "bool",
        _COLLECT,
        "policies, losses",
        "which of n actions were legal; absent without masks",
    ),
    "action": Key(
        "[T, B] or [T, B, A]",
        "int64 or float32",
        _COLLECT,
        _LOSSES,
        "as the environment takes it; several parts by name",
    ),
    "action_log_prob": Key(
        "[T, B]",
        "float32",
        _COLLECT,
        "vtrace, PPO's loss",
        "log-probability under the policy that acted",
    ),
    "params_version": Key(
        "[T, B]", "int64", _COLLECT, "gradients, learn", "version of the params that acted"
    ),
    "memory": Key(
        "[T, B, ...]", "float32", _RECURRENT, "recurrent agents", "recurrent state before the step"
    ),
    "is_init": Key(
        "[T, B]", "bool", _RECURRENT, "recurrent agents", "whether an episode began with the step"
    ),
    "mask": Key(
        "[T, B]",
        "bool",
        "collect(...) or workers(...)",
        "losses, reports",
        "false for padding and transitions that are not finite",
    ),
    "next/observation": Key(
        "[T, B, ...]", "of the space", _COLLECT, _LOSSES, "next observation, before any reset"
    ),
    "next/observation/action_mask": Key(
        "[T, B, n]", "bool", _COLLECT, "losses of targets", "which of n actions are legal there"
    ),
    "next/reward": Key("[T, B]", "float32", _COLLECT, _LOSSES, "reward, not scaled"),
    "next/terminated": Key("[T, B]", "bool", _COLLECT, _LOSSES, "the task ended: do not bootstrap"),
    "next/truncated": Key("[T, B]", "bool", _COLLECT, "users", "ended by a limit: bootstrap"),
    "next/done": Key("[T, B]", "bool", _COLLECT, _LOSSES, "terminated or truncated"),
    "next/steps": Key(
        "[T, B]",
        "float32",
        "n_step(num)",
        "losses of targets",
        "number of steps that the reward sums",
    ),
    "state_value": Key("[T, B]", "float32", _ADVANTAGE, "PPO's loss", "value of the observation"),
    "advantage": Key(
        "[T, B]", "float32", _ADVANTAGE, "losses of policies", "advantage of the action"
    ),
    "value_target": Key(
        "[T, B]",
        "float32",
        f"{_ADVANTAGE}, lambda_returns(agent), with_returns(dataset, gamma)",
        "losses of policies, PQN's loss",
        "what the critic learns",
    ),
    "next/reward_intrinsic": Key(
        "[T, B]", "float32", _INTRINSIC, "intrinsic_advantages", "bonus for what is new"
    ),
    "novelty/observation": Key(
        "[T, B, ...]",
        "of the space",
        _INTRINSIC,
        "losses of bonuses",
        "next observation, from which the bonus learns",
    ),
    "novelty/mask": Key(
        "[T, B]",
        "bool",
        "intrinsic_rewards(bonus, novelty_share)",
        "losses of bonuses",
        "which transitions the bonus learns from",
    ),
    "novelty/value_target": Key(
        "[T, B]",
        "float32",
        "intrinsic_advantages(critic)",
        "intrinsic_value",
        "what the critic of intrinsic returns learns",
    ),
    "learnt": Key(
        "[N, L]", "bool", _WINDOWS, "losses of sequences", "steps of a sequence that count"
    ),
    "padding": Key(
        "[N, L]", "bool", _WINDOWS, "losses of sequences", "steps before the first rollout"
    ),
    "importance": Key(
        "[N]", "float32", "prioritized_replay(...)", "losses of targets", "weight of a transition"
    ),
    "noise": Key(
        "[N, A] or [N, L, A]",
        "float32",
        "noise(normal_noise(..., size=A))",
        "losses of SAC and kin",
        "noise of the action",
    ),
    "next_noise": Key(
        "[N, A] or [N, L, A]",
        "float32",
        "noise(normal_noise(..., size=A))",
        "losses of TD3, SAC and kin",
        "noise of the next action",
    ),
    "chosen": Key(
        "[N, M]",
        "int64",
        "noise(chosen_critics(num, M))",
        "losses with only_chosen or least_chosen",
        "critics whose minimum is the target",
    ),
    "kept": Key(
        "[N, n]",
        "bool",
        "noise(kept_units(dropout, n))",
        "losses with with_dropout",
        "units that dropout keeps",
    ),
}
"""Every key of rollouts and minibatches; ``next/reward`` is ``batch["next", "reward"]``."""


def written_by(key: str) -> str | None:
    """The stage that writes a key of batches, or of gradients; None if no stage does."""
    if key in ("next", "weights"):
        return {"next": _COLLECT, "weights": "gradients(loss)"}[key]
    row = KEYS.get(key, KEYS.get(f"next/{key}"))
    return None if row is None else row.written_by


def table() -> str:
    """``KEYS`` as a table in Markdown."""
    head = ("key", "shape", "dtype", "written by", "read by", "meaning")
    rows = [head, ("---",) * len(head), *(_cells(name, key) for name, key in KEYS.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(name: str, key: Key) -> tuple[str, ...]:
    path = ", ".join(f"`{part}`" for part in name.split("/"))
    return path, key.shape, key.dtype, key.written_by, key.read_by, key.meaning


def valid(batch: Mapping) -> Tensor | None:
    """The mask of transitions that count, [T, B] or [N] bool; None if all do."""
    return batch["mask"] if "mask" in batch.keys() else None


def only_valid(x: Any, batch: Mapping) -> Any:
    """Selects from ``x`` [T, B, ...] the transitions that count, [M, ...]; ``x`` itself if all do.

    ``x`` is a tensor, or a dictionary of tensors.
    """
    mask = valid(batch)
    return x if mask is None else trees.map(lambda leaf: leaf[mask], x)


def num_samples(batch: TensorDict) -> int:
    """Number of transitions of a batch that count."""
    mask = valid(batch)
    return batch.numel() if mask is None else int(mask.sum())


def age(params: Params, batch: TensorDict) -> Tensor:
    """The mean age of a batch, []: by how many versions ``params`` are newer than those that collected it.

    Raises:
        ValueError: if the batch lacks ``params_version``.
    """
    if "params_version" not in batch.keys():
        raise ValueError(
            "a batch lacks params_version, the version of the params that collected it; a source "
            'adds it to its rollouts: params["version"].expand(T, B)'
        )
    return only_valid((params["version"] - batch["params_version"]).float(), batch).mean()


def valid_transitions(rollout: TensorDict) -> TensorDict:
    """Flattens a rollout [T, B], or what is flat, to the transitions that count, [N]."""
    flat, mask = flattened(without(rollout, "mask")), valid(rollout)
    return flat if mask is None else take(flat, mask.flatten().nonzero().squeeze(-1))


def flattened(rollout: TensorDict) -> TensorDict:
    """The transitions of a rollout [T, B], or of members [n, T, B], in one dimension, [N] or [n, N]."""
    if rollout.ndim < 2:
        return rollout
    dim, size = rollout.ndim - 2, (*rollout.shape[:-2], rollout.shape[-2] * rollout.shape[-1])

    def flat(part: Mapping) -> dict:
        flatten = lambda x: x.flatten(dim, dim + 1) if isinstance(x, Tensor) else flat(x)
        return {key: flatten(x) for key, x in part.items()}

    return as_tensordict(flat(rollout), size)


def with_columns(batch: TensorDict, columns: Mapping[str, Any]) -> TensorDict:
    """A copy of a batch with other or further columns, which shares the tensors."""
    return as_tensordict({**dict(batch.items()), **columns}, batch.batch_size)


def without(batch: TensorDict, *names: str) -> TensorDict:
    """A copy of a batch without the columns of these names, which shares the tensors."""
    return as_tensordict({k: x for k, x in batch.items() if k not in names}, batch.batch_size)


def loss_inputs(batch: TensorDict) -> dict:
    """The batch as a plain dictionary, for losses; without ``params_version``."""
    return without(batch, "params_version").to_dict()


def take(batch: TensorDict, index: Tensor, dim: int = 0) -> TensorDict:
    """``batch[index]``, or ``batch[:, index]``, in a fifth of the time.

    Args:
        batch: [N] or [T, N].
        index: [M] int64.
        dim: 0 or 1, the dimension that is indexed.

    Returns:
        A batch [M] or [T, M].
    """
    return _index_select(batch, index, dim, torch.Size((*batch.shape[:dim], len(index))))


def take_each(batch: TensorDict, index: Tensor) -> TensorDict:
    """Rows of each member's column, in one gather.

    Args:
        batch: [N, n], a column for each of n members.
        index: the rows of each member, [n, M] int64.

    Returns:
        A batch [n, M].
    """
    n = len(index)
    rows = (index * n + torch.arange(n)[:, None]).flatten()
    return _gathered(batch, rows, index.shape)


def _gathered(batch: Mapping, rows: Tensor, size: torch.Size) -> TensorDict:
    """The rows of a batch [N, n] that is taken for one of [N * n], as a batch of this size."""
    entries = {
        key: x.flatten(0, 1).index_select(0, rows).unflatten(0, size)
        if isinstance(x, Tensor)
        else _gathered(x, rows, size)
        for key, x in batch.items()
    }
    return TensorDict._new_unsafe(entries, batch_size=size)


def _index_select(batch: Mapping, index: Tensor, dim: int, size: torch.Size) -> TensorDict:
    """``take`` without checks of the batch size, which would take as long as gathering."""
    entries = {
        key: x.index_select(dim, index)
        if isinstance(x, Tensor)
        else _index_select(x, index, dim, size)
        for key, x in batch.items()
    }
    return TensorDict._new_unsafe(entries, batch_size=size)

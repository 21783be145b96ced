"""What a dataset is: transitions [N] with the keys of a rollout, and of an environment's spaces."""

from collections.abc import Sequence
from typing import Any

import torch
from tensordict import TensorDict

from nappo2.batch import KEYS
from nappo2.envs import Env
from nappo2.envs.actions import ActionSpec
from nappo2.envs.masks import restricted
from nappo2.maths.masks import FORBIDDEN, mask_of
from nappo2.pipeline import Stage
from nappo2.trees import as_tensordict, walk

OF_NEXT = {
    "reward": "float32 [N]",
    "terminated": "bool [N]",
    "truncated": "bool [N]",
    "done": "bool [N]",
}
"""What is under ``next`` of a dataset, beside the observation."""

OF_ONE_NUMBER = {name: key.dtype for name, key in KEYS.items() if key.shape in ("[T, B]", "[N]")}
"""The dtypes of keys that are one number per transition, which may be in a dataset."""


def check_dataset(data: TensorDict) -> None:
    """Refuses what is no dataset.

    Raises:
        ValueError: if it is empty, not [N], lacks a key, has one of another shape or dtype, or numbers
            that are not finite; names the first.
    """
    if data.ndim != 1 or not len(data):
        raise ValueError(
            f"a dataset is transitions [N], at least one, not {list(data.batch_size)}; "
            "dataset(...) makes one of arrays, episodes and rollouts"
        )
    names = [("observation",), ("action",), *(("next", key) for key in ("observation", *OF_NEXT))]
    for name in names:
        if name not in {path[: len(name)] for path, _ in walk(data)}:
            raise ValueError(
                f"a dataset has the key {'/'.join(name)!r}; dataset(...) makes all of them"
            )
    after = data["next"]
    for name, right in OF_NEXT.items():
        if (given := kind(after[name])) != right:
            raise ValueError(f"next/{name} of a dataset is {right}, not {given}")
    _check_numbers(data)
    if (now := kind(data["observation"])) != (later := kind(after["observation"])):
        raise ValueError(f"observations of a dataset are {now}, and the next ones {later}")
    for path, x in walk(data):
        if x.is_floating_point() and path != ("action_log_prob",) and not x.isfinite().all():
            raise ValueError(f"{'/'.join(path)} of the dataset has numbers that are not finite")


def _check_numbers(data: TensorDict) -> None:
    """Refuses a key that losses read as one number per transition, and that is something else.

    A column [N, 1] would be spread over all pairs of transitions, [N, N], and their mean learnt.
    """
    for path, x in walk(data):
        name = "/".join(path)
        dtype = OF_ONE_NUMBER.get(name)
        if dtype is not None and (given := kind_of_tensor(x)) != f"{dtype} [N]":
            raise ValueError(f"{name} of a dataset is {dtype} [N], not {given}")


def check_spaces(data: TensorDict, env: Env) -> None:
    """Refuses a dataset whose observations or actions are not those of an environment.

    Raises:
        ValueError: says which of them the dataset has, and which the environment.
    """
    spec = env.action_spec
    _check_kind("observations", data["observation"], env.observation_spec.zeros(1), env.name)
    _check_kind("actions", data["action"], spec.zeros(1), env.name)
    _check_choices(spec, data["action"], env.name)
    _check_bounds(spec, data["action"], env.name)
    _check_allowed(spec, data, env.name)


def check_beside(recipe: str, stages: Sequence[Stage], dataset: TensorDict) -> None:
    """Refuses transitions beside those of a replay that are of another kind.

    Args:
        recipe: name of the recipe.
        stages: left of the one that adds transitions of the dataset.
        dataset: transitions [N].

    Raises:
        ValueError: names the stage that makes something else of what is collected.
    """
    for stage in stages:
        for kinds, key, what in OTHER_TRANSITIONS:
            if stage.kind in kinds and (key is None or key not in dataset.keys(True, True)):
                raise ValueError(
                    f"{recipe} does not go with replay_with: its stage {stage.kind} makes {what}, and "
                    "the dataset has single steps"
                )


OTHER_TRANSITIONS = (
    (("windows", "rolling_windows"), None, "sequences"),
    (("n_step", "rolling_n_step"), ("next", "steps"), "transitions of several steps"),
    (("prioritized_replay",), "importance", "batches with the weights of their transitions"),
)
"""Stages by kind, the key by which a dataset could be of the same transitions, and what they make."""


def within_bounds(data: TensorDict, env: Env) -> TensorDict:
    """Transitions [N] with actions as the environment did them: within their bounds, in place.

    Numbers are clipped, and integers rounded.

    Raises:
        ValueError: if the actions are not of the environment's shape or dtype.
    """
    spec = env.action_spec
    _check_kind("actions", data["action"], spec.zeros(1), env.name)
    done = as_tensordict({"action": spec.within(data["action"])}, data.batch_size)
    return data.update(done)


def _check_kind(name: str, given: Any, right: Any, env: str) -> None:
    if kind(given) != kind(right):
        raise ValueError(
            f"{name} of the dataset are {kind(given)}, and those of {env} {kind(right)}; "
            "dataset(arrays, env) makes them of arrays of its simulator"
        )


def kind(batch: Any) -> str:
    """The dtypes and shapes of a batch [N, ...] in words, such as ``float32 [N, 4]``."""
    parts = sorted(walk({"": batch}))
    return ", ".join(f"{'.'.join(path[1:])} {kind_of_tensor(x)}".strip() for path, x in parts)


def kind_of_tensor(x: torch.Tensor) -> str:
    """The dtype and shape of a tensor [N, ...] in words."""
    shape = ", ".join(map(str, ("N", *x.shape[1:])))
    return f"{dtype_name(x)} [{shape}]"


def dtype_name(x: torch.Tensor) -> str:
    """The dtype of a tensor [...], such as ``float32``."""
    return str(x.dtype).removeprefix("torch.")


def _check_choices(spec: ActionSpec, action: Any, name: str) -> None:
    if spec.is_tree:
        for key, part in spec.parts.items():
            _check_choices(part, action[key], name)
    elif spec.sizes:
        most = torch.tensor(spec.sizes).reshape(spec.shape) - 1
        wrong = action[(action < 0) | (action > most)]
        if len(wrong):
            raise ValueError(
                f"an action of the dataset is {int(wrong[0])}, and those of {name} are within 0 and "
                f"{most.tolist()}"
            )


def _check_bounds(spec: ActionSpec, action: Any, name: str) -> None:
    if spec.is_tree:
        for key, part in spec.parts.items():
            _check_bounds(part, action[key], name)
    elif not spec.sizes and len(beyond := action[spec.within(action) != action]):
        raise ValueError(
            f"an action of the dataset is {float(beyond[beyond.abs().argmax()]):.4g}, which is none that "
            f"{name} does: of what an agent collected, dataset(data, env) clips actions to their bounds and "
            "rounds integers, as the environment did; of a simulator's arrays, dataset(arrays, env) scales "
            "them"
        )


def _check_allowed(spec: ActionSpec, data: TensorDict, name: str) -> None:
    mask = mask_of(data["observation"])
    if mask is None:
        return
    outputs = torch.zeros(len(data), spec.distribution.num_outputs(spec.size))
    log_prob = spec.distribution.log_prob(restricted(spec)(outputs, mask), data["action"])
    num = int((log_prob < FORBIDDEN / 2).sum())
    if num:
        raise ValueError(
            f"{num} actions of the dataset are forbidden by the masks of {name}, so that no policy of it "
            "takes them"
        )

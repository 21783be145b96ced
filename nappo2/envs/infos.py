"""Numbers of info at the end of an episode: ``is_success``, and those with names of their own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nappo2.reports import is_free


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Refuses names of numbers that an episode has without being told, each once in their order.

    Raises:
        ValueError: names the one that is taken.
    """
    for name in names:
        if not is_free(name):
            raise ValueError(
                f"an episode has a {name!r} of its own in metrics, so that no number of info can have "
                "this name; a wrapper gives it another one"
            )
    return tuple(dict.fromkeys(names))


def as_columns(
    num_envs: int, ended: Sequence[int], infos: Sequence[dict[str, float]]
) -> dict[str, Tensor]:
    """The numbers that environments tell, by name, [B] float32, NaN where they do not.

    Args:
        num_envs: B.
        ended: the numbers of the environments whose episodes end.
        infos: the numbers that each of these tells.

    Returns:
        A tensor for each name that any of them tells.
    """
    names = dict.fromkeys(name for info in infos for name in info)
    columns = {name: torch.full((num_envs,), torch.nan) for name in names}
    for i, info in zip(ended, infos, strict=True):
        for name, number in info.items():
            columns[name][i] = number
    return columns

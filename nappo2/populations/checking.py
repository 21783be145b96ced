"""Checks that params are those of all members of a population."""

from nappo2.params import Params


def check_members(params: Params, num_members: int | None = None) -> None:
    """Refuses params that are not those of all members.

    Args:
        params: with which a population is to begin.
        num_members: number of its members, n; None for any number of them.

    Raises:
        ValueError: says whose params they are.
    """
    shapes = {tuple(x.shape) for x in params["hyper"].values()}
    if any(len(shape) != 1 or num_members not in (None, *shape) for shape in shapes):
        of = "each member" if num_members is None else f"each of {num_members} members"
        sizes = {size for shape in shapes for size in shape}
        given = f"a population of {max(sizes)}" if sizes else "a single run"
        raise ValueError(
            f"params of a population have the weights of {of}, as population(...).init(seed) makes "
            f"them, and these are of {given}"
        )

"""Kinds of Gymnasium's boxes, which observations, wrappers and processes of simulators ask for.

It imports no torch, as a process of simulators begins without.
"""

from gymnasium.spaces import Box, Dict, Space

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


def is_box(space: Space) -> bool:
    """Tests whether a space is a Box, of which frames can be stacked."""
    return isinstance(space, Box)


def is_bytes(space: Space, *ranks: int) -> bool:
    """Tests whether a space is a Box of bytes, of one of these ranks if there are any."""
    return is_box(space) and space.dtype == "uint8" and (not ranks or len(space.shape) in ranks)


def has_goals(space: Space) -> bool:
    """Tests whether a space is that of a goal environment, a Dict of three boxes."""
    if not isinstance(space, Dict) or set(space.spaces) != set(GOAL_KEYS):
        return False
    return all(map(is_box, space.spaces.values()))

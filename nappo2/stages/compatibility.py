"""Which action spaces, observations, agents, storages and schemes a recipe works with."""

from collections.abc import Mapping
from typing import NamedTuple

SCHEMES = ("3cs", "3ds", "2dacs", "2daca", "da2cs", "dadacs", "dadaca")
"""The seven training schemes, which ``nappo2.schemes`` makes."""

FORMS = {
    "actions": "{} actions",
    "observations": "observations of {}",
    "agent": "the agent {}",
    "storage": "the storage {}",
    "scheme": "the scheme {}",
}


class Compatibility(NamedTuple):
    """What a recipe works with: for each aspect the kinds that fit, None for all of them.

    Attributes:
        actions: kinds of action spaces.
        observations: kinds of observations: vectors, images, goals, or dictionaries of several parts.
        agent: kinds of agents.
        storage: stages that make batches of rollouts.
        scheme: training schemes.
        reasons: why nothing else fits, by aspect, as the end of "as ...".
    """

    actions: tuple[str, ...] | None = None
    observations: tuple[str, ...] | None = None
    agent: tuple[str, ...] | None = None
    storage: tuple[str, ...] | None = None
    scheme: tuple[str, ...] | None = None
    reasons: Mapping[str, str] = {}


def check_compatible(recipe: str, compatible: Compatibility, /, of: str = "", **kinds: str) -> None:
    """Refuses kinds that a recipe does not work with.

    Args:
        recipe: name of the recipe.
        compatible: what the recipe works with.
        of: what the kinds belong to, such as an environment's id, for the end of the message.
        **kinds: the kind of each aspect, such as ``actions="discrete"``.

    Raises:
        ValueError: names the recipe, the kind, and the kinds that fit.
    """
    for aspect, kind in kinds.items():
        fitting = getattr(compatible, aspect)
        if fitting is not None and kind not in fitting:
            reason = f", as {compatible.reasons[aspect]}" if aspect in compatible.reasons else ""
            raise ValueError(
                f"{recipe} does not go with {FORMS[aspect].format(kind)}{reason}; "
                f"fitting {aspect}: {', '.join(fitting)}{of and f'; this is {of}'}"
            )

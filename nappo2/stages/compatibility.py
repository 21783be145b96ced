"""What goes with what: a recipe, and the pieces that it is put together with."""

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
    """What a recipe goes with; of each aspect the names of what fits, None for anything.

    Attributes:
        actions: kinds of action spaces.
        observations: kinds of observations: vectors, images, or observations with goals.
        agent: kinds of agents.
        storage: stages that make batches of rollouts.
        scheme: training schemes.
        reasons: why nothing else fits, by aspect.
    """

    actions: tuple[str, ...] | None = None
    observations: tuple[str, ...] | None = None
    agent: tuple[str, ...] | None = None
    storage: tuple[str, ...] | None = None
    scheme: tuple[str, ...] | None = None
    reasons: Mapping[str, str] = {}


def check_compatible(recipe: str, compatible: Compatibility, /, of: str = "", **given: str) -> None:
    """Refuses what does not go with a recipe.

    Args:
        recipe: its name.
        compatible: what goes with it.
        of: whose these are, which the message ends with.
        **given: the kind of what it is given, by aspect.

    Raises:
        ValueError: names the recipe, what it was given, and what would fit.
    """
    for aspect, kind in given.items():
        fitting = getattr(compatible, aspect)
        if fitting is not None and kind not in fitting:
            because = f", as {compatible.reasons[aspect]}" if aspect in compatible.reasons else ""
            raise ValueError(
                f"{recipe} does not go with {FORMS[aspect].format(kind)}{because}; "
                f"fitting {aspect}: {', '.join(fitting)}{of and f'; this is {of}'}"
            )

"""Which recipe a class of configurations belongs to.

Some configurations add to that of another recipe: REDQ's are SAC's and more. ``sac(env, REDQ())`` would
ignore what they add, so it is refused, and ``redq`` gives ``sac`` the part that is SAC's.
"""

from dataclasses import fields
from typing import Any, TypeVar

from nappo2.checks.words import article, words_of
from nappo2.saving.calls import path_of

Config = TypeVar("Config")
OWNERS: dict[str, str] = {}
"""The first recipe that takes a class of configurations, by the path of the class."""


def owned_by(recipe: str, kind: type) -> None:
    """Notes that a recipe takes a class of configurations."""
    OWNERS.setdefault(path_of(kind), recipe)


def check_config(recipe: str, kind: type, config: Any) -> None:
    """Refuses a configuration of another recipe, of which this one would read a part.

    Classes that no recipe takes may add to ``kind``: those of recipes of one's own.

    Args:
        recipe: its name.
        kind: the class that it takes.
        config: that it was given.

    Raises:
        ValueError: names the recipe that reads all of it.
    """
    paths = [path_of(base) for base in type(config).__mro__]
    owned = next((path for path in paths if path in OWNERS), None)
    if owned is not None and owned != path_of(kind) and path_of(kind) in paths:
        given = owned.rpartition(":")[2]
        raise ValueError(
            f"config is {words_of(kind)}, not {article(given)} {given}, which has more than {recipe} "
            f"reads; {OWNERS[owned]}(env, {given}(...)) reads it all"
        )


def base_config(config: Any, kind: type[Config]) -> Config:
    """The part of a configuration that a base class of it has, for a recipe that takes that class.

    Example:
        >>> from nappo2.recipes.owners import base_config
        >>> base_config(REDQ(gamma=0.9), SAC).gamma
        0.9
    """
    return kind(**{field.name: getattr(config, field.name) for field in fields(kind)})

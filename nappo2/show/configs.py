"""A recipe's hyper-parameters, and what differs from its defaults and presets."""

import re
from dataclasses import MISSING, fields
from typing import Any


def rows(config: Any) -> list[tuple[str, str, str, str]]:
    """Name, value, default where it is another, and meaning, of each hyper-parameter."""
    meanings, found = explained(type(config).__doc__ or ""), []
    for field in fields(config):
        value = getattr(config, field.name)
        default = field.default if field.default is not MISSING else None
        differs = "" if value == default else shown(default)
        found.append((field.name, shown(value), differs, meanings.get(field.name, "")))
    return found


def preset_like(config: Any) -> str:
    """The preset that a configuration is, or is nearest to, with what differs from it."""
    from nappo2.recipes import PRESETS

    known = {
        f"{algorithm}, {name}": difference(config, preset.config)
        for algorithm, presets in PRESETS.items()
        for name, preset in presets.items()
        if type(preset.config).__name__ == type(config).__name__
    }
    if not known:
        return "no preset is of this kind"
    name = min(known, key=lambda name: len(known[name]))
    if not known[name]:
        return f"the preset {name}"
    return f"nearest to the preset {name}, but for {', '.join(known[name])}"


def difference(config: Any, other: Any) -> list[str]:
    """The names of what differs."""
    return [
        field.name
        for field in fields(config)
        if getattr(config, field.name) != getattr(other, field.name, None)
    ]


def explained(docstring: str) -> dict[str, str]:
    """The lines of an ``Attributes:`` section, by name."""
    found, _, section = {}, *docstring.partition("Attributes:")[1:]
    for names, meaning in re.findall(r"^ +([\w, ]+): (.+(?:\n {12,}.+)*)", section, re.MULTILINE):
        found |= {name.strip(): " ".join(meaning.split()) for name in names.split(",")}
    return found


def shown(value: Any) -> str:
    """A value, as one would write it."""
    return f"{value:g}" if isinstance(value, float) else repr(value)

"""Tables of hyper-parameters, compared with their defaults and with presets."""

import re
from dataclasses import MISSING, fields
from typing import Any


def rows(config: Any) -> list[tuple[str, str, str, str]]:
    """Name, value, default if it is another one, and meaning of each hyper-parameter."""
    meanings, table = meanings_of(type(config)), []
    for field in fields(config):
        value = getattr(config, field.name)
        default = field.default if field.default is not MISSING else None
        differs = "" if value == default else as_text(default)
        table.append((field.name, as_text(value), differs, meanings.get(field.name, "")))
    return table


def meanings_of(config_class: type) -> dict[str, str]:
    """The texts about the fields of a configuration by name, those it inherits among them."""
    meanings: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        meanings |= attribute_docs(base.__doc__ or "")
    return meanings


def preset_like(config: Any) -> str:
    """Says which preset a configuration equals or is nearest to, and which fields differ."""
    from nappo2.recipes import PRESETS

    differences = {
        f"{algorithm}, {name}": difference(config, preset.config)
        for algorithm, presets in PRESETS.items()
        for name, preset in presets.items()
        if type(preset.config).__name__ == type(config).__name__
    }
    if not differences:
        return "no preset is of this kind"
    name = min(differences, key=lambda name: len(differences[name]))
    if not differences[name]:
        return f"the preset {name}"
    return f"nearest preset: {name}; different: {', '.join(differences[name])}"


def difference(config: Any, other: Any) -> list[str]:
    """The names of fields that differ."""
    return [
        field.name
        for field in fields(config)
        if getattr(config, field.name) != getattr(other, field.name, None)
    ]


def attribute_docs(docstring: str) -> dict[str, str]:
    """The texts in the ``Attributes:`` section of a docstring, by name."""
    docs, _, section = {}, *docstring.partition("Attributes:")[1:]
    for names, meaning in re.findall(r"^ +([\w, ]+): (.+(?:\n {12,}.+)*)", section, re.MULTILINE):
        docs |= {name.strip(): " ".join(meaning.split()) for name in names.split(",")}
    return docs


def as_text(value: Any) -> str:
    """A value as one writes it in code."""
    return f"{value:g}" if isinstance(value, float) else repr(value)

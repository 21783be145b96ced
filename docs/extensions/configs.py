"""``{config} PPO``: a table of a recipe's hyper-parameters and of its presets, from the code itself."""

from dataclasses import fields

from sphinx.util.docutils import SphinxDirective

from extensions.public import parsed
from nappo2 import recipes
from nappo2.recipes import PRESETS
from nappo2.recipes.presets import evidence_of
from nappo2.recipes.table import TABLE
from nappo2.show import configs

UNMEASURED = "unmeasured"


def setup(app):
    app.add_directive("config", Config)
    app.add_directive("presets", Presets)
    app.add_directive("evidence", Evidence)
    app.add_directive("fits", Fits)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Table(SphinxDirective):
    """A table of the rows of text that ``rows`` makes of the directive's argument."""

    required_arguments = 1
    head = ()

    def run(self):
        lines = [".. list-table::", "   :header-rows: 1", "   :class: config", ""]
        for row in [self.head, *self.rows(*self.arguments)]:
            first, *others = (str(cell) for cell in row)
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        return parsed(self, lines)


class Config(Table):
    """Name, default and meaning of each hyper-parameter of a configuration."""

    head = ("hyper-parameter", "default", "")

    def rows(self, name):
        for field, value, _, meaning in configs.rows(getattr(recipes, name)()):
            yield f"``{field}``", f"``{value}``", meaning


class Presets(Table):
    """What the presets of a recipe are for, and where they differ from its defaults."""

    head = ("preset", "made for", "differs from the defaults by", "source", "measured by")

    def rows(self, name):
        for preset, found in PRESETS[name].items():
            default = type(found.config)()
            changed = [
                f"``{f.name}={configs.as_text(getattr(found.config, f.name))}``"
                for f in fields(default)
                if getattr(found.config, f.name) != getattr(default, f.name)
            ]
            differs = ", ".join(changed) or "nothing"
            measured = measured_by(self, name, preset)
            yield f"``{preset}``", made_for(found), differs, found.source, measured


class Evidence(Table):
    """The presets that were measured, with the entries that did; how many were not."""

    required_arguments = 0
    head = ("recipe", "preset", "made for", "measured by")

    def rows(self):
        pairs = [(name, preset) for name, presets in PRESETS.items() for preset in presets]
        measured = [pair for pair in pairs if evidence_of(*pair) != UNMEASURED]
        for name, preset in measured:
            made = made_for(PRESETS[name][preset])
            yield f"``{name}``", f"``{preset}``", made, measured_by(self, name, preset)
        yield "the others", f"{len(pairs) - len(measured)} of {len(pairs)}", "", UNMEASURED


def made_for(preset):
    """The environments of a preset, and how long it trains in how many of them."""
    where = f"``{preset.env}``, " if preset.env else ""
    return f"{where}{preset.num_envs} x {preset.total_steps:,} steps"


def measured_by(directive, name, preset):
    """The entries that measured a preset, each with a link to its row of the page of measured curves."""
    entries = evidence_of(name, preset)
    page = "../" * directive.env.docname.count("/") + "zoo.html"
    linked = ", ".join(f"`{entry} <{page}#{entry}>`__" for entry in entries.split(", "))
    return entries if entries == UNMEASURED else linked


class Fits(Table):
    """What goes with each recipe."""

    required_arguments = 0
    head = ("recipe", "actions", "observations", "agent", "storage")

    def rows(self):
        for name, fit in TABLE.items():
            found = (fit.actions, fit.observations, fit.agent, fit.storage)
            yield f"``{name}``", *(", ".join(kinds or ("any",)) for kinds in found)

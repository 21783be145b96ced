"""The page of measured curves, the presets' evidence, and pictures: drawn from the kept files alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from evidence import pictures
from evidence.entries import ENTRIES
from evidence.entry import EVALUATIONS, Entry, command_of
from evidence.keeping import kept
from evidence.summary import commits, core_hours, greedy, hours, number, successes, training
from nappo2.recipes import PRESETS, Preset

ROOT = Path(__file__).parents[1]
PAGE, PICTURES = ROOT / "docs/zoo.md", ROOT / "docs/pictures/zoo"
PRESET_EVIDENCE = ROOT / "nappo2/recipes/evidence.json"
SECTIONS = {
    "classic": "Classic control",
    "rainbow": "Rainbow, piece by piece",
    "pixels": "Pixels",
    "memory": "Memory: CartPole without velocities",
    "toy-text": "Toy texts",
    "box2d": "Lunar lander",
    "goals": "Goals, with and without hindsight",
    "exploration": "A sparse maze, with and without a bonus",
    "offline": "Recorded data in a replay",
    "pybullet": "PyBullet",
    "mujoco": "MuJoCo",
    "schemes": "Training schemes",
    "atari": "Atari",
}
Files = Mapping[str, Mapping[str, Any]]
HEAD = """# Measured curves

<!-- Written by nox -s zoo -- --draw from the files in evidence/results: change those, not this page. -->

Each entry was run by `nox -s zoo -- NAME`, which resumes after an interrupt. Nothing was chosen by its
result: every seed from 0 on is here, and an entry that was not run is not. So far there are {entries}
entries, {runs} runs and {hours} core hours.

- **last, best**: 100 greedy episodes with the last params, and with those of the best of {evaluations}
  evaluations during the run. These are not the episodes that chose the best params.
- **training**: mean return of the training episodes, with exploration noise, that ended in the last
  10,000 env steps.
- Figures are interquartile means over the seeds with their 95 % intervals: see
  [Evaluation](evaluation.md#compare-runs-over-seeds).
- **published**: what somebody else has published, with the source. In pictures it is a dotted line.
- **core hours** are those of all seeds, evaluations included. A + marks a commit with uncommitted changes.
"""


def draw() -> list[Path]:
    """Writes the page, its pictures and the presets' evidence; returns the paths of what it wrote."""
    files = kept()
    PICTURES.mkdir(parents=True, exist_ok=True)
    wanted = {picture_of(group[0]): group for group in groups_of(files)}
    for path in set(PICTURES.glob("*.png")) - set(wanted):
        path.unlink()
    new = [
        pictures.draw(group, files, path)
        for path, group in wanted.items()
        if not is_current(path, group, files)
    ]
    PAGE.write_text(page(files))
    PRESET_EVIDENCE.write_text(preset_evidence(files))
    return [*new, PAGE, PRESET_EVIDENCE]


def is_current(path: Path, group: Sequence[Entry], files: Files) -> bool:
    """Tests whether a picture was drawn from these files by this code."""
    return path.exists() and pictures.digest(group, files).encode() in path.read_bytes()


def groups_of(files: Files) -> list[list[Entry]]:
    """The entries that were run, those of a picture together, in the order of the table."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in ENTRIES.values():
        if entry.name in files:
            groups.setdefault(entry.tags[:2], []).append(entry)
    return list(groups.values())


def picture_of(entry: Entry) -> Path:
    """The path of the picture in which an entry is."""
    return PICTURES / f"{entry.tags[1]}.png"


def page(files: Files) -> str:
    """The text of the page."""
    files = {name: data for name, data in files.items() if name in ENTRIES}
    head = HEAD.format(
        entries=len(files),
        runs=sum(len(data["runs"]) for data in files.values()),
        hours=hours(sum(map(core_hours, files.values()))),
        evaluations=EVALUATIONS,
    )
    groups = groups_of(files)
    sections = [
        section(title, [group for group in groups if group[0].tags[0] == tag], files)
        for tag, title in SECTIONS.items()
        if any(group[0].tags[0] == tag for group in groups)
    ]
    return "\n".join([head, *sections])


def section(title: str, groups: Sequence[Sequence[Entry]], files: Files) -> str:
    """A section: a table and a picture for each environment, then commands."""
    parts = [f"## {title}"]
    for group in groups:
        path = picture_of(group[0]).relative_to(PAGE.parent)
        names = ", ".join(entry.name for entry in group)
        parts += [table(group, files), f"![Returns of {names}]({path})"]
        parts += [f"`{entry.name}`: {entry.note}" for entry in group if entry.note]
    rows = [
        f"| `{entry.name}` | `{command_of(entry)}` | {commits(files[entry.name])} |"
        for group in groups
        for entry in group
    ]
    return (
        "\n\n".join([*parts, "\n".join(["| entry | command | commit |", "|---|---|---|", *rows])])
        + "\n"
    )


def table(group: Sequence[Entry], files: Files) -> str:
    """The figures of entries in one environment."""
    envs = ", ".join(dict.fromkeys(entry.env for entry in group))
    head = f"| {envs} | seeds x steps | last | best | training | published | core hours |"
    rows = [row(entry, files[entry.name]) for entry in group]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def row(entry: Entry, data: Mapping[str, Any]) -> str:
    """The figures of an entry."""
    last, rate = greedy(data, "last"), successes(data)
    cells = [
        f'<span id="{entry.name}"></span>`{entry.name}`',
        f"{seeds(data)} x {data['entry']['steps']:,}",
        f"**{last}**" + (f"; successes {rate}" if rate else ""),
        str(greedy(data, "best") or ""),
        str(training(data) or ""),
        "; ".join(published(entry)),
        hours(core_hours(data)),
    ]
    return f"| {' | '.join(cells)} |"


def seeds(data: Mapping[str, Any]) -> str:
    """How many seeds were run, and of how many where some are still to come."""
    num, wanted = len(data["runs"]), data["entry"]["seeds"]
    return str(num) if num == wanted else f"{num} of {wanted}"


def published(entry: Entry) -> Iterator[str]:
    """What others published, with links."""
    for each in entry.published:
        spread = f" ± {number(each.spread)}" if each.spread else ""
        yield f"{number(each.mean)}{spread} ([{each.of}]({each.source}))"


def preset_evidence(files: Files) -> str:
    """The entries that measured each preset, as JSON: by recipe and preset."""
    found: dict[str, dict[str, list[str]]] = {}
    for recipe, presets in PRESETS.items():
        for name, names in entries_of(recipe, presets, files).items():
            found.setdefault(recipe, {})[name] = names
    return json.dumps(found, indent=1) + "\n"


def entries_of(recipe: str, presets: Mapping[str, Preset], files: Files) -> dict[str, list[str]]:
    """The entries that measured the presets of a recipe.

    An entry is of a preset whose configuration and number of environments it had, but for ``jit``; of
    several such, of the first that is for its environment. One with other pieces than ``nappo2 train``
    takes is of none.
    """
    found: dict[str, list[str]] = {}
    for entry, data in files.items():
        card = data["card"]
        known = entry in ENTRIES and ENTRIES[entry].make is None
        if not known or card.get("algorithm") != recipe:
            continue
        same = [name for name, preset in presets.items() if is_of(preset, card)]
        if same:
            found.setdefault(same[0], []).append(entry)
    return {name: found[name] for name in presets if name in found}


def is_of(preset: Preset, card: Mapping[str, Any]) -> bool:
    """Tests whether a run had the configuration of a preset, where it is meant for.

    A field that was not there yet counts as what it is by default.
    """
    config, defaults = (
        json.loads(json.dumps(asdict(each))) for each in (preset.config, type(preset.config)())
    )
    here = not preset.env or any(fnmatch(card["env"], x) for x in preset.env.split())
    same = {**defaults, **card["config"], "jit": None} == {**config, "jit": None}
    return here and same and card["num_envs"] == preset.num_envs


if __name__ == "__main__":
    for written in draw():
        print(written)

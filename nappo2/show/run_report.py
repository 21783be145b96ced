"""``report``: what runs were, how they went and how they are repeated, as one page."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.saving.outputs import whole_file
from nappo2.show.columns import column_names, default_x, default_y, without_curve
from nappo2.show.comparison import compare
from nappo2.show.markup import SANS, element, preformatted
from nappo2.show.pictures import Picture
from nappo2.show.plots import plot
from nappo2.show.runs import Runs, group_runs

ROWS = ("algorithm", "env", "scheme", "num_envs", "total_steps", "commit", "begun")
"""Entries of a run card that say what a run was, beside its configuration, versions and machine."""


class Section(NamedTuple):
    """A heading with what stands below it, in either form.

    Attributes:
        title: of the section.
        rows: of a table, the first of them its head.
        texts: commands and other lines.
        pictures: in this order.
        films: bytes of MP4 files.
    """

    title: str
    rows: Sequence[Sequence[str]] = ()
    texts: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    films: Sequence[bytes] = ()


class RunReport(NamedTuple):
    """A page about runs; ``save("runs.html")`` or ``save("runs.md")`` writes it as one file.

    Attributes:
        title: of the page.
        sections: from top to bottom.
    """

    title: str
    sections: Sequence[Section]

    def html(self) -> str:
        """The page as HTML, with its pictures and films inside."""
        style = f"font:15px/1.5 {SANS};max-width:56rem;margin:2rem auto;padding:0 1rem"
        parts = [element("h1", escape(self.title)), *map(_html, self.sections)]
        head = f'<meta charset="utf-8">{element("title", escape(self.title))}'
        page = element("head", head) + element("body", "".join(parts), style=style)
        return f"<!doctype html>{element('html', page, lang='en')}"

    def markdown(self) -> str:
        """The page as Markdown, with its pictures inside; films are left out."""
        return "\n\n".join([f"# {self.title}", *map(_markdown, self.sections)]) + "\n"

    def save(self, path: str | Path) -> Path:
        """Writes the page, as Markdown if the name ends with ``.md``, and else as HTML.

        Raises:
            ValueError: if there can be no file at this path.
        """
        path = Path(path)
        with whole_file(path) as unfinished:
            unfinished.write_text(self.markdown() if path.suffix == ".md" else self.html())
        return path

    def __repr__(self):
        titles = ", ".join(section.title.lower() for section in self.sections)
        return f"a report on {self.title}: {titles}; save(path) keeps it"

    def _repr_html_(self):
        return "".join(map(_html, self.sections))


@checked
def report(runs: Runs, y: str | None = None) -> RunReport:
    """Reports on runs: what, how, versions, seeds, curve, interval, film, and the command that repeats each.

    Args:
        runs: as ``plot`` takes them; what is not on disk has no card, and less is said of it.
        y: the column that is drawn and compared; None for that which ``plot`` draws.

    Returns:
        The page; without ``y``, and where there is nothing to draw yet, a sentence says so in it.

    Raises:
        ValueError: if there is no run, or none has the column ``y``.
        FileNotFoundError: if there is no run in a folder.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=512, progress=False).run()
        >>> page = report(learner)
    """
    groups = group_runs(runs)
    flat = [run for group in groups.values() for run in group]
    cards = {name: _card(group[0]) for name, group in groups.items()}
    x, drawn = default_x(flat), y or default_y(flat)
    sections = [
        _curve(groups, x, drawn)
        if y or drawn in column_names(flat)
        else Section("Curve", texts=[without_curve(flat, x, drawn)]),
        Section("Returns", _returns(groups, drawn)),
        Section("What", _differences(cards, ROWS)),
        Section(
            "Hyper-parameters", _differences({n: c.get("config", {}) for n, c in cards.items()})
        ),
        Section("Seeds", _seeds(groups)),
        Section("Versions and machine", _differences({n: _where(c) for n, c in cards.items()})),
        Section("Film", films=_films(flat)),
        Section("Again", texts=[_command(card) for card in cards.values() if card]),
    ]
    kept = [s for s in sections if len(s.rows) > 1 or s.texts or s.pictures or s.films]
    return RunReport(_title(cards), kept)


def _title(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """The names of the groups, and the environment that all share."""
    names, ids = ", ".join(filter(None, cards)) or "runs", {c.get("env") for c in cards.values()}
    env = ids.pop() if len(ids) == 1 else None
    return f"{names} on {env}" if env and env not in names else names


def _curve(groups: Mapping[str, Sequence[Any]], x: str, y: str) -> Section:
    several = max(map(len, groups.values())) > 1
    mean = "interquartile mean over seeds, with its 95 % interval" if several else "one run each"
    caption = f"{y.replace('_', ' ')} by {x.replace('_', ' ')}: {mean}"
    return Section("Curve", texts=[caption], pictures=[plot(groups, x, y)])


def _returns(groups: Mapping[str, Sequence[Any]], y: str) -> list[tuple[str, ...]]:
    """The last values of each group with their interval, of the runs that have any."""
    rows = [("", "interquartile mean", "95 % interval", "seeds")]
    for name, runs in groups.items():
        group = [run for run in runs if y in column_names([run])]
        by_env = {_card(run).get("env", "") for run in group}
        if len(by_env) != 1:  # no run, or such whose returns have scales of their own
            continue
        rows += compare({name: group}, y).rows()
    return rows


def _card(run: Any) -> Mapping[str, Any]:
    return getattr(run, "description", None) or {}


def _differences(
    cards: Mapping[str, Mapping[str, Any]], names: Sequence[str] = ()
) -> list[tuple[str, ...]]:
    """A row per entry, with its value in each group."""
    keys = list(names) or list(dict.fromkeys(key for card in cards.values() for key in card))
    rows = [
        (key.replace("_", " "), *(_text(card.get(key)) for card in cards.values()))
        for key in keys
        if any(card.get(key) is not None for card in cards.values())
    ]
    return [("", *cards), *rows]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _where(card: Mapping[str, Any]) -> dict[str, Any]:
    return {**card.get("versions", {}), **card.get("machine", {})}


def _seeds(groups: Mapping[str, Sequence[Any]]) -> list[tuple[str, str, str]]:
    """The seeds of each group, and the folders of their runs."""
    rows = [("", "seeds", "folders")]
    for name, group in groups.items():
        seeds = dict.fromkeys(str(_card(run).get("seed", "?")) for run in group)
        many = f"{len(group)} members, of seed " if _card(group[0]).get("population") else ""
        folders = dict.fromkeys(str(x) for run in group if (x := getattr(run, "log_dir", None)))
        rows.append((name, many + ", ".join(seeds), ", ".join(folders)))
    return rows


def _films(runs: Sequence[Any]) -> list[bytes]:
    """The newest film of each run that has one: of ``nappo2 play``, or made during training."""
    folders = dict.fromkeys(x for run in runs if (x := getattr(run, "log_dir", None)))
    by_run = [
        sorted([*folder.glob("videos/*.mp4"), *folder.glob("play.mp4")]) for folder in folders
    ]
    return [films[-1].read_bytes() for films in by_run if films]


def _command(card: Mapping[str, Any]) -> str:
    """What repeats a run: its command, or where it was made, and its commit."""
    commit = card.get("commit")
    return f"{card.get('command', 'unknown')}" + (f"    # at commit {commit}" if commit else "")


def _html(section: Section) -> str:
    parts = [element("h2", escape(section.title))]
    parts += [picture.inline() for picture in section.pictures]
    if len(section.rows) > 1:
        cell = "text-align:left;padding:2px 12px 2px 0;vertical-align:top"
        rows = [
            element("tr", "".join(element(tag, escape(x), style=cell) for x in row))
            for tag, row in zip(["th", *["td"] * len(section.rows)], section.rows, strict=False)
        ]
        parts.append(element("table", "".join(rows), style="border-collapse:collapse"))
    parts += [preformatted(text) for text in section.texts]
    parts += [
        f'<video controls loop muted style="max-width:100%" src="data:video/mp4;base64,'
        f'{b64encode(film).decode()}"></video>'
        for film in section.films
    ]
    return "".join(parts)


def _markdown(section: Section) -> str:
    parts = [f"## {section.title}"]
    for picture in section.pictures:
        parts.append(f"![{section.title}](data:image/png;base64,{b64encode(picture.png).decode()})")
    if len(section.rows) > 1:
        head, *rows = [[x.replace("|", r"\|") for x in row] for row in section.rows]
        lines = [head, ["---"] * len(head), *rows]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    parts += [f"    {text}" for text in section.texts]
    if section.films:
        parts.append(f"{len(section.films)} films stand in the folders of the runs.")
    return "\n\n".join(parts)

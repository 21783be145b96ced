"""``python -m evidence NAME...``: runs entries of the zoo; ``--list`` shows them, ``--draw`` draws pages."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from evidence.entries import ENTRIES
from evidence.entry import Entry
from nappo2.checks import suggestion
from nappo2.machine.children import cores
from nappo2.show.markup import aligned


@dataclass(frozen=True)
class Options:
    """Runs entries, as far as they are not kept yet, and keeps their curves in evidence/results.

    Attributes:
        names: of entries, or tags of several.
        list: whether to list the entries that are named, or all, and how far they are.
        draw: whether to draw the page and its pictures from the files that are kept.
        cores: that may be busy at once.
        runs: the folder of all runs, in which they go on.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    list: bool = False
    draw: bool = False
    cores: Annotated[int, tyro.conf.arg(help_behavior_hint="")] = cores()
    runs: Path = Path("runs/zoo")


def main(argv: Sequence[str]) -> int:
    """Does what a command line says; returns the exit code.

    A wrong name, a damaged file or a path that cannot be used is one sentence on the standard error, and 2.
    """
    options = tyro.cli(Options, args=argv, prog="nox -s zoo --")
    try:
        return do(options)
    except ValueError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"{error.filename} cannot be used: {error.strerror}", file=sys.stderr)
    return 2


def do(options: Options) -> int:
    """Does what options say; returns the exit code."""
    entries = chosen(options.names)
    if options.list:
        print(listed(entries or list(ENTRIES.values()), options.runs))
        return 0
    code = run_entries(entries, options) if entries else 0
    if options.draw:
        from benchmarks import history
        from evidence.figures import fill
        from evidence.page import draw

        for path in (*draw(), *history.draw(), *fill()):
            print(path)
    if not entries and not options.draw:
        print("name entries to run, or say --list or --draw", file=sys.stderr)
        return 2
    return code


def run_entries(entries: Sequence[Entry], options: Options) -> int:
    """Runs entries; returns the exit code."""
    from evidence.running import run

    return run(entries, options.cores, options.runs)


def chosen(names: Sequence[str]) -> list[Entry]:
    """The entries of names and of tags, in the order of the table.

    Raises:
        ValueError: if there is neither an entry nor a tag of a name.
    """
    tags = {tag for entry in ENTRIES.values() for tag in entry.tags}
    for name in names:
        if name not in ENTRIES and name not in tags:
            known = suggestion(name, [*ENTRIES, *tags])
            raise ValueError(f"no entry and no tag is called {name!r}; there is {known}")
    return [each for each in ENTRIES.values() if {each.name, *each.tags} & set(names)]


def listed(entries: Sequence[Entry], runs: Path) -> str:
    """A table of entries and how far they are."""
    from evidence.running import progress

    rows = [("entry", "environment", "steps", "seeds", "cores", "", "tags")]
    for entry, state in zip(entries, progress(entries, runs), strict=True):
        numbers = (f"{entry.steps:,}", str(entry.seeds), str(entry.cores))
        rows.append((entry.name, entry.env, *numbers, state, " ".join(entry.tags)))
    return "\n".join(aligned(rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

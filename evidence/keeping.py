"""The file of an entry: cards, thinned rows, evaluations and last episodes of its seeds.

``results/NAME.json`` has these keys. Seeds are added as their runs end, so that a long entry can be run on
several days and machines; a run that is there stays as it is:

- ``format``: 1.
- ``entry``: what was run: name, words of the command, env, steps, seeds, cores.
- ``card``: the run card, as far as it is the same for all runs.
- ``runs``: of each seed ``seed``; ``card``, the rest of its card; ``seconds`` of training;
  ``core_seconds``; ``rows`` and ``evaluations``, columns by name; ``last`` and ``best``, columns of 100
  greedy episodes and the env steps after which their params were taken.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evidence.entry import Entry, Task, definition_of
from nappo2.saving.log_dir import write_whole

FORMAT, POINTS, DIGITS = 1, 200, 5
RESULTS = Path(__file__).parent / "results"
LEFT_OUT = ("log_dir", "resume", "observation_space", "action_space")
"""Entries of a card that say nothing of a run, or follow from its environment."""


def keep(entry: Entry, tasks: Sequence[Task], results: Path = RESULTS) -> Path:
    """Adds the results of tasks to the file of an entry; returns its path."""
    found = [json.loads((task.folder / "result.json").read_text()) for task in tasks]
    new = [small(run) | {"card": short(each["card"])} for each in found for run in each["runs"]]
    by_seed = {run["seed"]: run for run in [*new, *runs_of(entry, results)]}
    runs = [by_seed[seed] for seed in sorted(by_seed)]
    cards = [run["card"] for run in runs]
    common = {k: x for k, x in cards[0].items() if all(card.get(k) == x for card in cards)}
    runs = [
        run | {"card": {k: x for k, x in run["card"].items() if k not in common}} for run in runs
    ]
    path = path_of(entry, results)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, text_of(definition_of(entry), common, runs))
    return path


def path_of(entry: Entry, results: Path = RESULTS) -> Path:
    """Where the file of an entry is, or will be."""
    return results / f"{entry.name}.json"


def runs_of(entry: Entry, results: Path = RESULTS) -> list[dict[str, Any]]:
    """The runs in the file of an entry with their whole cards; none if it was another entry then."""
    path = path_of(entry, results)
    if not path.exists() or (data := read(path))["entry"] != definition_of(entry):
        return []
    return [run | {"card": data["card"] | run["card"]} for run in data["runs"]]


def short(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card without what says nothing of a run; of its system the kind."""
    machine = dict(card.get("machine", {}))
    machine["system"] = machine.get("system", "").partition("-")[0]
    return {k: x for k, x in card.items() if k not in LEFT_OUT} | {"machine": machine}


def text_of(entry: Mapping[str, Any], card: Mapping[str, Any], runs: Sequence[Any]) -> str:
    """The text of a file: a line for each run, so that what changed can be seen."""
    lines = ",\n".join(dense(run) for run in runs)
    parts = [f'"format":{FORMAT}', f'"entry":{dense(entry)}', f'"card":{dense(card)}']
    return "{" + ",\n".join([*parts, f'"runs":[\n{lines}]']) + "}\n"


def dense(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def small(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run with thinned rows, and all numbers to five digits."""
    kept = thinned(run["rows"]["env_steps"])
    rows = {name: [values[i] for i in kept] for name, values in run["rows"].items()}
    return rounded({**run, "rows": rows})


def thinned(steps: Sequence[float], points: int = POINTS) -> list[int]:
    """The last row at or before each of so many even positions in a run."""
    marks = [steps[-1] * (i + 1) / points for i in range(points)]
    kept, row = [], 0
    for mark in marks:
        while row + 1 < len(steps) and steps[row + 1] <= mark:
            row += 1
        kept.append(row)
    return sorted(set(kept))


def rounded(x: Any) -> Any:
    """Numbers to five digits, whole ones as such; NaN and infinities, which JSON lacks, as None."""
    if isinstance(x, dict):
        return {name: rounded(value) for name, value in x.items()}
    if isinstance(x, list):
        return [rounded(value) for value in x]
    if not isinstance(x, float):
        return x
    if x != x or x in (float("inf"), float("-inf")):
        return None
    short = float(f"{x:.{DIGITS}g}")
    return int(short) if short.is_integer() else short


def read(path: Path) -> dict[str, Any]:
    """The file of an entry.

    Raises:
        ValueError: if it is damaged, or has another format.
    """
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged: {error}; git restore {path} brings it back"
        ) from error
    if data.get("format") != FORMAT:
        raise ValueError(f"{path} has the format {data.get('format')}, not {FORMAT}")
    return data


def kept(results: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """The files of all entries that were run, by name."""
    return {path.stem: read(path) for path in sorted(results.glob("*.json"))}

"""Runs, from memory or from disk, and what is equal among them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.checkpoint import load_params
from nappo2.metrics import Metrics, Row, read_csv
from nappo2.params import Params
from nappo2.show.look import look
from nappo2.show.members import members

ITS_OWN = (
    "seed",
    "log_dir",
    "tensorboard",
    "threads",
    "preset",
)  # what seeds of a group may differ in


class SavedRun(NamedTuple):
    """What a run left on disk.

    Attributes:
        metrics: its rows.
        described: the command that made it, as in run.json; empty if nothing says so. Of an
            environment ``module:Id`` the module is kept apart, as ``env_module``, so that nothing
            which is made of ``env`` imports what a file names.
        params: the last ones that were saved; None if none were.
        log_dir: where it is.
    """

    metrics: Metrics
    described: dict[str, Any]
    params: Params | None
    log_dir: Path

    def __repr__(self):
        row = self.metrics[-1] if self.metrics else {}
        said = f"{self.log_dir}: {int(row.get('env_steps', 0)):,} env steps"
        return said + (f", return {row['episode_return']:.1f}" if "episode_return" in row else "")

    def _repr_html_(self):
        return look(self)._repr_html_()


def load_run(path: str | Path) -> SavedRun:
    """What is on disk of a run, however it ended; a line that was not written to its end is left out.

    Raises:
        FileNotFoundError: if there is no metrics.csv.
        ValueError: if one of the files is damaged.
    """
    folder = Path(path)
    if not (folder / "metrics.csv").exists():
        raise FileNotFoundError(f"there is no run in {folder}: it has no metrics.csv")
    rows = Metrics(read_csv(folder / "metrics.csv"))
    if not (folder / "metrics.csv").read_text().endswith("\n"):
        del rows[-1:]
    described, params = folder / "run.json", folder / "params.npz"
    return SavedRun(
        rows,
        read_description(described) if described.exists() else {},
        load_params(params) if params.exists() else None,
        folder,
    )


def read_description(path: Path) -> dict[str, Any]:
    """What a run.json says: numbers and texts, of which nothing is imported or run.

    The module of an environment's id is put under ``env_module``, as ``SavedRun`` says.

    Raises:
        ValueError: if it cannot be read, or is none.
    """
    try:
        described = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(described, dict) or not isinstance(described.get("config", {}), dict):
        raise ValueError(f"{path} does not say how a run was made: it holds no settings by name")
    for name in ("algorithm", "env"):
        if not isinstance(described.get(name, ""), str):
            raise ValueError(f"{name} in {path} is a text, not {described[name]!r}")
    module, colon, env = described.get("env", "").rpartition(":")
    return described | ({"env": env, "env_module": module} if colon else {})


Runs = Mapping[str, Sequence[Any]] | Iterable[Any]
"""Paths, saved runs or Learners; or such by the name of their group. Populations are many runs."""


def grouped(runs: Runs, *apart: str) -> dict[str, list[Any]]:
    """Runs by what they have in common, but for settings ``apart``; called by what distinguishes them.

    A population is as many runs as it has members.
    """
    if isinstance(runs, Mapping):
        return {
            name: [member for run in some for member in members(loaded(run))]
            for name, some in runs.items()
        }
    if isinstance(runs, (str, Path)) or hasattr(runs, "metrics"):
        runs = [runs]
    found = [member for run in runs for member in members(loaded(run))]
    settings = [
        {key: x for key, x in settings_of(run).items() if key not in apart} for run in found
    ]
    differs = [
        key
        for key in dict.fromkeys(key for its in settings for key in its)
        if len({its.get(key) for its in settings}) > 1
    ]
    groups: dict[str, list[Any]] = {}
    for run, its in zip(found, settings, strict=True):
        groups.setdefault(_name(its, differs), []).append(run)
    return groups


def _name(settings: dict[str, str], differs: list[str]) -> str:
    """What tells a group from others: the recipe if that does, or what was set otherwise."""
    first = [key for key in ("algorithm", "scheme", "env") if key in differs]
    if first:
        return " ".join(settings.get(key, "?") for key in first)
    said = [f"{key.removeprefix('config.')} {settings.get(key, '?')}" for key in differs[:3]]
    return ", ".join(said) or settings.get("algorithm", "")


def settings_of(run: Any) -> dict[str, str]:
    """How a run was made, flat, without its seed."""
    if not hasattr(run, "described"):
        return {"pipeline": repr(run.pipeline)}
    hyper = {key: f"{x:g}" for key, x in getattr(run, "hyper", {}).items()}
    flat = hyper | {k: v for k, v in run.described.items() if not isinstance(v, dict)}
    flat |= {f"config.{k}": v for k, v in run.described.get("config", {}).items()}
    return {key: str(value) for key, value in flat.items() if key not in ITS_OWN}


def loaded(run: Any) -> Any:
    """A run, read from disk if it is a path."""
    return load_run(run) if isinstance(run, (str, Path)) else run


def column(rows: Sequence[Row], x: str, y: str) -> tuple[list[float], list[float]]:
    """Values of two columns, in rows that have both."""
    found = [(row[x], row[y]) for row in rows if row.get(x) is not None and row.get(y) is not None]
    return tuple(map(list, zip(*found, strict=True))) if found else ([], [])

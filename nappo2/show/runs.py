"""Runs, from memory or from disk, and what is equal among them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.params import Params
from nappo2.runs.metrics import Metrics, Row, read_csv
from nappo2.saving.checkpoint import load_params
from nappo2.show._look import look
from nappo2.show.members import members
from nappo2.show.settings import learner_settings

ITS_OWN = (
    "seed",
    "log_dir",
    "tensorboard",
    "threads",
    "preset",
    "resume",
    "monitor",
    "checkpoint_every",
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


@checked
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

    Those of a group have all settings in common but the seed. A run that says nothing of how it
    was made is a group of its own. A population is as many runs as it has members.
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
    settings = [its or {"log_dir": place(found[i], i)} for i, its in enumerate(settings)]
    differs = [
        key
        for key in dict.fromkeys(key for its in settings for key in its)
        if len({its.get(key) for its in settings}) > 1
    ]
    same: dict[tuple, list[Any]] = {}
    for run, its in zip(found, settings, strict=True):
        same.setdefault(tuple(its.get(key) for key in differs), []).append(run)
    names = unlike([dict(zip(differs, key, strict=True)) for key in same], settings[0])
    return dict(zip(names, same.values(), strict=True))


def place(run: Any, i: int) -> str:
    """What to call a run that says nothing of itself, and so is like no other."""
    log_dir = getattr(run, "log_dir", None)
    return f"run {i + 1}" if log_dir is None else Path(log_dir).name


def unlike(groups: list[dict[str, Any]], shared: Mapping[str, str]) -> list[str]:
    """A name for each group, by few settings in which they differ: as many as tell all apart.

    The recipe, the scheme and the environment come first, and of the others those of few words.
    """
    keys = list(groups[0])
    if not keys:
        return [shared.get("algorithm", "")]
    first = [key for key in ("algorithm", "scheme", "env") if key in keys]
    rest = [key for key in keys if key not in first and key != "pipeline"]
    chosen = first or rest[:1] or keys[:1]
    for key in [*rest, *keys]:
        if len(set(named(groups, chosen))) == len(groups):
            break
        if len(set(named(groups, [*chosen, key]))) > len(set(named(groups, chosen))):
            chosen = [*chosen, key]
    names = named(groups, chosen)
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def named(groups: list[dict[str, Any]], keys: list[str]) -> list[str]:
    """What groups have under these keys, as texts."""
    plain = ("algorithm", "scheme", "env", "log_dir")

    def said(group: dict[str, Any], key: str) -> str:
        value = group[key] if group[key] is not None else "?"
        return value if key in plain else f"{key.rpartition('.')[2]} {value}"

    texts = [[said(group, key) for key in keys] for group in groups]
    few = all(key in plain for key in keys)
    return [(" " if few else ", ").join(text) for text in texts]


def settings_of(run: Any) -> dict[str, str]:
    """How a run was made, flat, without its seed; nothing if it does not say."""
    if not hasattr(run, "described"):
        return learner_settings(run)
    hyper = {key: f"{x:g}" for key, x in getattr(run, "hyper", {}).items()}
    flat = {k: v for k, v in run.described.items() if not isinstance(v, dict)}
    flat |= {f"config.{k}": v for k, v in run.described.get("config", {}).items()}
    return {key: str(value) for key, value in flat.items() if key not in ITS_OWN} | hyper


def loaded(run: Any) -> Any:
    """A run, read from disk if it is a path."""
    return load_run(run) if isinstance(run, (str, Path)) else run


def column(rows: Sequence[Row], x: str, y: str) -> tuple[list[float], list[float]]:
    """Values of two columns, in rows that have both."""
    found = [(row[x], row[y]) for row in rows if row.get(x) is not None and row.get(y) is not None]
    return tuple(map(list, zip(*found, strict=True))) if found else ([], [])

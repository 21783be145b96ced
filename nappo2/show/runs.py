"""Loads runs and groups them by the settings they share."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.checks.words import shown, words_of
from nappo2.params import Params
from nappo2.runs.metrics import RECORDED, Metrics, Row, number_in, read_csv
from nappo2.saving.checkpoint import load_params
from nappo2.schemes.words import TAKES, Cuts
from nappo2.show._look import look
from nappo2.show.members import members
from nappo2.show.settings import learner_settings

IGNORED = (
    "seed",
    "log_dir",
    "log",
    "until",
    "until_patience",
    "until_seconds",
    "threads",
    "preset",
    "resume",
    "monitor",
    "checkpoint_every",
    "record_timing",
    *("seeds", "commit", "command", "begun", "pipeline"),
)  # settings in which the runs of a group may differ
OF_COMMAND = {
    **{"deadline": 300.0, "place_deadline": 20.0, "evaluation_episodes": 10},
    **{"collector_resources": "", "learner_resources": ""},
}  # settings that the command line writes into each card, and what they are in a card of Python
COPIES = (
    *("backend", "processes", "env_kwargs", "frame_skip", "frame_stack", "time_feature"),
    *Cuts._fields,
)  # settings of the command line that cards have once more, as arguments of environment and scheme

KINDS = {
    **dict.fromkeys(("algorithm", "env"), str),
    **dict.fromkeys(("environment", "recipe", "population", "versions", "machine"), dict),
    **dict.fromkeys(("environment.arguments", "recipe.arguments", "population.hyper"), dict),
    **{"recipe.replaced": list, "population.num_members": int},
}  # what entries of a card are, those that hold others first


class SavedRun(NamedTuple):
    """A run on disk.

    Attributes:
        metrics: the rows of metrics.csv.
        description: the settings in run.json; empty if there is none. The module of an environment
            ``module:Id`` is stored apart, as ``env_module``, so that making ``env`` does not import
            a module that a file names.
        params: the last ones that were saved; None if none were.
        log_dir: the folder of the run.
    """

    metrics: Metrics
    description: dict[str, Any]
    params: Params | None
    log_dir: Path

    def __repr__(self):
        row = self.metrics[-1] if self.metrics else {}
        text = f"{self.log_dir}: {int(row.get('env_steps', 0)):,} env steps"
        text += f", {int(row[RECORDED]):,} updates from recorded data" if RECORDED in row else ""
        return text + (f", return {row['episode_return']:.1f}" if "episode_return" in row else "")

    def _repr_html_(self):
        return look(self)._repr_html_()


@checked
def load_run(path: str | Path) -> SavedRun:
    """Loads a run from its folder, however it ended; an unfinished last line is left out.

    Raises:
        FileNotFoundError: if there is no metrics.csv.
        ValueError: if one of the files is damaged.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> options = {"target_steps": 64, "log_dir": folder, "progress": False}
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), **options)
        >>> learner.run().close()
        >>> load_run(folder).metrics[-1]["env_steps"]
        64.0
    """
    folder = Path(path)
    if not (folder / "metrics.csv").exists():
        if seeds := seeds_in(folder):
            raise FileNotFoundError(
                f"{folder} has the runs of {len(seeds)} seeds; name one, such as {seeds[0]}"
            )
        raise FileNotFoundError(f"there is no run in {folder}: it has no metrics.csv")
    rows = Metrics(read_csv(folder / "metrics.csv"))
    description, params = folder / "run.json", folder / "params.npz"
    return SavedRun(
        rows,
        read_description(description) if description.exists() else {},
        load_params(params) if params.exists() else None,
        folder,
    )


def read_description(path: Path) -> dict[str, Any]:
    """Reads the settings in a run.json, without importing or running what it names.

    The module of an environment's id is returned under ``env_module``, as in ``SavedRun``.

    Raises:
        ValueError: if the file cannot be read, or has no settings.
    """
    try:
        description = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(description, dict) or not isinstance(description.get("config", {}), dict):
        raise ValueError(f"{path} does not say how a run was made: it holds no settings by name")
    for name, kind in KINDS.items():
        *outer, last = name.split(".")
        entry = reduce(lambda inside, key: inside.get(key, {}), outer, description)
        if not isinstance(entry.get(last, kind()), kind):
            raise ValueError(f"{name} in {path} is {words_of(kind)}, not {entry[last]!r}")
    module, colon, env = description.get("env", "").rpartition(":")
    return description | ({"env": env, "env_module": module} if colon else {})


Runs = Mapping[str, Any] | Iterable[Any] | str | Path
"""Paths, saved runs or Learners, one or several; or such by name of a group. A population is as many."""


def group_runs(runs: Runs, *apart: str) -> dict[str, list[Any]]:
    """Groups runs by all settings but the seed and those in ``apart``.

    Groups are named by the settings in which they differ. A run without settings is a group of one.

    Raises:
        ValueError: if there is no run, in one of the groups or at all, or something else is given for one.
    """
    if isinstance(runs, Mapping):
        return groups_of(runs)
    flat = members_of(runs)
    settings = [_group_settings(run, i, apart) for i, run in enumerate(flat)]
    keys = [
        key
        for key in dict.fromkeys(key for run_settings in settings for key in run_settings)
        if len({run_settings.get(key) for run_settings in settings}) > 1
    ]
    return group_by(keys, flat, settings)


def groups_of(runs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The runs of each named group, read from disk where they are paths.

    Raises:
        ValueError: names a group without any.
    """
    if not runs:
        raise ValueError("there is no group of runs")
    groups: dict[str, list[Any]] = {}
    for name, group in runs.items():
        try:
            groups[name] = members_of(group)
        except ValueError as error:
            raise ValueError(f"{error} in the group {name!r}") from error
    return groups


def is_one(runs: Any) -> bool:
    """Tests whether it is one run, or one folder, instead of several."""
    return isinstance(runs, (str, Path)) or hasattr(runs, "metrics")


def group_by(
    keys: Sequence[str], runs: Sequence[Any], settings: Sequence[Mapping[str, str]]
) -> dict[str, list[Any]]:
    """Groups runs by some of their settings, and names the groups by these.

    Args:
        keys: names of settings.
        runs: to be grouped.
        settings: of each run.

    Returns:
        The runs of each group by its name.
    """
    groups: dict[tuple, list[Any]] = {}
    for run, run_settings in zip(runs, settings, strict=True):
        groups.setdefault(tuple(run_settings.get(key) for key in keys), []).append(run)
    names = group_names([dict(zip(keys, values, strict=True)) for values in groups], settings[0])
    return dict(zip(names, groups.values(), strict=True))


def members_of(runs: Any) -> list[Any]:
    """All runs, read from disk where they are paths, and populations split into their members.

    A folder that is named twice, perhaps through a link or as one of several seeds, is one run.

    Args:
        runs: a run, or several.

    Returns:
        A list of runs, which is not empty.

    Raises:
        ValueError: if there is none, or something else is given for a run.
    """
    several = runs if isinstance(runs, Iterable) and not is_one(runs) else [runs]
    paths = (path for run in several for path in _seeds_in(run))
    loaded = [load_run(run) if isinstance(run, (str, Path)) else run for run in _each_once(paths)]
    if not loaded:
        raise ValueError("there is no run")
    for run in loaded:
        if not hasattr(run, "metrics"):
            raise ValueError(f"a path, a Learner or what load_run gave is a run, not {shown(run)}")
    return [member for run in loaded for member in members(run)]


def _each_once(runs: Iterable[Any]) -> list[Any]:
    """The runs without paths that lead to a folder which is there already."""
    each: dict[Any, Any] = {}
    for i, run in enumerate(runs):
        each.setdefault(Path(run).resolve() if isinstance(run, (str, Path)) else i, run)
    return list(each.values())


def _seeds_in(run: Any) -> list[Any]:
    """The runs of all seeds in a folder of these; otherwise the run itself."""
    if not isinstance(run, (str, Path)) or (Path(run) / "metrics.csv").exists():
        return [run]
    return seeds_in(Path(run)) or [run]


def seeds_in(folder: Path) -> list[Path]:
    """The folders of the runs of several seeds, in the order of their numbers."""
    folders = (path.parent for path in folder.glob("seed-*/metrics.csv"))
    return sorted(folders, key=lambda path: (len(path.name), path.name))


def _group_settings(run: Any, i: int, apart: Sequence[str]) -> dict[str, str]:
    """The settings by which run ``i`` is grouped; one without any is like no other."""
    settings = {key: x for key, x in settings_of(run).items() if key not in apart}
    log_dir = getattr(run, "log_dir", None)
    return settings or {"log_dir": f"run {i + 1}" if log_dir is None else Path(log_dir).name}


def group_names(groups: list[dict[str, Any]], shared: Mapping[str, str]) -> list[str]:
    """Names groups by as few of the settings in which they differ as tell all of them apart.

    Recipe, scheme and environment come first. ``shared`` names a single group.
    """
    keys = list(groups[0])
    if not keys:
        return [shared.get("algorithm", "")]
    first = [key for key in PLAIN if key in keys and key != "log_dir"]
    rest = [key for key in keys if key not in first and key != "pipeline"]
    chosen = first or rest[:1] or keys[:1]
    for key in [*rest, *keys]:
        num_names = len(set(_texts(groups, chosen)))
        if num_names == len(groups):
            break
        if len(set(_texts(groups, [*chosen, key]))) > num_names:
            chosen = [*chosen, key]
    names = _texts(groups, chosen)
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def environment_of(runs: Iterable[Any]) -> str:
    """The id of the environment in which all runs were; empty if they differ, or do not say it."""
    ids = {settings_of(run).get("env", "") for run in runs}
    return ids.pop() if len(ids) == 1 else ""


PLAIN = ("algorithm", "scheme", "env", "log_dir")  # whose values need no name


def _texts(groups: list[dict[str, Any]], keys: list[str]) -> list[str]:
    """The values of groups under some keys, each group as one text."""

    def text(group: dict[str, Any], key: str) -> str:
        value = group[key] if group[key] is not None else "?"
        return value if key in PLAIN else f"{key.rpartition('.')[2]} {value}"

    separator = " " if all(key in PLAIN for key in keys) else ", "
    return [separator.join(text(group, key) for key in keys) for group in groups]


def settings_of(run: Any) -> dict[str, str]:
    """The settings of a run by name, without its seed; empty if it has no description."""
    if not hasattr(run, "description"):
        return learner_settings(run)
    hyper = {key: f"{x:g}" for key, x in getattr(run, "hyper", {}).items()}
    hyper |= {f"config.{k}": str(v) for k, v in run.description.get("config", {}).items()}
    kept = {k: str(v) for k, v in described(run.description).items() if v is not None}
    return {k: v for k, v in kept.items() if k not in IGNORED} | hyper


def described(card: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a card, the same for a run of Python and of the command line."""
    if not card:
        return {}
    plain = {k: v for k, v in card.items() if k not in COPIES and not isinstance(v, dict)}
    environment = card.get("environment", {}).get("arguments", {})
    arguments = {k: v for k, v in environment.items() if k not in ("env_id", "env", "num_envs")}
    taken = [k for k in TAKES.get(str(card.get("scheme")), ()) if k != "on"]
    cuts = {k: card.get(k, Cuts._field_defaults.get(k)) for k in taken}
    where = {"backend": "ray" if "ray" in str(card.get("on")) else "serial"} if taken else {}
    return {**OF_COMMAND, **plain, **arguments, **cuts, **where}


def columns(rows: Sequence[Row], x: str, y: str) -> tuple[list[float], list[float]]:
    """The numbers of two columns of metrics.

    Args:
        rows: of metrics.
        x: the name of a column.
        y: the name of another column.

    Returns:
        Two lists of equal length, from the rows that have both.
    """
    cells = [(number_in(row, x), number_in(row, y)) for row in rows]
    pairs = [pair for pair in cells if None not in pair]
    return tuple(map(list, zip(*pairs, strict=True))) if pairs else ([], [])

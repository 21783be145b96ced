"""``from_zoo``: an entry of rl-zoo3's hyperparams/*.yml as a preset."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.checks.words import nearest
from nappo2.envs import make
from nappo2.recipes import RECIPES, Preset
from nappo2.stages import Recipe
from nappo2.zoo.defaults import DEFAULTS, OF_ZOO
from nappo2.zoo.entry import Entry, Misfit, Rule, count_in, flattened
from nappo2.zoo.environments import ARGUMENTS
from nappo2.zoo.fields import FIELDS
from nappo2.zoo.files import name_of, read_entries
from nappo2.zoo.needs import NEEDS

ALGORITHMS = tuple(DEFAULTS)
"""The names of rl-zoo3's files whose entries are read."""
WITH_GSDE = {name: f"{name}_gsde" for name in ("ppo", "a2c", "sac", "tqc")}
"""The recipes of ``use_sde: True``."""
STEPS = "n_timesteps"


class FromZoo(NamedTuple):
    """What an entry of rl-zoo3 is here.

    Attributes:
        algorithm: the name of the recipe.
        preset: its configuration, environment and budget.
    """

    algorithm: str
    preset: Preset

    def recipe(self) -> Recipe:
        """Makes the recipe, in the environments of the preset."""
        preset = self.preset
        env = make(preset.env, preset.num_envs, **preset.env_arguments)
        return RECIPES[self.algorithm](env, preset.config)


@checked
def from_zoo(
    path: str | Path,
    env_id: str,
    *,
    algorithm: str | None = None,
    entry: str | None = None,
    without: Sequence[str] = (),
) -> FromZoo:
    """Reads an entry of rl-zoo3 (https://github.com/DLR-RM/rl-baselines3-zoo) as a preset.

    What an entry does not say is Stable-Baselines3's default, not nappo2's. Values that are written in
    Python are parsed and never executed.

    Args:
        path: of a file such as ``ppo.yml``.
        env_id: of the environment to train in, also such as ``torch/CartPole-v1``.
        algorithm: ppo, a2c, dqn, sac, td3 or tqc; None for the name of the file.
        entry: the name of the entry; None for the one of the environment's id, or of Atari games.
        without: keys that are left out, so that they have their defaults, such as ``["env_wrapper"]``
            or ``["policy_kwargs.optimizer_class"]``.

    Returns:
        The name of the recipe and the preset.

    Raises:
        ValueError: if there is no such entry, or a key or a value of it fits nothing here; names all
            of these.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "ppo.yml"
        >>> text = "CartPole-v1: {n_envs: 8, n_timesteps: 100000, n_steps: 32, batch_size: 256}"
        >>> _ = path.write_text(text)
        >>> found = from_zoo(path, "CartPole-v1")
        >>> found.algorithm, found.preset.num_envs, found.preset.config.num_minibatches
        ('ppo', 8, 1)
    """
    algorithm = _algorithm(path, algorithm)
    entries = read_entries(path)
    if entry is not None and entry not in entries:
        raise ValueError(
            f"{path} has no entry {entry!r}; did you mean {nearest(entry, entries)!r}?"
        )
    name = entry or name_of(entries, env_id, path)
    try:
        found = preset_of(algorithm, env_id, flattened(entries[name]), without)
    except ValueError as error:
        raise ValueError(f"{name} in {path}: {error}") from error
    source = f"rl-zoo3's {Path(path).name}, entry {name}"
    return found._replace(preset=found.preset._replace(source=source))


def preset_of(
    algorithm: str, env_id: str, values: Mapping[str, Any], without: Iterable[str] = ()
) -> FromZoo:
    """The preset of an entry's values.

    Args:
        algorithm: ppo, a2c, dqn, sac, td3 or tqc.
        env_id: of the environment to train in.
        values: by key; those of policy_kwargs have keys such as ``policy_kwargs.net_arch``.
        without: keys that are left out.

    Returns:
        The name of the recipe and the preset, whose source is empty.

    Raises:
        ValueError: if a key or a value fits nothing here; names all of these.
    """
    without = set(without)
    given = {key: x for key, x in values.items() if not {key, key.partition(".")[0]} & without}
    unused = without - set(values) - {key.partition(".")[0] for key in values}
    unknown = [
        *(Misfit(key, "without names a key that the entry does not have") for key in unused),
        *(_unknown(key, algorithm) for key in given if key not in known_keys(algorithm)),
    ]
    if STEPS not in given:
        unknown.append(Misfit(STEPS, "it is the number of env steps of a run, and is missing"))
    entry = Entry(env_id, {STEPS: 1} | OF_ZOO | DEFAULTS[algorithm] | given)
    has_gsde = entry.values.get("use_sde") is True
    recipe = WITH_GSDE.get(algorithm, algorithm) if has_gsde else algorithm
    rules = FIELDS[recipe] | {
        "total_steps": Rule((STEPS,), lambda e: count_in(e, STEPS)),
        "num_envs": Rule(("n_envs",), lambda e: count_in(e, "n_envs")),
        "env_arguments": ARGUMENTS,
    }
    needs = {f"need {i}": need for i, need in enumerate(NEEDS[algorithm])}
    made, misfits = _values(entry, rules | needs)
    if misfits := {x.key: x for x in reversed([*unknown, *misfits])}:
        raise ValueError(_sentence(list(reversed(misfits.values()))))
    of_preset = {name: made[name] for name in ("num_envs", "total_steps", "env_arguments")}
    config = RECIPES[recipe].presets["default"].config.__class__
    names = {field.name for field in fields(config)}
    config = _configured(config, {name: x for name, x in made.items() if name in names}, rules)
    return FromZoo(recipe, Preset(env=env_id, config=config, source="", **of_preset))


def _configured(config: type, made: Mapping[str, Any], rules: Mapping[str, Rule]) -> Any:
    """A configuration; where a field is out of its range, a sentence with the key that it came from."""
    try:
        return config(**made)
    except ValueError as error:
        misfits = []
        for name, value in made.items():
            try:
                config(**{name: value})
            except ValueError as wrong:
                misfits += [Misfit(key, str(wrong)) for key in rules[name].keys[:1]]
        raise ValueError(_sentence(misfits) if misfits else str(error)) from error


def known_keys(algorithm: str) -> set[str]:
    """The keys that an entry of an algorithm may have."""
    return {STEPS, *OF_ZOO, *DEFAULTS[algorithm]}


def _algorithm(path: str | Path, algorithm: str | None) -> str:
    name = Path(path).stem if algorithm is None else algorithm
    if name not in DEFAULTS:
        raise ValueError(
            f"algorithm={name!r} is none of those whose entries are read: {', '.join(DEFAULTS)}"
        )
    return name


def _values(entry: Entry, rules: Mapping[str, Rule]) -> tuple[dict[str, Any], list[Misfit]]:
    made, misfits = {}, []
    for name, rule in rules.items():
        try:
            made[name] = rule.value(entry)
        except Misfit as misfit:
            misfits.append(misfit)
    return made, misfits


def _unknown(key: str, algorithm: str) -> Misfit:
    meant = nearest(key, known_keys(algorithm))
    hint = f"; did you mean {meant!r}?" if meant else ""
    return Misfit(key, f"no key of {algorithm} that is known here has this name{hint}")


def _sentence(misfits: list[Misfit]) -> str:
    keys = ", ".join(repr(x.key) for x in misfits)
    return "; ".join(f"{x.key}: {x}" for x in misfits) + f"; without=[{keys}] leaves that out"

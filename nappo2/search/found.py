"""What a search has found: its trials, the best of them as a preset, what mattered, and a picture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.envs import TORCH, Env
from nappo2.recipes.presets import OF_ENV, Preset
from nappo2.runs.card import env_id
from nappo2.saving.calls import path_of, replaced_fields
from nappo2.saving.log_dir import from_here
from nappo2.search.jobs import Budget
from nappo2.search.joining import pipeline_of, recipe_of
from nappo2.search.picture import picture_of
from nappo2.search.results import Result
from nappo2.search.training import Make
from nappo2.show.markup import aligned, block, table
from nappo2.show.pictures import Picture
from nappo2.trained.presets import write_preset

FEWEST = 4  # complete trials of which importances say anything


class Search(NamedTuple):
    """What a search has found.

    Attributes:
        log_dir: its folder.
        values: the best, by name: the arguments of ``make``; empty before a trial is complete.
        score: of the best: an interquartile mean over seeds, of which it is the largest of many, so
            that fresh seeds are expected to reach less; None before a trial is complete.
        preset: of the best, to train from; None if no configuration made its recipe.
        trials: all of them.
        importances: the share of each value in what the best tenth of the trials have in common.
        interrupted: the number of the signal that ended the search, 0 if none did.
    """

    log_dir: Path
    values: dict[str, Any]
    score: float | None
    preset: Preset | None
    trials: tuple[Result, ...]
    importances: dict[str, float]
    interrupted: int

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, best value and importance of each dimension, as texts."""
        return [
            (name, shown(x), f"{self.importances[name]:.0%}" if name in self.importances else "")
            for name, x in self.values.items()
        ]

    def counts(self) -> dict[str, int]:
        """The number of trials by state."""
        states = [trial.state for trial in self.trials]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    def __repr__(self):
        counts = ", ".join(f"{n} {state}" for state, n in self.counts().items())
        if self.score is None:
            return f"a search in {from_here(self.log_dir)}: {counts or 'no trials'}"
        title = f"best of {counts}: {self.score:.1f}"
        return "\n".join([title, *aligned([("", "best", "importance"), *self.rows()])])

    def picture(self) -> Picture:
        """The course of the search, what mattered in it, and the scores by what mattered most."""
        return picture_of(self.trials, self.importances)

    def _repr_html_(self):
        return block(self.picture().inline(), table(("", "best", "importance"), self.rows()))


def shown(value: Any) -> str:
    """A value as text."""
    return f"{value:.3g}" if isinstance(value, float) else str(getattr(value, "__name__", value))


def importances_of(study: Any) -> dict[str, float]:
    """The importance of each value by PED-ANOVA (https://arxiv.org/abs/2304.10255), the largest first.

    Empty where too few trials are complete.
    """
    import optuna

    complete = [x for x in study.get_trials(deepcopy=False) if x.state.name == "COMPLETE"]
    if len(complete) < FEWEST or len({trial.value for trial in complete}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    weights = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return dict(sorted(weights.items(), key=lambda item: -item[1]))


def found_by(
    make: Make,
    log_dir: Path,
    budget: Budget,
    trials: Sequence[Result],
    importances: Mapping[str, float],
    interrupted: int,
) -> Search:
    """What a search has found; its preset and its picture are written to the folder.

    Args:
        make: of the search.
        log_dir: its folder.
        budget: of the search.
        trials: all of them.
        importances: of the values.
        interrupted: the number of the signal that ended it, or 0.

    Returns:
        The record.

    Raises:
        ValueError: if all trials failed; with the first one's reason.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed and len(failed) == len(trials) and not interrupted:
        raise ValueError(f"all {len(failed)} trials failed; trial 0 with {failed[0].error}")
    best = max(complete, key=lambda trial: trial.score, default=None)
    preset = None if best is None else preset_of(make, best, budget, len(trials), log_dir)
    values, score = ({}, None) if best is None else (best.values, best.score)
    search = Search(log_dir, values, score, preset, tuple(trials), dict(importances), interrupted)
    if complete:
        search.picture().save(log_dir / "search.png")
    return search


def known_id(env: Env) -> str:
    """The id with which anybody makes an environment, or else its name."""
    function = env.made.function if env.made else None
    return next((name for name, make in TORCH.items() if path_of(make) == function), env_id(env))


def arguments_of(env: Env) -> dict[str, Any]:
    """The arguments that made an environment and are not their defaults, beside its id and number."""
    arguments = env.made.arguments if env.made else {}
    return {name: x for name, x in arguments.items() if name not in ("env_id", "num_envs")}


def in_a_file(name: str, value: Any) -> bool:
    """Tests whether a preset on disk can have an argument of an environment."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return name in OF_ENV


def preset_of(
    make: Make, best: Result, budget: Budget, num_trials: int, log_dir: Path
) -> Preset | None:
    """The preset of a trial, which is written to preset.json; None if no configuration made its recipe.

    Args:
        make: of the search.
        best: the trial.
        budget: of the search.
        num_trials: of how many it is the best.
        log_dir: folder of the search.

    Returns:
        The preset.
    """
    pipeline = pipeline_of(make(**best.values))
    recipe, arguments = recipe_of(pipeline), dict(pipeline.made.arguments)
    config = recipe.made.arguments.get("config") if recipe.made else None
    if config is None:
        return None
    source = (
        f"the best of {num_trials} trials: {best.score:.1f} over {len(best.scores)} seeds after "
        f"{budget.total_steps:,} steps, as the search saw it"
    )
    cuts = {name: x for name, x in arguments.items() if name not in ("name", "recipe", "on")}
    env, of_env = recipe.env, arguments_of(recipe.env)
    kept = {name: x for name, x in of_env.items() if in_a_file(name, x)}
    preset = Preset(
        known_id(env),
        env.num_envs,
        budget.total_steps,
        config,
        source,
        scheme=arguments["name"],
        cuts=cuts,
        env_arguments=kept,
    )
    pieces = [name for name in recipe.made.arguments if name not in ("env", "config")]
    pieces += [*replaced_fields(recipe), *(name for name in of_env if name not in kept)]
    write_preset(log_dir / "preset.json", recipe.name, preset, pieces)
    return preset

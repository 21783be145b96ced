"""What a recorded run is made of: its record, its recipe, its scheme, and its first params."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.params import Params, in_one_vector
from nappo2.pipeline import Pipeline
from nappo2.recipes import RECIPES
from nappo2.runs.learner import Learner
from nappo2.saving.checkpoint import checkpoints_in, load_params
from nappo2.saving.log_dir import folder_of
from nappo2.saving.saved_learner import check_params
from nappo2.schemes import TAKES, read_timing, scheme
from nappo2.schemes.backend import Backend
from nappo2.schemes.timing import FIRST, Record
from nappo2.show.runs import read_description
from nappo2.stages.recipe import Recipe
from nappo2.trained import env_again
from nappo2.trained._load import config_again

Run = str | Path | Learner
"""A recorded run: its folder, or its Learner."""


class Source(NamedTuple):
    """A recorded run.

    Attributes:
        log_dir: its folder.
        record: what was decided in it.
        recipe: that it trains.
        name: of the scheme.
        arguments: of the scheme, without the backend.
        params: before the first step.
        settings: ``threads`` and ``total_steps`` of its Learner.
    """

    log_dir: Path
    record: Record
    recipe: Recipe
    name: str
    arguments: dict[str, Any]
    params: Params
    settings: Mapping[str, Any]

    def pipeline(self, on: Backend) -> Pipeline:
        """The run's pipeline with workers elsewhere."""
        return scheme(self.name, self.recipe, on=on, **self.arguments)

    def checkpoints(self) -> dict[int, Path]:
        """The checkpoints that are there, by the number of steps of the Learner before each."""
        saved = self.record.saved
        paths = {
            int(x.stem.partition("-")[2]): x for x in checkpoints_in(self.log_dir / "checkpoints")
        }
        return {saved[n]: path for n, path in paths.items() if n in saved}


def source_of(run: Run, recipe: Recipe | None = None) -> Source:
    """Reads what a recorded run is made of.

    Args:
        run: its folder, or its Learner.
        recipe: that it trains; None if the run says it.

    Returns:
        The run.

    Raises:
        FileNotFoundError: if it was not recorded.
        ValueError: if its record or params are damaged, or its recipe has to be given.
    """
    log_dir = run.log_dir if isinstance(run, Learner) else folder_of(run)
    if log_dir is None:
        raise ValueError("this Learner has no log_dir, so that its timing was written nowhere")
    record = read_timing(log_dir)
    card = read_description(log_dir / "run.json")
    made = run.pipeline.made if isinstance(run, Learner) else None
    given = made.arguments if made is not None and "recipe" in made.arguments else card
    name = given.get("name" if given is not card else "scheme", "")
    if name not in TAKES:
        raise ValueError(f"{log_dir} is no run of a scheme, so that its pipeline is not known")
    if recipe is None:
        recipe = recipe_of(card, log_dir) if given is card else given["recipe"]
    arguments = {key: given[key] for key in TAKES[name] if given.get(key) is not None}
    params = in_one_vector(check_params(load_params(log_dir / FIRST), recipe.init(0)))
    return Source(log_dir, record, recipe, name, without_backend(arguments), params, card)


def without_backend(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a scheme without ``on``."""
    return {key: x for key, x in arguments.items() if key != "on"}


def recipe_of(card: Mapping[str, Any], log_dir: Path) -> Recipe:
    """The recipe of a run with its environment, as its card says.

    Raises:
        ValueError: if it has pieces that only its author has; says what to give.
    """
    algorithm, data = card.get("algorithm", "none"), card.get("recipe", {})
    own = [*data.get("arguments", {}), *data.get("replaced", ())]
    if algorithm not in RECIPES or own or "population" in card:
        what = ", ".join(own) or algorithm
        raise ValueError(
            f"the recipe of {log_dir} has pieces of its own ({what}), which no file says; give it as "
            "recipe=..., or the Learner instead of its folder"
        )
    return RECIPES[algorithm](env_again(card), config_again(algorithm, card))

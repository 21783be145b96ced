"""Which trials can be one population: those whose recipes differ in ``params["hyper"]`` alone."""

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import torch

from nappo2.pipeline import Pipeline
from nappo2.populations import Population, population
from nappo2.saving.calls import replaced_fields
from nappo2.schemes import scheme
from nappo2.stages import Recipe

FEWEST = 4  # members of a population that pays: two alone take as long as two in one, eight half


def pipeline_of(made: Any) -> Pipeline:
    """The pipeline of what a ``make`` returned.

    Raises:
        ValueError: if it is neither a recipe nor what ``scheme`` made of one.
    """
    if isinstance(made, Recipe):
        return scheme("3cs", made)
    call = made.made if isinstance(made, Pipeline) else None
    if call is not None and isinstance(call.arguments.get("recipe"), Recipe):
        return made
    raise ValueError(
        f"make returns a recipe, or what scheme(...) makes of one; not {type(made).__name__}"
    )


def recipe_of(pipeline: Pipeline) -> Recipe:
    """The recipe of a pipeline that ``scheme`` made."""
    return pipeline.made.arguments["recipe"]


def together(lines: Sequence[Pipeline], seeds: int) -> Population | None:
    """The population of all seeds of several trials; None where they cannot be one.

    They can where one process trains them in environments in torch, and the recipes are equal but for
    ``params["hyper"]``. Fewer than four runs are as fast by turns.
    """
    recipes = [recipe_of(line) for line in lines]
    one_process = all(line.made.arguments["name"] == "3cs" for line in lines)
    num = len(lines) * seeds
    if num < FEWEST or not one_process or recipes[0].env.many is None or not alike(recipes):
        return None
    hyper = torch.stack([torch.stack([*_hyper(r).values()]) for r in recipes])  # [trials, names]
    columns = zip(_hyper(recipes[0]), hyper.repeat_interleave(seeds, 0).T, strict=True)
    differing = {name: x.tolist() for name, x in columns if (x != x[0]).any()}
    try:
        return population(recipes[0], num, **differing)
    except ValueError:  # of this recipe there are none
        return None


def _hyper(recipe: Recipe) -> dict[str, torch.Tensor]:
    return recipe.init(0)["hyper"].to_dict()


def alike(recipes: Sequence[Recipe]) -> bool:
    """Tests whether recipes are equal but for the hyper-parameters in ``params["hyper"]``."""
    names = [*_hyper(recipes[0])]
    same = all([*_hyper(recipe)] == names for recipe in recipes)
    first = rest(recipes[0], names)
    return same and all(rest(recipe, names) == first for recipe in recipes[1:])


def rest(recipe: Recipe, hyper: Sequence[str]) -> list[Any]:
    """All that a recipe was made of, but for hyper-parameters, to be compared."""
    if recipe.made is None:
        return [id(recipe)]
    arguments = dict(recipe.made.arguments)
    config, env = arguments.pop("config", None), arguments.pop("env", None)
    values = asdict(config) if is_dataclass(config) else {"config": config}
    made = getattr(env, "made", None)
    return [
        recipe.made.function,
        {name: x for name, x in values.items() if name not in hyper},
        (made.function, made.arguments, replaced_fields(env)) if made else id(env),
        {name: _identity(x) for name, x in arguments.items()},
        {name: _identity(getattr(recipe, name)) for name in replaced_fields(recipe)},
    ]


def _identity(piece: Any) -> Any:
    """Numbers, texts and functions themselves; of another piece, which object it is."""
    plain = isinstance(piece, (str, int, float, bool, type(None))) or hasattr(piece, "__code__")
    return piece if plain else id(piece)

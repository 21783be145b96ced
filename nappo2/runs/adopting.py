"""Checks of params with which another pipeline goes on."""

from nappo2.envs.masks import without_mask
from nappo2.params import Params
from nappo2.pipeline import Pipeline
from nappo2.runs.card import recipe_of


def check_statistics(pipeline: Pipeline, params: Params) -> None:
    """Refuses a recipe that reads no statistics of observations, for params that have some.

    Its policy would see raw observations with weights that were learnt of normalised ones.

    Raises:
        ValueError: names the statistics and the recipe.
    """
    recipe = recipe_of(pipeline)
    if recipe is None:
        return
    names = set(without_mask(recipe.env).observation_spec.statistics)
    unread = names & set(params["normalizer"].keys()) - set(recipe.init(0)["normalizer"].keys())
    if unread:
        raise ValueError(
            f"these params normalise by the statistics of {', '.join(sorted(unread))}, which "
            f"{recipe.name} as it is here does not read; with normalize=True it does"
        )

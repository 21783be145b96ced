"""``load``: a trained agent of a run, from disk or from memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nappo2.checks import checked
from nappo2.envs import make
from nappo2.params import Params
from nappo2.populations import member as of_population
from nappo2.recipes import FOR_RECORDED, RECIPES
from nappo2.runs.card import recipe_of
from nappo2.runs.learner import Learner
from nappo2.saving.calls import path_of
from nappo2.saving.checkpoint import load_params
from nappo2.saving.log_dir import folder_of
from nappo2.saving.saved_learner import check_params
from nappo2.show import SavedRun, load_run
from nappo2.stages.recipe import Recipe
from nappo2.trained.agent import TrainedAgent
from nappo2.trained.configs import settings
from nappo2.trained.environments import stand_in

ACTING = ("init", "env", "policy", "greedy")
"""Pieces of a recipe of which an agent is made."""
MAKERS = RECIPES | FOR_RECORDED


@checked
def load(
    run: str | Path | Learner | SavedRun,
    *,
    recipe: Recipe | None = None,
    member: int | None = None,
    seed: int = 0,
) -> TrainedAgent:
    """Makes the agent of a run, which acts: ``load("runs/pole").act(observation)``.

    The environment need not be installed: the run card says its spaces. Nothing that a file names is
    imported or called, but the recipes of nappo2.

    Args:
        run: the folder of a run, a file of params within it such as ``best.npz``, a Learner, or what
            ``load_run`` gave.
        recipe: that trained it; None if it is one of nappo2's, with networks of its own.
        member: which agent of a population.
        seed: of ``agent.sample``.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no such run, it has no params, or its recipe has to be given.

    Example:
        >>> from nappo2 import PPO, Learner, envs, load, ppo, scheme
        >>> recipe = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=2))
        >>> run = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=16).run()
        >>> load(run).act([0.0, 0.0, 0.1, 0.5]) in (0, 1)
        True
    """
    if isinstance(run, Learner):
        recipe, params = recipe or _recipe_of(run), run.params
    else:
        saved, params = _saved(run)
        recipe = recipe or recipe_again(saved.description, str(saved.log_dir))
    return TrainedAgent(recipe, check_params(_one(params, member), recipe.init(0)), seed)


def _recipe_of(run: Learner) -> Recipe:
    recipe = recipe_of(run.pipeline)
    if recipe is None:
        raise ValueError("this Learner's pipeline was made of no recipe: load(run, recipe=...)")
    return recipe


def _saved(run: str | Path | SavedRun) -> tuple[SavedRun, Params]:
    """A run on disk, and the params that are meant."""
    if isinstance(run, SavedRun):
        saved, params = run, run.params
    else:
        path = Path(run)
        try:
            saved = load_run(folder_of(path))
        except FileNotFoundError as error:
            raise ValueError(str(error)) from error
        params = load_params(path) if path.is_file() else saved.params
    if params is None:
        raise ValueError(
            f"{saved.log_dir} has no params.npz, so that its agent cannot be made again"
        )
    return saved, params


def _one(params: Params, member: int | None) -> Params:
    """The params of one agent; of a population, those of a member."""
    num = params["hyper", "learning_rate"]
    if num.ndim == 0:
        if member is not None:
            raise ValueError(f"this run is no population, and has no member {member}")
        return params
    if member is None or not 0 <= member < len(num):
        raise ValueError(
            f"this is a population: member is one of 0 to {len(num) - 1}, not {member}"
        )
    return of_population(params, member)


def recipe_again(card: Mapping[str, Any], where: str) -> Recipe:
    """The recipe of a run with its own networks, for an environment with the run's spaces.

    Args:
        card: of the run.
        where: the run is, for messages.

    Returns:
        The recipe.

    Raises:
        ValueError: if it is none of nappo2's, or was given pieces that only its author has.
    """
    algorithm, data = card.get("algorithm"), card.get("recipe", {})
    remedy = f"load({where!r}, recipe=...) takes it"
    if not card:
        raise ValueError(f"{where} has no run.json, so that its recipe is not known here; {remedy}")
    if algorithm not in MAKERS or data.get("call", "") not in ("", path_of(MAKERS[algorithm])):
        raise ValueError(f"the recipe of {where}, {algorithm}, is none of nappo2's; {remedy}")
    own = [*data.get("arguments", {}), *(x for x in data.get("replaced", ()) if x in ACTING)]
    if own:
        raise ValueError(f"the recipe of {where} was given {', '.join(own)} of its own; {remedy}")
    env = stand_in(card) if "action_space" in card else make(card["env"], card.get("num_envs", 1))
    return MAKERS[algorithm](env, config_again(algorithm, card))


def config_again(algorithm: str, card: Mapping[str, Any]) -> Any:
    """The configuration of a recipe, as a card has it."""
    kind = type(MAKERS[algorithm].presets["default"].config)
    return kind(**settings(kind, card.get("config", {})))

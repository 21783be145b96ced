"""Recipes of running statistics: off-policy ones that normalise by them, and what waits for the first."""

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs.masks import without_mask
from nappo2.losses.normalized import normalized_view
from nappo2.maths.moments import no_moments
from nappo2.params import replaced
from nappo2.policies.viewing import with_view
from nappo2.stages import Recipe


@checked
def with_normalized_observations(recipe: Recipe) -> Recipe:
    """The recipe whose policies, loss and value see vectors normalised to mean 0 and variance 1.

    The statistics are in ``params["normalizer"]``: ``collect`` counts, updates add the counts. Images
    and choices stay as they are, and so do rewards.
    """
    spec = without_mask(recipe.env).observation_spec
    statistics = spec.statistics
    if not statistics or spec.kind == "images":
        return recipe

    def init(seed):
        return replaced(recipe.init(seed), normalizer=no_moments(**statistics))

    def value(params, observation, memory):
        return recipe.value(params, normalized_view(params, observation), memory)

    normalized = losses.with_normalized_observations
    delayed = recipe.delayed and recipe.delayed._replace(loss=normalized(recipe.delayed.loss))
    return recipe.replace(
        init=init,
        policy=with_view(recipe.policy, normalized_view),
        greedy=with_view(recipe.greedy, normalized_view),
        loss=normalized(recipe.loss),
        delayed=delayed,
        value=value if recipe.value else None,
    )


@checked
def with_statistics_first(recipe: Recipe) -> Recipe:
    """The recipe that learns nothing from its first rollout, whose statistics normalise the second.

    With many updates per rollout, what is learnt from the first one as it is would have to be unlearnt.
    """
    return recipe.replace(
        loss=losses.after_first_statistics(recipe.loss),
        optimizer=optim.apply_if_any(recipe.optimizer),
    )

"""The default space of each recipe: what is worth searching, in combinations that are all valid."""

from typing import Any

from nappo2.checks import checked
from nappo2.search.space import Dimension, Space, choice, log_uniform
from nappo2.stages import Recipe, batches_of

ON_POLICY: Space = {
    "gamma": choice(0.9, 0.95, 0.98, 0.99, 0.995, 0.999),
    "lambda_": choice(0.8, 0.9, 0.95, 0.98, 1.0),
    "entropy_coef": choice(0.0, 0.001, 0.003, 0.01, 0.03),
    "clip_eps": choice(0.1, 0.2, 0.3, 0.4),
    "num_epochs": choice(1, 2, 4, 10, 20),
    "hidden": choice((32, 32), (64, 64), (128, 128), (256, 256)),
    "normalize": choice(False, True),
}
"""Of recipes that learn from rollouts; each takes those of them that its configuration has."""

OFF_POLICY: Space = {
    "gamma": choice(0.9, 0.95, 0.98, 0.99, 0.995, 0.999),
    "target_step_size": log_uniform(1e-3, 1e-1),
    "epsilon": choice(0.01, 0.02, 0.05, 0.1),
    "hidden": choice((32, 32), (64, 64), (128, 128), (256, 256)),
}
"""Of recipes that learn from a replay."""

DECADE = 10  # that a learning rate may be away from the configuration's, either way
FEWEST_ROLLOUTS = 10  # of a run
ROLLOUTS = (8, 16, 32, 64, 128, 256, 512, 1024)  # steps of each environment
SHORTEST_CUT = 32  # steps of a rollout that minibatches cut
MINIBATCHES = (1, 2, 4, 8, 16, 32)


@checked
def space_for(recipe: Recipe, total_steps: int) -> Space:
    """The default space around a recipe, in which every combination is valid.

    Minibatches divide a rollout of any number of environments, as both are powers of two, and none
    has more minibatches than the shortest rollout has steps; those of recurrent agents divide the
    environments. Rollouts are so short that a run has at least ten.

    Args:
        recipe: whose configuration has the names.
        total_steps: env steps of a run.

    Returns:
        Dimensions by name.

    Raises:
        ValueError: if no configuration made the recipe.

    Example:
        >>> from nappo2.search import space_for
        >>> space = space_for(ppo(envs.cartpole(8)), total_steps=10_000)
        >>> sorted(space)[:3], space["learning_rate"]
        (['clip_eps', 'entropy_coef', 'gamma'], log_uniform(3e-05, 0.003))
    """
    config = config_of(recipe)
    space = _replayed(config) if hasattr(config, "capacity") else _rollouts(recipe, total_steps)
    rate = config.learning_rate
    space = {"learning_rate": log_uniform(rate / DECADE, rate * DECADE)} | space
    return {name: x for name, x in space.items() if hasattr(config, name)}


def config_of(recipe: Recipe) -> Any:
    """The configuration that made a recipe.

    Raises:
        ValueError: if none did.
    """
    config = recipe.made.arguments.get("config") if recipe.made else None
    if config is None:
        raise ValueError(f"{recipe.name} was made by no configuration, whose names a space has")
    return config


def _rollouts(recipe: Recipe, total_steps: int) -> Space:
    cut = hasattr(config_of(recipe), "num_minibatches")
    longest = total_steps // (FEWEST_ROLLOUTS * recipe.env.num_envs)
    shortest = SHORTEST_CUT if cut else min(ROLLOUTS)
    steps = [x for x in ROLLOUTS if shortest <= x <= longest] or [shortest]
    return ON_POLICY | {"num_steps": choice(*steps), "num_minibatches": _minibatches(recipe)}


def _minibatches(recipe: Recipe) -> Dimension:
    sequences = [stage.batches for stage in batches_of(recipe).stages] == ["sequences"]
    divided = recipe.env.num_envs if sequences else SHORTEST_CUT
    return choice(*(x for x in MINIBATCHES if divided % x == 0))


def _replayed(config: Any) -> Space:
    """Batches and updates around those of a configuration; rollouts only where no sequence fills them."""
    space = OFF_POLICY | {
        "update_ratio": choice(*(config.update_ratio * x for x in (0.5, 1, 2))),
        "batch_size": choice(*(max(1, int(config.batch_size * x)) for x in (0.5, 1, 2))),
    }
    return space if hasattr(config, "length") else space | {"num_steps": choice(1, 4, 8, 16)}


@checked
def values_in(space: Space, config: Any) -> dict[str, Any]:
    """The values of a configuration that are in a space, to be tried first.

    Example:
        >>> from nappo2.search import choice, log_uniform, values_in
        >>> space = {"num_steps": choice(32, 64), "learning_rate": log_uniform(1e-5, 1e-4)}
        >>> values_in(space, PPO(num_steps=64, learning_rate=3e-4))  # this rate is not within the bounds
        {'num_steps': 64}
    """
    values = {name: getattr(config, name) for name in space if hasattr(config, name)}
    return {name: value for name, value in values.items() if space[name].contains(value)}

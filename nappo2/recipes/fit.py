"""Which recipe goes with which actions, observations, agent, storage and scheme: a table, read by all.

Whoever writes a recipe adds a row; a recipe that has none goes with anything. ``check_fit`` then tries
the networks themselves, of the recipe or of its caller.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from nappo2.envs import Env
from nappo2.params import Params
from nappo2.stages.compatibility import SCHEMES, Compatibility, check_compatible

ANY = None
BOUNDED = ("continuous", "discrete")
SEEN, ALL_SEEN = ("vectors", "images"), ("vectors", "images", "goals")
ACTORS = ("Agent",)
RECURRENT, CRITICS, Q = ("RecurrentActorCritic",), ("ActorCritics",), ("Network",)
ROLLOUTS = ("minibatches", "sequences")
RINGS = ("replay",)
FRESH = ("3cs", "3ds", "2dacs", "2daca")

NO_RATIOS = {"scheme": "it has no importance ratios, which rollouts of older params need"}
IN_ORDER = {"storage": "its advantages are of whole rollouts and the newest params"}
OF_PAIRS = {"storage": "it learns from transitions with what they led to"}
OF_WINDOWS = {"storage": "it learns from sequences with what they led to"}
CONTINUOUS = {"actions": "it explores with continuous noise"}
SQUASHED = {"actions": "its actor is squashed into bounds"}
THROUGH = {"actions": "its actor's gradient passes through the action, squashed into bounds"}
OF_EACH = {"actions": "it has a value for each of n actions"}
PERCEPTRONS = {"observations": "its networks are perceptrons"}
GSDE = CONTINUOUS | PERCEPTRONS
SQUASHED_GSDE = GSDE | {"actions": "it explores with continuous noise, squashed into bounds"}

TABLE: dict[str, Compatibility] = {
    # recipe                actions     observations  agent  storage    scheme  why not the others
    "ppo": Compatibility(ANY, SEEN, ACTORS, ROLLOUTS, SCHEMES, IN_ORDER),
    "impala": Compatibility(ANY, SEEN, ACTORS, ROLLOUTS, SCHEMES, IN_ORDER),
    "a2c": Compatibility(ANY, SEEN, ACTORS, ROLLOUTS, FRESH, NO_RATIOS | IN_ORDER),
    "vpg": Compatibility(ANY, SEEN, ACTORS, ROLLOUTS, FRESH, NO_RATIOS | IN_ORDER),
    "ppo_gsde": Compatibility(
        ("continuous", "unbounded"), SEEN[:1], ("ActorCritic",), ROLLOUTS, SCHEMES, GSDE | IN_ORDER
    ),
    "recurrent_ppo": Compatibility(ANY, SEEN, RECURRENT, ("sequences",), SCHEMES, IN_ORDER),
    "recurrent_impala": Compatibility(ANY, SEEN, RECURRENT, ("sequences",), SCHEMES, IN_ORDER),
    "sac": Compatibility(BOUNDED, ALL_SEEN, CRITICS, RINGS, SCHEMES, SQUASHED | OF_PAIRS),
    "sac_gsde": Compatibility(
        ("continuous",), ("vectors", "goals"), CRITICS, RINGS, SCHEMES, SQUASHED_GSDE | OF_PAIRS
    ),
    "td3": Compatibility(("continuous",), ALL_SEEN, CRITICS, RINGS, SCHEMES, THROUGH | OF_PAIRS),
    "dqn": Compatibility(("discrete",), ALL_SEEN, Q, RINGS, SCHEMES, OF_EACH | OF_PAIRS),
    "double_dqn": Compatibility(("discrete",), ALL_SEEN, Q, RINGS, SCHEMES, OF_EACH | OF_PAIRS),
    "r2d2": Compatibility(
        ("discrete",), SEEN, ("RecurrentQ",), RINGS, SCHEMES, OF_EACH | OF_WINDOWS
    ),
}


def check_env(recipe: str, env: Env) -> None:
    """Refuses an environment whose observations or actions a recipe does not support.

    Raises:
        NotImplementedError: if no recipe supports them.
        ValueError: if other recipes do.
    """
    kind, actions = env.observation_spec.kind, env.action_spec.kind
    compatible = compatible_of(recipe)
    check_compatible(recipe, compatible, repr(env), actions=actions, observations=kind)


def check_agent(recipe: str, agent: Any) -> None:
    """Refuses an agent of a class that a recipe does not support.

    Raises:
        ValueError: if the class is not in the recipe's row of the table.
    """
    check_compatible(recipe, compatible_of(recipe), agent=type(agent).__name__)


def check_fit(
    recipe: str,
    env: Env,
    params: Params,
    networks: Mapping[str, tuple[Callable[..., Any], tuple[int, ...]]],
) -> None:
    """Refuses networks that do not take an environment's observations, or do not fit its actions.

    Args:
        recipe: name of the recipe.
        env: where the networks are to act.
        params: of the networks.
        networks: by name, ``(params, observation) -> outputs``, a tensor or several, and the shape
            that each is to have for one observation.

    Raises:
        ValueError: if a network raises, or its outputs for two observations have another shape.
    """
    spec, plain = env.observation_spec, params.to_dict()
    for name, (apply, shape) in networks.items():
        try:
            with torch.no_grad():
                outputs = apply(plain, spec.zeros(2))
        except Exception as error:  # a user's network may raise anything
            raise ValueError(
                f"the {name} of {recipe} cannot see observations {spec.shapes} of "
                f"{env.name}: {error}"
            ) from error
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            if tuple(output.shape) != (2, *shape):
                raise ValueError(
                    f"for two observations the {name} of {recipe} gives outputs of shape "
                    f"{tuple(output.shape)}; for {env.action_space} of {env.name} they are "
                    f"{(2, *shape)}"
                )


def compatible_of(recipe: str) -> Compatibility:
    """A recipe's row of the table; for a recipe without one, everything is compatible."""
    return TABLE.get(recipe, Compatibility())

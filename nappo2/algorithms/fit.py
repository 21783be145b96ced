"""Which recipe goes with which actions, observations, agent, storage and scheme: a table, read by all.

Whoever writes a recipe adds a row; a recipe that has none goes with anything.
"""

from typing import Any

from gymnasium.spaces import Discrete

from nappo2.envs import Env, check_spaces, has_goals
from nappo2.pipeline import Pipeline, Transform
from nappo2.schemes import NAMES
from nappo2.schemes.fit import Fit, check

ANY = ("continuous", "unbounded", "discrete")
BOUNDED = ("continuous", "discrete")
SEEN, ALL_SEEN = ("vectors", "images"), ("vectors", "images", "goals")
ACTORS = ("ActorCritic", "RecurrentActorCritic")
RECURRENT, CRITICS, Q = ("RecurrentActorCritic",), ("ActorCritics",), ("Network",)
ROLLOUTS = ("minibatches", "sequences")
RINGS = ("replay", "prioritized_replay")
FRESH = ("3cs", "3ds", "2dacs", "2daca")

NO_RATIOS = {"scheme": "it has no importance ratios, which rollouts of older params need"}
IN_ORDER = {"storage": "its advantages are of whole rollouts and the newest params"}
OF_PAIRS = {"storage": "it learns from transitions with what they led to"}
OF_WINDOWS = {"storage": "it learns from sequences with what they led to"}
CONTINUOUS = {"actions": "it explores with continuous noise"}
SQUASHED = {"actions": "its actor is squashed into bounds"}
THROUGH = {"actions": "its actor's gradient passes through the action, squashed into bounds"}
OF_EACH = {"actions": "it has a value for each of n actions"}

TABLE: dict[str, Fit] = {
    # recipe                actions     observations  agent  storage    scheme  why not the others
    "ppo": Fit(ANY, SEEN, ACTORS, ROLLOUTS, NAMES, IN_ORDER),
    "impala": Fit(ANY, SEEN, ACTORS, ROLLOUTS, NAMES, IN_ORDER),
    "a2c": Fit(ANY, SEEN, ACTORS, ROLLOUTS, FRESH, NO_RATIOS | IN_ORDER),
    "vpg": Fit(ANY, SEEN, ACTORS, ROLLOUTS, FRESH, NO_RATIOS | IN_ORDER),
    "ppo_gsde": Fit(
        ("continuous", "unbounded"), SEEN, ACTORS[:1], ROLLOUTS, NAMES, CONTINUOUS | IN_ORDER
    ),
    "recurrent_ppo": Fit(ANY, SEEN, RECURRENT, ("sequences",), NAMES, IN_ORDER),
    "recurrent_impala": Fit(ANY, SEEN, RECURRENT, ("sequences",), NAMES, IN_ORDER),
    "sac": Fit(BOUNDED, ALL_SEEN, CRITICS, RINGS, NAMES, SQUASHED | OF_PAIRS),
    "sac_gsde": Fit(("continuous",), ALL_SEEN, CRITICS, RINGS, NAMES, SQUASHED | OF_PAIRS),
    "td3": Fit(("continuous",), ALL_SEEN, CRITICS, RINGS, NAMES, THROUGH | OF_PAIRS),
    "dqn": Fit(("discrete",), ALL_SEEN, Q, RINGS, NAMES, OF_EACH | OF_PAIRS),
    "double_dqn": Fit(("discrete",), ALL_SEEN, Q, RINGS, NAMES, OF_EACH | OF_PAIRS),
    "r2d2": Fit(("discrete",), SEEN, ("RecurrentQ",), RINGS, NAMES, OF_EACH | OF_WINDOWS),
}


def check_env(recipe: str, env: Env) -> None:
    """Refuses an environment that a recipe cannot see or act in.

    Raises:
        NotImplementedError: if nothing of nappo2 can.
        ValueError: if other recipes can; says with what this one goes.
    """
    check_spaces(env.name, env.observation_space, env.action_space)
    check(recipe, fit_of(recipe), actions=actions_of(env), observations=observations_of(env))


def check_agent(recipe: str, agent: Any) -> None:
    """Refuses an agent that a recipe cannot learn with.

    Raises:
        ValueError: says what goes with it.
    """
    check(recipe, fit_of(recipe), agent=type(agent).__name__)


def check_storage(recipe: str, batches: Transform) -> None:
    """Refuses batches of a storage that a recipe cannot learn from.

    Raises:
        ValueError: says what goes with it.
    """
    for kind in storages_of(batches):
        check(recipe, fit_of(recipe), storage=kind)


def fit_of(recipe: str) -> Fit:
    """The row of a recipe."""
    return TABLE.get(recipe, Fit())


def actions_of(env: Env) -> str:
    """The kind of an environment's actions."""
    if isinstance(env.action_space, Discrete):
        return "discrete"
    return "continuous" if env.action_space.is_bounded() else "unbounded"


def observations_of(env: Env) -> str:
    """The kind of an environment's observations."""
    if has_goals(env.observation_space):
        return "goals"
    return "images" if len(env.observation_space.shape) == 3 else "vectors"


def storages_of(batches: Transform) -> list[str]:
    """The storages among the stages of a transform; nothing runs for that."""
    line = batches(Pipeline(init=None, step=None))
    return [stage.kind for stage in line.stages if stage.kind in (*ROLLOUTS, *RINGS)]

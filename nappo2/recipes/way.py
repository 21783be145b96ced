"""How agents act and learn on-policy: feed-forward ones from transitions, recurrent ones from sequences."""

from collections.abc import Callable
from typing import NamedTuple

from nappo2.envs import Env
from nappo2.maths.distributions import Distribution
from nappo2.networks import ActorCritic, Agent, RecurrentActorCritic
from nappo2.pipeline import Transform
from nappo2.policies import Policy, greedy, recurrent, recurrent_greedy, stochastic, telling
from nappo2.stages import all_minibatches, all_sequences, minibatches, sequences


class Way(NamedTuple):
    """How an agent acts and learns on-policy.

    Attributes:
        policy: ``(env, agent, dist) -> Policy`` of the collectors.
        greedy: ``(agent, dist) -> Policy`` of an evaluation.
        batches: ``(num_epochs, num_minibatches) -> transform``: one by one.
        all_batches: ``(num_epochs, num_minibatches) -> transform``: all of a rollout.
        check_division: of ``(num_envs, num_steps, num_minibatches)``.
    """

    policy: Callable[..., Policy]
    greedy: Callable[..., Policy]
    batches: Callable[[int, int], Transform]
    all_batches: Callable[[int, int], Transform]
    check_division: Callable[[int, int, int], None]


def _transitions_divide(num_envs: int, num_steps: int, num_minibatches: int) -> None:
    if num_envs * num_steps % num_minibatches:
        raise ValueError(
            f"{num_minibatches} minibatches do not divide a rollout of {num_envs} environments "
            f"x {num_steps} steps"
        )


def _sequences_divide(num_envs: int, num_steps: int, num_minibatches: int) -> None:
    if num_envs % num_minibatches:
        raise ValueError(
            f"{num_minibatches} minibatches of whole sequences do not divide {num_envs} environments"
        )


def _sampling(env: Env, agent: ActorCritic, dist: Distribution) -> Policy:
    """Convolutions cost more than all that is around them, so they are not computed again."""
    how = telling if env.observation_spec.kind == "images" else stochastic
    return how(agent.actor, dist)


WAYS: dict[type, Way] = {
    ActorCritic: Way(
        _sampling,
        lambda agent, dist: greedy(agent.actor, dist),
        minibatches,
        all_minibatches,
        _transitions_divide,
    ),
    RecurrentActorCritic: Way(
        lambda env, agent, dist: recurrent(agent, dist),
        recurrent_greedy,
        sequences,
        all_sequences,
        _sequences_divide,
    ),
}


def way_of(agent: Agent) -> Way:
    """How an agent acts and learns.

    Raises:
        ValueError: if it is none.
    """
    if type(agent) not in WAYS:
        known = " or ".join(kind.__name__ for kind in WAYS)
        raise ValueError(f"an agent is an {known}, not {agent!r}")
    return WAYS[type(agent)]

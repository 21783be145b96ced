"""Randomised ensembles of critics (REDQ), with dropout DroQ, for continuous actions."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed

import torch

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.losses.dropout import with_masks
from nappo2.networks import ActorCritics, dropout_mlp, single_valued
from nappo2.optim import until_due
from nappo2.pipeline import compose
from nappo2.policies import Policy
from nappo2.recipes._sac import SAC, sac
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import SQUASHED as COMPATIBLE
from nappo2.recipes.fit import check_env
from nappo2.recipes.normalizing import with_normalized_observations
from nappo2.recipes.off_policy import Replay, delayed_adam
from nappo2.recipes.owners import base_config
from nappo2.recipes.presets import MUJOCO, Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.soft_agents import soft_agent
from nappo2.recipes.torsos import has_torso, torso_of
from nappo2.recipes.values import critic_value
from nappo2.stages import Delayed, Recipe, all_due, chosen_critics, kept_units, noise, replay


@checked
@dataclass(frozen=True)
class REDQ(SAC):
    """Hyper-parameters of Chen et al. (https://arxiv.org/abs/2101.05982).

    Attributes:
        num_critics: K, of whose values the actor maximises the mean.
        num_chosen: critics drawn for each batch, whose minimum is the target's value.
        policy_delay: updates of the critics per update of actor and temperature.
        dropout: probability that a unit of a critic's hidden layers is dropped.
        normalize_layers: whether the critics' hidden layers are normalised.
    """

    update_ratio: float = 20.0
    start_steps: int = 5_000
    num_critics: int = 10
    num_chosen: int = 2
    policy_delay: int = 20
    dropout: float = 0.0
    normalize_layers: bool = False


def _preset(env: str, total_steps: int, source: str, **changes: float) -> Preset:
    return Preset(env, 1, total_steps, REDQ(**changes), source)


PAPER = "Chen et al. 2021, with the target entropies of their code"
DROQ = (
    "Hiraoka et al. 2022, with their code's dropout for Ant; it is 0.0001 for Hopper, 0.005 for "
    "Walker2d and 0.1 for Humanoid"
)
PRESETS = {
    "hopper": _preset("Hopper-v[2-5]", 125_000, PAPER, target_entropy_share=1 / 3),
    "humanoid": _preset("Humanoid-v[2-5]", 300_000, PAPER, target_entropy_share=2 / 17),
    "mujoco": _preset(MUJOCO, 300_000, PAPER, target_entropy_share=0.5),
    "droq": Preset(
        "",
        1,
        300_000,
        REDQ(num_critics=2, dropout=0.01, normalize_layers=True, target_entropy_share=0.5),
        DROQ,
    ),
    "default": _preset("*", 300_000, "Chen et al. 2021, with SAC's target entropy"),
}


@recipe(COMPATIBLE, PRESETS)
def redq(
    env: Env,
    config: REDQ = REDQ(),
    *,
    agent: ActorCritics | None = None,
    policy: Policy | None = None,
    replay: Replay = replay,
) -> Recipe:
    """Randomised ensembles of critics (Chen et al., https://arxiv.org/abs/2101.05982).

    ``sac`` with many updates per transition, K critics and the minimum of a few random ones as target.
    With ``num_critics=2``, ``dropout`` and ``normalize_layers`` it is DroQ (Hiraoka et al.,
    https://arxiv.org/abs/2110.02034).

    Args:
        env: where the collectors act, with continuous actions.
        config: the hyper-parameters.
        agent: with K critics and a temperature (see ``networks.with_temperature``); with dropout,
            critics of ``networks.dropout_mlp``. None for ReLU perceptrons, behind torsos of images or
            parts.
        policy: how the collectors act after ``start_steps``; None samples from the actor.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, more critics are chosen than there are, there is
            no hidden layer for dropout, or the agent does not fit the environment, has no temperature,
            another number of critics, or critics without dropout.

    Example:
        >>> config = REDQ(num_steps=4, batch_size=8, start_steps=16, hidden=(8,), update_ratio=0.25)
        >>> recipe = redq(envs.pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("redq", COMPATIBLE, env)
    c, size = config, env.action_spec.size
    targets = targets_of(c, agent)
    agent = first_weights(ensemble(env, c), c) if agent is None else agent
    plain = base_config(changed(c, normalize=False), SAC)
    base = sac(env, plain, agent=agent, policy=policy, replay=replay)
    check_ensemble(env, agent, c)
    loss = losses.sac(
        agent,
        target_entropy=-c.target_entropy_share * size,
        policy_value=losses.mean_value,
        **targets,
    )
    light = losses.sac_critics(agent, **targets)
    draws = [noise(chosen_critics(c.num_critics, c.num_chosen), name="chosen")]
    if c.dropout:
        hidden = head_sizes(env, c)
        loss, light = (losses.with_dropout(each, *hidden) for each in (loss, light))
        num_units = 2 * c.num_critics * sum(hidden)
        draws.append(noise(kept_units(c.dropout, num_units), name="kept"))

    def batches(num):
        return compose(base.batches(num), *draws)

    made = base.replace(
        name="redq",
        compatible=COMPATIBLE,
        loss=loss,
        optimizer=delayed_adam(agent, c.policy_delay, () if c.learn_alpha else ("log_alpha",)),
        delayed=Delayed(light, until_due(c.policy_delay)) if c.policy_delay > 1 else None,
        value=critic_value(agent, base.greedy, lambda values: values.mean(0)),
        batches=batches,
        all_batches=None if base.all_batches is None else compose(batches(1), all_due()),
    )
    return with_normalized_observations(made) if c.normalize else made


def check_ensemble(env: Env, agent: ActorCritics, c: REDQ) -> None:
    """Refuses an agent whose critics are not those of the configuration.

    Args:
        env: where the agent acts.
        agent: that fits it.
        c: with the number of critics and their dropout.

    Raises:
        ValueError: if there are more or fewer critics, or none of their units can be dropped.
    """
    weights = agent.init(0)["critics"].to_dict()
    seen = env.observation_spec.zeros(2), torch.ones(2, env.action_spec.size)
    values = agent.critics(weights, *seen)
    if len(values) != c.num_critics:
        raise ValueError(f"the agent has {len(values)} critics, and num_critics is {c.num_critics}")
    if not c.dropout:
        return
    if not (hidden := head_sizes(env, c)):
        raise ValueError(f"dropout={c.dropout:g} is of hidden layers, and hidden is ()")
    none = torch.zeros(2, c.num_critics * sum(hidden), dtype=torch.bool)
    try:
        dropped = agent.critics(with_masks(weights, none, hidden), *seen)
    except Exception as error:  # a user's network may raise anything
        raise ValueError(
            f"dropout is of hidden layers of sizes {hidden}, which the agent's critics do not have: {error}"
        ) from error
    if torch.equal(dropped, values):
        raise ValueError(
            "the agent's critics have no dropout; those of networks.dropout_mlp have it"
        )


def targets_of(c: REDQ, agent: ActorCritics | None) -> dict[str, Callable]:
    """How a loss gets the least value of the chosen target critics, as its arguments.

    An agent of one's own evaluates all critics, as it may not evaluate some of them alone.
    """
    if c.num_chosen == c.num_critics:
        return {}
    return (
        {"next_critics": losses.only_chosen}
        if agent is None
        else {"next_value": losses.least_chosen}
    )


def ensemble(env: Env, c: REDQ) -> ActorCritics:
    """ReLU perceptrons for an actor and K critics with dropout, behind torsos of images or parts.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """

    def make_critic(*sizes):
        return dropout_mlp(*sizes, 1, dropout=c.dropout, normalize_layers=c.normalize_layers)

    return single_valued(
        soft_agent(
            env,
            make_critic,
            hidden=c.hidden,
            critic_hidden=c.hidden,
            num_critics=c.num_critics,
            alpha=c.initial_alpha,
        )
    )


def head_sizes(env: Env, c: REDQ) -> tuple[int, ...]:
    """Sizes of the critics' hidden layers that have dropout: of all, or of those behind a torso."""
    return torso_of(env, c.hidden)[1][1:] if has_torso(env) else c.hidden

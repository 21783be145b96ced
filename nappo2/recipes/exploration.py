"""Exploration by bonuses: an on-policy recipe that is rewarded for what is new, too.

``explored(recipe, bonus, critic, config)`` adds weights, statistics, a loss and two stages to a recipe.
``with_rnd``, ``with_icm`` and ``with_counts`` call it with the networks that suit an environment.
"""

from dataclasses import dataclass

import torch
from tensordict import TensorDict

from nappo2 import losses, optim
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.envs.masks import without_mask
from nappo2.maths.moments import no_moments
from nappo2.networks import Network, mlp, sequential, with_view
from nappo2.params import replaced
from nappo2.pipeline import compose
from nappo2.recipes.torsos import image_torso
from nappo2.seeds import fold_in, split
from nappo2.stages import (
    Recipe,
    intrinsic_advantages,
    intrinsic_rewards,
    lambda_returns,
    standardized,
)
from nappo2.stages.exploring.bonus import BRANCH, RETURN, Bonus
from nappo2.stages.recipe import batches_of


@checked
@dataclass(frozen=True)
class Exploration:
    """Hyper-parameters of exploration by a bonus.

    Attributes:
        novelty_rate: learning rate of Adam, for the networks of the bonus and for its critic.
        intrinsic_gamma: discount of bonuses per step.
        intrinsic_lambda: lambda of the advantage estimates of bonuses.
        intrinsic_coef: weight of the advantages of bonuses.
        extrinsic_coef: weight of the advantages of rewards.
        episodic: whether the return of bonuses ends with an episode.
        scale_bonus: whether bonuses are divided by the standard deviation of their returns.
        novelty_share: share of the transitions from which a bonus learns.
        novelty_hidden: sizes of the hidden layers of its networks and of its critic.
    """

    novelty_rate: float = 1e-4
    intrinsic_gamma: float = 0.99
    intrinsic_lambda: float = 0.95
    intrinsic_coef: float = 1.0
    extrinsic_coef: float = 2.0
    episodic: bool = False
    scale_bonus: bool = True
    novelty_share: float = 1.0
    novelty_hidden: tuple[int, ...] = (64, 64)


HYPER = ("novelty_rate", "intrinsic_gamma", "intrinsic_coef", "extrinsic_coef")
"""The fields of ``Exploration`` that may change during a run: ``params["hyper"]``."""


@checked
def explored(
    recipe: Recipe, bonus: Bonus, critic: Network, config: Exploration = Exploration()
) -> Recipe:
    """The recipe that is rewarded by a bonus, too, with a critic of its own for the bonuses' returns.

    Bonus and critic learn beside the agent, by an Adam of their own, in the same minibatches. Their weights
    are ``params["weights", "exploration"]``, so that they go wherever params go: through every cut of a
    scheme, into checkpoints and populations.

    Args:
        recipe: on-policy, whose ``prepare`` adds ``advantage``.
        bonus: such as ``random_distillation(...)``.
        critic: of ``bonus.view``, [..., n] to [..., 1].
        config: the hyper-parameters.

    Returns:
        The recipe, with other ``init``, ``loss``, ``optimizer`` and ``prepare``.

    Raises:
        ValueError: if the recipe learns from no advantages, standardises them over whole rollouts, or is
            one that explores already.

    Example:
        >>> from nappo2.recipes import explored
        >>> from nappo2.stages import visit_counts
        >>> env = envs.cartpole(4)
        >>> bonus = visit_counts(lambda x: (x[..., 0] > 0).long(), 2, row=lambda x: x, beta=0.1)
        >>> recipe = explored(ppo(env, PPO(num_steps=8, num_minibatches=2)), bonus, critic=mlp(4, 8, 1))
        >>> list(recipe.init(0)["weights", "exploration"].keys())  # counts have no networks of their own
        ['critic']
    """
    c = config
    check_explorable(recipe)

    def init(seed):
        params, extra = recipe.init(seed), exploring_weights(bonus, critic, fold_in(seed, BRANCH))
        statistics = {**bonus.statistics, **({RETURN: ()} if c.scale_bonus else {})}
        hyper = {name: torch.tensor(float(getattr(c, name))) for name in HYPER}
        return replaced(
            params,
            weights=params["weights"].copy().update({BRANCH: extra}),
            normalizer=params["normalizer"].copy().update(no_moments(**statistics)),
            hyper=params["hyper"].copy().update(hyper),
        )

    def value(params, observation):
        x, weights = bonus.view(params, observation), params["weights"][BRANCH]["critic"]
        return critic.apply(weights, x).squeeze(-1)

    optimizers = {"agent": recipe.optimizer, BRANCH: optim.adam(eps=1e-5, rate="novelty_rate")}
    own = [] if bonus.loss is None else [bonus.loss]
    return recipe.replace(
        init=init,
        loss=losses.summed(recipe.loss, losses.intrinsic_value(value), *own),
        optimizer=optim.partition(init(0)["weights"], optimizers, _learner_of),
        prepare=compose(
            recipe.prepare,
            intrinsic_rewards(bonus, c.novelty_share),
            intrinsic_advantages(value, c.intrinsic_lambda, c.episodic),
        ),
    )


def exploring_weights(bonus: Bonus, critic: Network, seed: int) -> TensorDict:
    """The weights of exploration: ``critic``, and ``bonus`` if that has any.

    Args:
        bonus: that is paid.
        critic: of its returns.
        seed: of the weights.

    Returns:
        A tree of weights.
    """
    critic_seed, seed = split(seed)
    weights = TensorDict(critic=critic.init(critic_seed))
    networks = bonus.init(seed)
    return weights if networks.is_empty() else weights.update({"bonus": networks})


def check_explorable(recipe: Recipe) -> None:
    """Refuses a recipe that cannot be rewarded by a bonus, too.

    Raises:
        ValueError: says why not.
    """
    if BRANCH in recipe.init(0)["weights"].keys():
        raise ValueError(f"{recipe.name} explores by a bonus already, and there is one at most")
    for stage in batches_of(recipe).stages:
        if stage.batches == "replay":
            raise ValueError(
                f"{recipe.name} learns from a replay, and bonuses are added to advantages, which "
                "on-policy recipes have, such as ppo, a2c and impala"
            )
    kinds = {stage.kind for stage in recipe.prepare.stages}
    if lambda_returns.__name__ in kinds:
        raise ValueError(
            f"{recipe.name} learns from no advantages, to which bonuses are added; ppo, a2c and impala do"
        )
    if standardized.__name__ in kinds:
        raise ValueError(
            f"{recipe.name} standardises the advantages of rewards alone, over whole rollouts, before those "
            "of bonuses are added with their coefficients; with standardize_rollout=False it standardises "
            "the sums, in each minibatch"
        )


def _learner_of(path: tuple[str, ...]) -> str:
    """Whose optimizer moves a weight."""
    return BRANCH if path[0] == BRANCH else "agent"


def row_network(env: Env, hidden: tuple[int, ...], outputs: int) -> Network:
    """ReLU layers of an environment's observations as rows; convolutions where they are images.

    Args:
        env: whose ``observation_spec.row`` [..., n] the network takes.
        hidden: sizes of the hidden layers.
        outputs: size of the output.

    Returns:
        A network of rows [..., n] to [..., outputs] float32.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    spec = without_mask(env).observation_spec
    if spec.kind != "images":
        return mlp(spec.size, *hidden, outputs, activation=torch.relu)
    torso = with_view(image_torso(spec.shape, hidden), lambda x: x.unflatten(-1, spec.shape))
    return sequential(torso, mlp(*hidden, outputs, activation=torch.relu))

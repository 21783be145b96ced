"""The intrinsic curiosity module (ICM) for any on-policy recipe."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs import ActionSpec
from nappo2.envs.masks import without_mask
from nappo2.networks import mlp
from nappo2.recipes.exploration import Exploration, explored, row_network
from nappo2.stages import Recipe, curiosity, normalized_sight


@checked
@dataclass(frozen=True)
class ICM(Exploration):
    """Hyper-parameters of ICM; beta is that of Pathak et al. (https://arxiv.org/abs/1705.05363).

    Attributes:
        novelty_hidden: sizes of the hidden layers of the features, and of the critic of bonuses.
        novelty_features: size of the features.
        beta: weight of the forward model in the loss, against the inverse model.
        eta: scale of the bonus, that of the authors' program.
    """

    novelty_rate: float = 1e-3
    extrinsic_coef: float = 1.0
    episodic: bool = True
    scale_bonus: bool = False
    novelty_features: int = 64
    beta: float = 0.2
    eta: float = 0.01


@checked
def with_icm(recipe: Recipe, config: ICM = ICM()) -> Recipe:
    """The recipe with the bonus of the intrinsic curiosity module (Pathak et al., 2017).

    A sum of rewards and bonuses with one critic, as in the paper, has the advantages of two critics
    with coefficients of 1 and equal discounts, as returns are sums.

    Args:
        recipe: on-policy, such as ``ppo(env)``, of actions that are all choices or all numbers.
        config: the hyper-parameters.

    Returns:
        The recipe.

    Raises:
        ValueError: for a recipe that ``explored`` refuses, and for hybrid actions.

    Example:
        >>> plain = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> recipe = with_icm(plain, ICM(intrinsic_coef=0.5))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False)
        >>> "reward_intrinsic" in learner.step()
        True
    """
    c, env = config, recipe.env
    spec, actions, size = without_mask(env).observation_spec, env.action_spec, c.novelty_features
    num_outputs = actions.distribution.num_outputs(actions.size)
    width = c.novelty_hidden[-1:]
    bonus = curiosity(
        features=row_network(env, c.novelty_hidden, size),
        inverse=mlp(2 * size, *width, num_outputs, activation=torch.relu),
        forward=mlp(size + actions.size, *width, size, activation=torch.relu),
        sight=normalized_sight(spec.row, spec.size),
        dist=actions.distribution,
        action_row=action_row(actions),
        beta=c.beta,
        eta=c.eta,
    )
    return explored(recipe, bonus, row_network(env, c.novelty_hidden, 1), c)


def action_row(actions: ActionSpec) -> Callable[[Any], Tensor]:
    """``action [..., *shape] -> x`` [..., size] float32: numbers as they are, choices one-hot.

    Raises:
        ValueError: if actions are hybrid.
    """
    if actions.is_tree:
        raise ValueError(
            "the forward model of icm takes actions that are all choices or all numbers, not hybrid ones"
        )
    if not actions.sizes:
        return lambda action: action
    sizes = actions.sizes

    def row(action):
        columns = action.unsqueeze(-1) if actions.shape == () else action
        choices = [torch.arange(n, device=columns.device) for n in sizes]
        each = zip(columns.split(1, -1), choices, strict=True)
        return torch.cat([(x == choice).float() for x, choice in each], -1)

    return row

"""Random network distillation (RND): what a network cannot predict of a random one is new."""

from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.maths.novelty import mean_squared_error
from nappo2.networks import Network
from nappo2.seeds import split
from nappo2.stages.exploring.bonus import Bonus, Sight, bonus_weights, learnt_mean


@checked
def random_distillation(predictor: Network, random: Network, sight: Sight) -> Bonus:
    """The bonus of random network distillation (Burda et al., https://arxiv.org/abs/1810.12894).

    Bonus and loss are the mean over F features of ``(predictor(s') - random(s'))^2``, of the
    observation s' that a step led to. The random network stays as it was: its gradient is 0.

    Args:
        predictor: of what the sight shows, [..., n] to [..., F].
        random: of the same, to be predicted.
        sight: how both see observations.

    Returns:
        The bonus, with the weights ``predictor`` and ``random``.

    Example:
        >>> from nappo2.stages import normalized_sight, random_distillation
        >>> sight = normalized_sight(lambda observation: observation, size=4)
        >>> bonus = random_distillation(mlp(4, 8, 2), mlp(4, 8, 2), sight)
        >>> sorted(bonus.init(0).keys()), bonus.statistics
        (['predictor', 'random'], {'exploration.observation': (4,)})
    """

    def init(seed):
        first, second = split(seed)
        return TensorDict(predictor=predictor.init(first), random=random.init(second))

    def error(params, observation):
        weights, x = bonus_weights(params), sight.view(params, observation)
        target = random.apply(weights["random"], x).detach()
        return mean_squared_error(predictor.apply(weights["predictor"], x), target)

    def reward(params, rollout):
        return error(params, rollout["next"]["observation"])

    def loss(params, batch):
        value = learnt_mean(error(params, batch["novelty"]["observation"]), batch)
        return value, {"novelty_loss": value}

    return Bonus(sight.view, reward, sight.count, sight.statistics, init, loss)

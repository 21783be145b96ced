"""Hyper-parameters that several off-policy recipes have; a recipe's own configuration adds to them.

Recipes do not take these classes, so that ``sac(env, TQC())`` is refused.
"""

from dataclasses import dataclass

from nappo2.checks import checked


@checked
@dataclass(frozen=True)
class OffPolicy:
    """Hyper-parameters of all recipes that learn from a replay.

    Attributes:
        num_steps: of each environment per rollout.
        capacity: transitions in the replay.
        batch_size: transitions in a batch.
        update_ratio: gradients per transition.
        start_steps: transitions collected with uniform actions, before the first gradient.
        learning_rate: of Adam.
        gamma: discount per step.
        hidden: sizes of the hidden layers.
        jit: whether learning is compiled, which pays in runs of minutes.
    """

    num_steps: int = 1
    capacity: int = 1_000_000
    batch_size: int = 256
    update_ratio: float = 1.0
    start_steps: int = 10_000
    learning_rate: float = 3e-4
    gamma: float = 0.99
    hidden: tuple[int, ...] = (256, 256)
    jit: bool = False


@checked
@dataclass(frozen=True)
class Critics(OffPolicy):
    """Hyper-parameters of an actor and K critics with targets.

    Attributes:
        target_step_size: Polyak step of the targets, per update.
        num_critics: K, of whose values the minimum is used.
        orthogonal: whether weights are orthogonal at first, rather than uniform as torch's are.
        normalize: whether observations are normalised.
        anneal_updates: updates in which learning_rate falls to 0; 0 for a constant.
    """

    target_step_size: float = 0.005
    num_critics: int = 2
    orthogonal: bool = True
    normalize: bool = False
    anneal_updates: int = 0


@checked
@dataclass(frozen=True)
class Soft(Critics):
    """Hyper-parameters of critics of soft values, with a temperature.

    Attributes:
        learning_rate: of Adam, for actor, critics and temperature.
        initial_alpha: first temperature.
        learn_alpha: whether the temperature is learnt, rather than staying the first one.
        target_entropy_share: target entropy of A-dimensional actions, as a share of -A.
    """

    initial_alpha: float = 1.0
    learn_alpha: bool = True
    target_entropy_share: float = 1.0


@checked
@dataclass(frozen=True)
class Sequences:
    """Hyper-parameters of a replay of sequences with a memory, for small problems.

    Attributes:
        num_steps: of each environment per rollout; sequences go over their borders.
        capacity: sequences in the replay.
        batch_size: sequences in a batch.
        hidden: sizes of the layers, of which the last is the cell's and that of the layer behind it.
        length: steps of a sequence, with its burn-in.
        period: steps from the beginning of a sequence to that of the next; with ``length - burn_in``
            each step is learnt from once.
        burn_in: first steps of a sequence, which only bring the memory up to date.
    """

    num_steps: int = 16
    capacity: int = 20_000
    batch_size: int = 32
    update_ratio: float = 0.25
    start_steps: int = 1_000
    learning_rate: float = 1e-3
    hidden: tuple[int, ...] = (64, 64)
    length: int = 24
    period: int = 16
    burn_in: int = 8


@checked
@dataclass(frozen=True)
class SoftGsde:
    """Hyper-parameters of soft critics with gSDE; defaults are rl-zoo3's for PyBullet.

    Attributes:
        initial_log_std: first log standard deviations of the exploration matrix.
        resample_every: steps after which the matrix is drawn again.
        mean_limit: bound on means before they are squashed, as in Stable-Baselines3.
        learn_features: whether the gradient of the variance reaches the actor's hidden layers, as
            in Stable-Baselines3.
    """

    num_steps: int = 8
    capacity: int = 300_000
    learning_rate: float = 7.3e-4
    gamma: float = 0.98
    target_step_size: float = 0.02
    hidden: tuple[int, ...] = (400, 300)
    orthogonal: bool = False
    initial_log_std: float = -3.0
    resample_every: int = 8
    mean_limit: float = 2.0
    learn_features: bool = True

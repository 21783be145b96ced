"""The bounds of numbers, by the names of arguments."""

import math
from typing import NamedTuple


class Range(NamedTuple):
    """Bounds of a number.

    Attributes:
        low: lower bound.
        high: upper bound.
        above: whether ``low`` itself is outside.
        finite: whether infinity is outside.
        below: whether ``high`` itself is outside.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    finite: bool = True
    below: bool = False

    def holds(self, value: float) -> bool:
        """Tests whether a number is within these bounds; NaN never is."""
        inside = self.low < value if self.above else self.low <= value
        inside = inside and (value < self.high if self.below else value <= self.high)
        return inside and not (self.finite and math.isinf(value))

    def __str__(self):
        if self.low == -math.inf:
            return "a finite number" if self.finite else "a number"
        if self.high < math.inf:
            if not self.above and not self.below:
                return f"within {self.low:g} and {self.high:g}"
            least, most = ("at least", "above")[self.above], ("at most", "below")[self.below]
            return f"{least} {self.low:g} and {most} {self.high:g}"
        return f"above {self.low:g}" if self.above else f"at least {self.low:g}"


FRACTION, POSITIVE, NOT_NEGATIVE = Range(0, 1), Range(0, above=True), Range(0)
BELOW_ONE = Range(0, 1, below=True)


RANGES = {
    **dict.fromkeys(("gamma", "lambda_", "epsilon", "discrete_entropy_share"), FRACTION),
    **dict.fromkeys(("b1", "b2", "beta1", "decay"), BELOW_ONE),  # a mean with a decay of 1 stays 0
    "momentum": FRACTION,
    **dict.fromkeys(("alpha", "beta", "eps", "sigma"), NOT_NEGATIVE),
    **dict.fromkeys(
        ("learning_rate", "clip_eps", "update_ratio", "initial_alpha", "target_kl"), POSITIVE
    ),
    **dict.fromkeys(("adam_eps", "rmsprop_eps", "max_megabytes", "temperature"), POSITIVE),
    **dict.fromkeys(("target_step_size", "step_size"), Range(0, 1, above=True)),
    **dict.fromkeys(
        ("value_coef", "entropy_coef", "weight_decay", "num_cpus", "num_gpus"), NOT_NEGATIVE
    ),
    **dict.fromkeys(("noise_std", "noise_limit", "exploration_std", "std"), NOT_NEGATIVE),
    **dict.fromkeys(
        ("max_grad_norm", "max_norm", "clip_rho", "clip_c"), POSITIVE._replace(finite=False)
    ),
    **dict.fromkeys(("limit", "mean_limit"), POSITIVE._replace(finite=False)),
    **dict.fromkeys(
        ("deadline", "group_deadline", "place_deadline"), POSITIVE._replace(finite=False)
    ),
    **dict.fromkeys(
        ("burn_in", "start_steps", "anneal_updates", "exploration_updates", "num_dropped"),
        NOT_NEGATIVE,
    ),
    **dict.fromkeys(
        ("seed", "member", "index", "ahead", "padding", "noop_max", "rank", "max_restarts"),
        NOT_NEGATIVE,
    ),
    **dict.fromkeys(("seconds", "data", "indices", "parts", "skip"), NOT_NEGATIVE),
    **dict.fromkeys(("intrinsic_gamma", "intrinsic_lambda"), FRACTION),
    **dict.fromkeys(("intrinsic_coef", "extrinsic_coef", "eta"), NOT_NEGATIVE),
    "target_entropy_share": Range(-math.log(2), above=True),  # uniform actions have log 2 each
    "expectile": Range(0, 1, above=True, below=True),
    "novelty_rate": POSITIVE,
    "novelty_share": Range(0, 1, above=True),
    "dropout": Range(0, 0.9),
    "share": Range(0, 0.5, above=True),
}
"""The range of a number by the name of the argument, whichever function takes it.

Other integers are at least 1, or at least 0 where that is the default.
"""

HYPER = (
    *("learning_rate", "novelty_rate", "gamma", "intrinsic_gamma", "clip_eps", "entropy_coef"),
    *("epsilon", "target_kl", "intrinsic_coef", "extrinsic_coef"),
)
"""Hyper-parameters of recipes that may change during a run."""


def hyper_range(name: str) -> Range:
    """The range of a hyper-parameter during a run, with its bounds, as rates fall to 0."""
    return RANGES[name]._replace(above=False) if name in HYPER else Range()


def check_hyper(**values: float) -> None:
    """Refuses hyper-parameters that are out of their range.

    Raises:
        ValueError: names the hyper-parameter.
    """
    for name, value in values.items():
        if not hyper_range(name).holds(value):
            raise ValueError(f"{name} is {hyper_range(name)}, not {value:g}")


def positive(**counts: int) -> None:
    """Refuses counts that are not integers of at least 1.

    Raises:
        ValueError: names the count.
    """
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is an integer of at least 1, not {value!r}")

"""Compiled updates of TQC and REDQ beside SAC's, on HalfCheetahBullet, one update per env step.

256-256 perceptrons and batches of 256, in one thread. SAC has two critics, TQC two of 25 quantiles, REDQ
ten, of which two value the next action; its actor is computed at every 20th update, where it moves.
"""

import sys
from collections.abc import Iterator

from benchmarks.figures import figure, interleaved, ratios, report
from benchmarks.simulators import half_cheetah
from benchmarks.soft import running
from nappo2 import envs
from nappo2.recipes import REDQ, SAC, TQC, redq, sac, tqc

START = 1000
COMMON = {
    "num_steps": 8,
    "start_steps": START,
    "capacity": 100_000,
    "update_ratio": 1.0,
    "jit": True,
}
RECIPES = {"SAC": (sac, SAC), "TQC": (tqc, TQC), "REDQ": (redq, REDQ)}
AT_MOST = {"TQC": 1.3, "REDQ": 2.5}


def rates_of(name: str) -> Iterator[float]:
    make, config = RECIPES[name]
    return running(make(envs.from_gym(half_cheetah([]), 1), config(**COMMON)), START)


def measure(rounds: int = 12) -> list[dict]:
    rates = interleaved(rounds, **{name: rates_of(name) for name in RECIPES})
    return [
        *(
            figure(
                f"{name}: time of an update over SAC's",
                ratios(rates["SAC"], rates[name]),
                at_most=most,
            )
            for name, most in AT_MOST.items()
        ),
        *(figure(f"{name}, env steps and updates/s", x, "1/s") for name, x in rates.items()),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))

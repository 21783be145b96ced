"""All words of the letters c, d, s and a, as a table: the pipeline that each says, or why there is none.

Of those that run: env steps/s and the lags of PPO on CartPole in torch, with 4 collectors and 2 learners
on ``serial``, by turns in one process. A word's figure says what its cuts cost where nothing is parallel.
"""

import sys
from collections.abc import Iterator
from statistics import median
from time import perf_counter
from typing import NamedTuple

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import PPO, Pipeline, envs, ppo, scheme
from nappo2.schemes import SCHEMES, TAKES, all_words, parse

COUNTS = {"collectors": 4, "learners": 2}
UPDATES = 64  # of a turn


class Turn(NamedTuple):
    """Env steps/s, and how many updates old rollouts and gradients were."""

    rate: float
    collection_lag: float
    gradient_lag: float


def pipeline_of(name: str) -> tuple[Pipeline, object]:
    """The pipeline of a word, and its first params."""
    recipe = ppo(envs.cartpole(8), PPO(num_steps=32, num_epochs=2, num_minibatches=2))
    given = {key: x for key, x in COUNTS.items() if key in TAKES[name]}
    return scheme(name, recipe, **given), recipe.init(0)


def drawn(name: str) -> str:
    """The line of a word in one line of text: its cuts, and the operations between them."""
    parts = []
    for stage in pipeline_of(name)[0].stages:
        if stage.cut is not None:
            parts.append(f"{stage.name}({stage.cut.wait_for} of {stage.cut.num_workers})")
        elif stage.kind in ("collect", "gradients", "all_reduce", "update", "learn"):
            parts.append(stage.name)
    return " | ".join(parts)


def turns(name: str) -> Iterator[Turn]:
    """A turn of so many updates each."""
    pipe, params = pipeline_of(name)
    state = pipe.init(params, 0)
    while True:
        end, steps, lags = params["version"] + UPDATES, 0, []
        start = perf_counter()
        while params["version"] < end:
            state, params, found = pipe.step(params, state)
            steps += found.sums.get("env_steps", 0)
            lags.append([float(found.means[f"{x}_lag"].value) for x in ("collection", "gradient")])
        seconds = perf_counter() - start
        yield Turn(steps / seconds, *(sum(lag) / len(lags) for lag in zip(*lags, strict=True)))


def why_not(word: str) -> str:
    """The sentence that refuses a word."""
    try:
        parse(word)
    except ValueError as error:
        return str(error).partition(": ")[2]
    raise AssertionError(f"{word} is no scheme, and was not refused")


def table(found: dict[str, tuple[Turn, ...]]) -> Iterator[str]:
    """A row of Markdown for each word."""
    yield "| word | pipeline, or why there is none | env steps/s | collection lag | gradient lag |"
    yield "|---|---|---:|---:|---:|"
    for word in all_words():
        if word in found:
            rate, *lags = (median(column) for column in zip(*found[word], strict=True))
            numbers = (f"{rate:,.0f}", *(f"{lag:.1f}" for lag in lags))
            yield _row(word, f"`{drawn(word)}`", *numbers)
        else:
            yield _row(word, why_not(word), "", "", "")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def measure(rounds: int = 5) -> list[dict]:
    found = interleaved(rounds, 1, **{name: turns(name) for name in SCHEMES})
    print("\n".join(table(found)), flush=True)
    rates = {name: [turn.rate for turn in column] for name, column in found.items()}
    return [
        figure(f"{name} on serial / 3cs, env steps/s", ratios(rates[name], rates["3cs"]))
        for name in SCHEMES
        if name != "3cs"
    ]


if __name__ == "__main__":
    sys.exit(report(measure))

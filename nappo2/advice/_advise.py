"""``advise``: which training scheme is the fastest for a recipe on this machine, and when none is."""

import os
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from nappo2.advice.between import measured_between
from nappo2.advice.costs import Costs
from nappo2.advice.measuring import measured_here
from nappo2.advice.prediction import Prediction, predict
from nappo2.checks import checked
from nappo2.pipeline import positive
from nappo2.schemes import SCHEMES, Backend, on_ray, parse
from nappo2.show.markup import block, element, heading, paragraph, svg_text, table
from nappo2.stages.recipe import Recipe

CLOSE = 0.9  # of the fastest: a simpler scheme that is so fast is better
MOST_WORKERS = 4  # that are begun to measure
SIMPLE = ("3cs", "ds2cs", "da2cs", "3ds", "2dacs", "2daca")
"""Schemes from the simplest on; others are behind them."""


class Advice(NamedTuple):
    """Measured costs of a recipe, and predictions for each scheme.

    Attributes:
        recipe: its name.
        env: the name of its environment.
        cores: that the processes share.
        costs: what was measured.
        predictions: the fastest first.
    """

    recipe: str
    env: str
    cores: int
    costs: Costs
    predictions: tuple[Prediction, ...]

    @property
    def best(self) -> Prediction:
        """The simplest scheme within a tenth of the fastest."""
        least = CLOSE * self.predictions[0].steps_per_second
        close = [x for x in self.predictions if x.steps_per_second >= least]
        return min(close, key=lambda x: (*SIMPLE, x.word).index(x.word))

    @property
    def sentence(self) -> str:
        """The advice in words."""
        best, others = self.best, [x for x in self.predictions if x.word != "3cs"]
        here = f"{self.recipe} on {self.env} with {self.cores} cores"
        if best.word == "3cs":
            fastest = others[0] if others else None
            rest = f"; {_said(fastest)}" if fastest else ""
            return f"Do not use Ray for {here}: {_said(best)}{rest}."
        central = next((x for x in self.predictions if x.word == "3cs"), None)
        rest = f"; {_said(central)}" if central else ""
        return f"Use {_call(best)} for {here}: {_said(best)}{rest}."

    def rows(self) -> list[tuple[str, ...]]:
        """A row of texts for each scheme."""
        return [
            (
                x.word,
                str(x.collectors or ""),
                str(x.learners or ""),
                f"{x.steps_per_second:,.0f}",
                f"{x.collection_lag:.1f}",
                f"{x.gradient_lag:.1f}",
                f"{x.busy:.0%}",
            )
            for x in self.predictions
        ]

    def __repr__(self):
        rows = [HEAD, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(x.rjust(n) for x, n in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([self.sentence, *(_costs_in_words(self.costs)), *lines])

    def _repr_html_(self):
        words = map(paragraph, _costs_in_words(self.costs))
        return block(
            heading(self.sentence), *words, bars(self.predictions), table(HEAD, self.rows())
        )


HEAD = ("scheme", "collectors", "learners", "env steps/s", "collection lag", "gradient lag", "busy")


@checked
def advise(
    recipe: Recipe,
    *,
    cores: int | None = None,
    collectors: int | None = None,
    learners: int | None = None,
    ahead: int = 0,
    words: Sequence[str] | None = None,
    on: Backend | None = None,
    seconds: float = 1.0,
) -> Advice:
    """Measures a recipe for some seconds, and predicts env steps/s and lags of all schemes that fit it.

    Simulator and learning are measured in this process, and what travels between processes with two to
    four workers on Ray. The schemes are simulated with these numbers, so that other numbers of workers
    cost no time: ``predict(word, advice.costs, collectors=16, learners=4, cores=16)``.

    Args:
        recipe: such as ``ppo(env)``.
        cores: that all processes share; those of this machine by default. Of a cluster, all of it.
        collectors: in all, where collection is apart; as many as there are cores by default.
        learners: likewise of gradients; where both are apart, half of the cores.
        ahead: rollouts that a collector may begin before its last one was taken.
        words: of the schemes; by default all that fit the recipe.
        on: where workers would be; by default on Ray, which is started if it does not run. With
            ``serial`` nothing between processes is measured, and only 3cs is predicted.
        seconds: for each of some ten measurements.

    Returns:
        The advice, which prints itself, and shows itself in notebooks.

    Raises:
        ValueError: for counts below 1, and words that are no schemes; if no update is due within a minute.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> advise(recipe, on=serial, seconds=0.02).best.word
        '3cs'
    """
    cores = os.cpu_count() or 1 if cores is None else cores
    given = {"collectors": collectors or cores, "learners": learners or cores}
    positive(cores=cores, **given)
    on = on_ray() if on is None else on
    fitting = recipe.compatible.scheme or SCHEMES
    words = [word for word in words or fitting if on.remote or not parse(word).arguments]
    num_rollouts = given["collectors"] if any(map(_learns_from_all, words)) else 1
    costs, rollout = measured_here(recipe, num_rollouts, seconds)
    if on.remote and any(parse(word).arguments for word in words):
        num_workers = max(2, min(cores, MOST_WORKERS))
        costs = measured_between(recipe, costs, rollout, num_workers, on, seconds)
    found = [
        predict(word, costs, *_counts(word, cores, collectors, learners), cores, ahead)
        for word in words
    ]
    found.sort(key=lambda x: -x.steps_per_second)
    return Advice(recipe.name, recipe.env.name, cores, costs, tuple(found))


def _learns_from_all(word: str) -> bool:
    return parse(word).collectors == "all"


def _counts(word: str, cores: int, collectors: int | None, learners: int | None) -> tuple[int, int]:
    """How many collectors and learners a word is predicted with."""
    both = parse(word).collectors and parse(word).learners
    return collectors or cores, learners or (max(1, cores // 2) if both else cores)


def _said(x: Prediction) -> str:
    return f"{x.word} makes {x.steps_per_second:,.0f} env steps/s"


def _call(x: Prediction) -> str:
    counts = {"collectors": x.collectors, "learners": x.learners}
    texts = [f"{name}={num}" for name, num in counts.items() if num]
    return f"scheme({', '.join([repr(x.word), 'recipe', *texts, 'on=on_ray()'])})"


def _costs_in_words(costs: Costs) -> list[str]:
    """The measured costs as sentences."""
    learning, updates = costs.learning_of(1), costs.num_updates
    sentences = [
        f"A rollout of {costs.env_steps:,} env steps: {_ms(costs.collect)} of a core and "
        f"{_ms(costs.idle)} of waiting to collect, {_ms(learning.learn)} for {updates} updates."
    ]
    if costs.transfers:
        calls = ", ".join(
            f"{_ms(x.call + x.take + x.worker)} and {_ms(x.latency)} of latency for {kind}"
            for kind, x in costs.transfers.items()
        )
        slower = f"{costs.slowdown - 1:.0%}"
        sentences.append(
            f"A call of a worker: {calls}. Where all cores work, each is {slower} slower."
        )
    return sentences


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def bars(predictions: Sequence[Prediction]) -> str:
    """Env steps/s of each scheme as bars of an inline SVG."""
    most, parts = max(x.steps_per_second for x in predictions), []
    for i, x in enumerate(predictions):
        width, y = 300 * x.steps_per_second / most, 18.0 * i
        fill = {"fill": "#1f5fa8", "fill_opacity": "0.75", "rx": 2}
        parts.append(svg_text(62.0, y + 12, x.word, anchor="end", weight=600))
        parts.append(element("rect", x=68.0, y=y + 2, width=max(1.0, width), height=13, **fill))
        parts.append(svg_text(74 + width, y + 12, f"{x.steps_per_second:,.0f}", faint=True))
    size = {"viewBox": f"0 0 440 {18 * len(predictions) + 4}", "width": "440"}
    title = element("title", escape("env steps/s of each scheme"))
    style = "max-width:100%;height:auto;color:inherit;display:block"
    return element(
        "svg", title + "".join(parts), xmlns="http://www.w3.org/2000/svg", style=style, **size
    )

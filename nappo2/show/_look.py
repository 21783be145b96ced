"""Anything of nappo2, to be looked at: as text in a terminal, as a picture or a table in a notebook.

Looking starts no work: no step is taken and no worker is asked.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor

from nappo2.checks import checked
from nappo2.reports import totals
from nappo2.show import configs
from nappo2.show._diagram import diagram
from nappo2.show.markup import (
    LIMIT,
    aligned,
    block,
    folded,
    heading,
    paragraph,
    preformatted,
    table,
)
from nappo2.show.sparkline import sparkline
from nappo2.show.tree import in_bytes, leaves, lines

HEAD = ("", "shape", "dtype", "size", "mean and range")


class Look:
    """What something looks like, as text and as HTML."""

    def __init__(self, text: str, html: str):
        self.text, self.html = text, html

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        return self.html


@checked
def shown_in_notebooks(*kinds: type) -> None:
    """Has notebooks show things of these kinds by ``look``, which they know nothing of themselves."""
    for kind in kinds:
        kind._repr_html_ = _html


def _html(self: Any) -> str:
    return look(self).html


def look(x: Any) -> Look:
    """What ``x`` looks like: a pipeline, stages, params, a state, a rollout, a config, a Learner, ...

    Params, states and rollouts are shown as trees with shapes, dtypes, sizes, means and ranges,
    and what is not finite stands out; a config with what differs from its defaults.
    """
    for fits, show in KINDS:
        if fits(x):
            return within_limit(show(x))
    return Look(repr(x), block(preformatted(repr(x)[:2000])))


def within_limit(shown: Look) -> Look:
    """What is shown, if it is at most 50 KB of HTML; otherwise its text, cut off."""
    if len(shown.html.encode()) <= LIMIT:
        return shown
    return Look(shown.text, block(preformatted(shown.text[: LIMIT // 8] + "\n...")))


def pipeline(x: Any) -> Look:
    """The line, drawn."""
    return Look(repr(x), block(diagram(x)))


def recipe(x: Any) -> Look:
    """The line that a recipe makes, before any scheme cuts it."""
    schemes = "any scheme" if x.compatible.scheme is None else ", ".join(x.compatible.scheme)
    return Look(repr(x), block(heading(f"{x.name}, for {schemes}"), diagram(x.line)))


def tree(x: Any) -> Look:
    """Params, a state, a rollout, gradients."""
    found = list(leaves(x))
    rows = lines(found[:300])
    bad = [".".join(leaf.path) for leaf in found if not leaf.finite]
    said = f"{len(found):,} leaves, {in_bytes(sum(leaf.size for leaf in found))}"
    if hasattr(x, "batch_size") and len(x.batch_size):
        said = f"batch size {list(x.batch_size)}, {said}"
    said += f"; not finite: {', '.join(bad[:8])}" if bad else ""
    said += f"; the first {300} are shown" if len(found) > 300 else ""
    marked = [i for i, row in enumerate(rows) if "not finite" in row[4]]
    return Look(columns(rows, said), block(heading(said), table(HEAD, rows, marked)))


def columns(rows: list[tuple], said: str) -> str:
    """Rows of text, aligned, below a line of their own."""
    return "\n".join([said, *(aligned(rows) if rows else [])])


def config(x: Any) -> Look:
    """Hyper-parameters, with what differs from the defaults."""
    rows = configs.rows(x)
    said = f"{type(x).__name__}: {configs.preset_like(x)}"
    marked = [i for i, row in enumerate(rows) if row[2]]
    head = ("", "value", "default", "")
    return Look(columns(rows, said), block(heading(said), table(head, rows, marked)))


def env(x: Any) -> Look:
    """An environment's spaces."""
    spaces = ("observations", x.observation_space), ("actions", x.action_space)
    rows = [(name, " ".join(str(space).split())) for name, space in spaces]
    said = f"{x.num_envs} x {x.name}"
    return Look(repr(x), block(heading(said), table(("", "of one"), rows)))


def evaluation(x: Any) -> Look:
    """The returns of an evaluation, each a dot on a line."""
    returns = x.returns.tolist()
    rows = [
        (name, f"{of.mean():.1f}", f"{of.median():.1f}", f"{of.min():.1f}", f"{of.max():.1f}")
        for name, of in (("return", x.returns), ("length", x.lengths))
    ]
    head = ("", "mean", "median", "least", "most")
    said = f"{x!r}"
    line = sparkline(range(1, len(returns) + 1), sorted(returns), "return, episodes in order of it")
    return Look(said, block(heading(said), table(head, rows), line))


def report(x: Any) -> Look:
    """What a step said besides its item."""
    rows = [("mean of " + k, f"{float(v.value):.4g}", f"{v.weight:g}") for k, v in x.means.items()]
    rows += [(k, f"{v:.4g}", "") for k, v in totals(x).items()]
    rows += [(f"episodes: {k}", f"{v.tolist()[:8]}"[1:-1], "") for k, v in x.episodes.items()]
    return Look(repr(x), block(table(("", "value", "weight"), rows)))


def learner(x: Any) -> Look:
    """Where a run stands, its curve, its pipeline and the latest row of metrics."""
    said = repr(x).partition(" at ")[2]
    target = f"{x.env_steps / x.target_steps:.0%} of {x.target_steps:,} env steps"
    state = "interrupted" if x.interrupted else "done" if x.done() else "may go on"
    html = block(
        heading(said),
        paragraph(f"{target}; {state}" + (f"; kept in {x.log_dir}" if x.log_dir else "")),
        diagram(x.pipeline),
        learning_curve(x.metrics),
        latest_row(x.metrics),
        folded("params", tree(x.params).html),
    )
    return Look(repr(x), html)


def saved_run(x: Any) -> Look:
    """Where a run on disk ended, its curve, how it was made, and the last row of metrics."""
    settings = {k: v for k, v in x.described.items() if not isinstance(v, dict)}
    settings |= x.described.get("config", {})
    rows = [(name, str(value)) for name, value in settings.items()]
    html = block(
        heading(repr(x)),
        learning_curve(x.metrics),
        folded("how it was made", table(("", "value"), rows)),
        latest_row(x.metrics),
    )
    return Look(repr(x), html)


def learning_curve(rows: Any) -> str:
    """Returns by env steps, drawn, once there are two."""
    curve = [(row["env_steps"], row["episode_return"]) for row in rows if "episode_return" in row]
    return sparkline(*zip(*curve, strict=True), "return by env steps") if len(curve) > 1 else ""


def latest_row(rows: Any) -> str:
    """The last row of metrics, folded."""
    row = rows[-1] if rows else {}
    numbers = [(k, x if isinstance(x, str) else f"{x:,.5g}") for k, x in row.items()]
    return folded("the latest row of metrics", table(("", "value"), numbers))


def has(*names: str):
    """Whether something has all these attributes: a class that was reloaded is another one."""
    return lambda x: all(hasattr(x, name) for name in names)


KINDS = (
    (lambda x: isinstance(x, Look), lambda x: x),
    (has("init", "step", "stages", "__or__"), pipeline),
    (has("line", "compatible", "init"), recipe),
    (has("reset", "step", "observation_space", "num_envs"), env),
    (has("metrics", "target_steps", "pipeline"), learner),
    (has("returns", "lengths", "_fields"), evaluation),
    (has("means", "sums", "episodes", "_fields"), report),
    (has("metrics", "described", "log_dir", "_fields"), saved_run),
    (
        lambda x: is_dataclass(x) and not isinstance(x, type) and not hasattr(x, "batch_dims"),
        config,
    ),
    (lambda x: isinstance(x, (Mapping, Tensor, tuple, list)) or hasattr(x, "batch_size"), tree),
)

"""Shows any object of nappo2: as text in a terminal, as a drawing or a table in a notebook.

Nothing is run for that: no step is taken and no worker is asked.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor

from nappo2.checks import checked
from nappo2.reports import totals
from nappo2.runs.curve import evaluated
from nappo2.runs.metrics import position, unit_of
from nappo2.runs.targets import target_of
from nappo2.saving.log_dir import from_here
from nappo2.show import configs
from nappo2.show._diagram import diagram
from nappo2.show.activity import activity_of
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
from nappo2.show.tree import in_bytes, leaves, table_rows

MAX_LEAVES = 300  # that are shown
HEAD = ("", "shape", "dtype", "size", "mean and range")


class Look:
    """An object as text and as HTML."""

    def __init__(self, text: str, html: str):
        self.text, self.html = text, html

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        return self.html


@checked
def shown_in_notebooks(*classes: type) -> None:
    """Has notebooks show objects of these classes by ``look``."""
    for cls in classes:
        cls._repr_html_ = _html


def _html(self: Any) -> str:
    return look(self).html


def look(x: Any) -> Look:
    """Shows a pipeline, stages, params, a state, a rollout, a config, a Learner, ...

    Params, states and rollouts become trees with shapes, dtypes, sizes, means and ranges, where
    values that are not finite are in bold; in a config those are that differ from the defaults.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> "learning_rate" in repr(look(recipe.init(0)))
        True
    """
    for fits, show in KINDS:
        if fits(x):
            return within_limit(show(x))
    return Look(repr(x), block(preformatted(repr(x)[:2000])))


def within_limit(full: Look) -> Look:
    """Replaces more than LIMIT bytes of HTML by the beginning of the text."""
    if len(full.html.encode()) <= LIMIT:
        return full
    return Look(full.text, block(preformatted(full.text[: LIMIT // 8] + "\n...")))


def pipeline(x: Any) -> Look:
    """A diagram of a pipeline."""
    return Look(repr(x), block(diagram(x)))


def recipe(x: Any) -> Look:
    """A diagram of a recipe's pipeline, before any scheme cuts it."""
    schemes = "any scheme" if x.compatible.scheme is None else ", ".join(x.compatible.scheme)
    return Look(repr(x), block(heading(f"{x.name}, for {schemes}"), diagram(x.line)))


def tree(x: Any) -> Look:
    """A table of the leaves of params, a state, a rollout or gradients."""
    all_leaves = list(leaves(x))
    rows = table_rows(all_leaves[:MAX_LEAVES])
    bad = [".".join(leaf.path) for leaf in all_leaves if not leaf.finite]
    title = f"{len(all_leaves):,} leaves, {in_bytes(sum(leaf.size for leaf in all_leaves))}"
    if hasattr(x, "batch_size") and len(x.batch_size):
        title = f"batch size {list(x.batch_size)}, {title}"
    title += f"; not finite: {', '.join(bad[:8])}" if bad else ""
    title += f"; the first {MAX_LEAVES} are shown" if len(all_leaves) > MAX_LEAVES else ""
    marked = [i for i, row in enumerate(rows) if "not finite" in row[4]]
    return Look(titled(rows, title), block(heading(title), table(HEAD, rows, marked)))


def titled(rows: list[tuple], title: str) -> str:
    """Rows as aligned text below a title."""
    return "\n".join([title, *(aligned(rows) if rows else [])])


def config(x: Any) -> Look:
    """A table of hyper-parameters, with the defaults of those that differ."""
    rows = configs.rows(x)
    title = f"{type(x).__name__}: {configs.preset_like(x)}"
    marked = [i for i, row in enumerate(rows) if row[2]]
    head = ("", "value", "default", "")
    return Look(titled(rows, title), block(heading(title), table(head, rows, marked)))


def env(x: Any) -> Look:
    """A table of the spaces of an environment."""
    spaces = ("observations", x.observation_space), ("actions", x.action_space)
    rows = [(name, " ".join(str(space).split())) for name, space in spaces]
    title = f"{x.num_envs} x {x.name}"
    return Look(repr(x), block(heading(title), table(("", "of one"), rows)))


def evaluation(x: Any) -> Look:
    """A table of what the episodes of an evaluation have, and a curve of the sorted returns."""
    returns = x.returns.tolist()
    rows = [
        (name, f"{y.mean():.1f}", f"{y.median():.1f}", f"{y.min():.1f}", f"{y.max():.1f}")
        for name, y in (("return", x.returns), ("length", x.lengths))
    ]
    infos = ((name, y[~y.isnan()]) for name, y in x.infos.items())
    rows += [
        (name, *(f"{z:.3g}" for z in (y.mean(), y.median(), y.min(), y.max())))
        for name, y in infos
        if len(y)
    ]
    head = ("", "mean", "median", "least", "most")
    title = repr(x)
    line = sparkline(range(1, len(returns) + 1), sorted(returns), "return, episodes in order of it")
    return Look(title, block(heading(title), table(head, rows), line))


def report(x: Any) -> Look:
    """A table of the metrics of a step."""
    rows = [("mean of " + k, f"{float(v.value):.4g}", f"{v.weight:g}") for k, v in x.means.items()]
    rows += [(k, f"{v:.4g}", "") for k, v in totals(x).items()]
    rows += [(f"episodes: {k}", f"{v.tolist()[:8]}"[1:-1], "") for k, v in x.episodes.items()]
    return Look(repr(x), block(table(("", "value", "weight"), rows)))


def learner(x: Any) -> Look:
    """Progress, curve, pipeline, latest row of metrics and params of a run."""
    title = repr(x).partition(" at ")[2]
    total, now, unit = target_of(x.pipeline, x.recorder, x.target_steps, x.target_updates)
    target = f"{now / total:.0%} of {total:,} {'updates' if unit == 'update' else 'env steps'}"
    state = "interrupted" if x.interrupted else "done" if x.done() else "may go on"
    html = block(
        heading(title),
        paragraph(
            f"{target}; {state}" + (f"; kept in {from_here(x.log_dir)}" if x.log_dir else "")
        ),
        diagram(x.pipeline, activity_of(x)),
        learning_curve(x.metrics),
        latest_row(x.metrics),
        folded("params", tree(x.params).html),
    )
    return Look(repr(x), html)


def saved_run(x: Any) -> Look:
    """Curve, settings and last row of metrics of a run on disk."""
    settings = {k: v for k, v in x.description.items() if not isinstance(v, dict)}
    settings |= x.description.get("config", {})
    rows = [(name, str(value)) for name, value in settings.items()]
    html = block(
        heading(repr(x)),
        learning_curve(x.metrics),
        folded("how it was made", table(("", "value"), rows)),
        latest_row(x.metrics),
    )
    return Look(repr(x), html)


def learning_curve(rows: Any) -> str:
    """A curve of returns over environment steps; empty before there are two.

    Of a run on recorded data alone, whose episodes are those of evaluations, over updates.
    """
    curve = [(position(row), row["episode_return"]) for row in rows if "episode_return" in row]
    curve = curve or evaluated(rows)
    if len(curve) < 2:
        return ""
    return sparkline(*zip(*curve, strict=True), f"return by {unit_of(rows)}")


def latest_row(rows: Any) -> str:
    """The last row of metrics, folded."""
    row = rows[-1] if rows else {}
    numbers = [(k, x if isinstance(x, str) else f"{x:,.5g}") for k, x in row.items()]
    return folded("the latest row of metrics", table(("", "value"), numbers))


def has(*names: str):
    """A test for attributes, not for classes, as a class that was reloaded is another one."""
    return lambda x: all(hasattr(x, name) for name in names)


KINDS = (
    (lambda x: isinstance(x, Look), lambda x: x),
    (has("init", "step", "stages", "__or__"), pipeline),
    (has("line", "compatible", "init"), recipe),
    (has("reset", "step", "observation_space", "num_envs"), env),
    (has("metrics", "target_steps", "pipeline"), learner),
    (has("returns", "lengths", "_fields"), evaluation),
    (has("means", "sums", "episodes", "_fields"), report),
    (has("metrics", "description", "log_dir", "_fields"), saved_run),
    (
        lambda x: is_dataclass(x) and not isinstance(x, type) and not hasattr(x, "batch_dims"),
        config,
    ),
    (lambda x: isinstance(x, (Mapping, Tensor, tuple, list)) or hasattr(x, "batch_size"), tree),
)

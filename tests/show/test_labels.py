"""Names at the ends of curves, and colours that a group keeps from picture to picture."""

import types
import warnings

import pytest
from matplotlib.text import Text

from nappo2.runs.metrics import Metrics
from nappo2.show import compare, plot
from nappo2.show._dashboard import draw_watched, within_range
from nappo2.show.labels import (
    End,
    colours_of,
    label_ends,
    numbers_in,
    readable,
    same_curves,
    shade,
    spread,
    style_of,
)
from nappo2.show.pictures import COLOURS, new_figure


def run(*returns):
    rows = [{"env_steps": 10 * i, "episode_return": x} for i, x in enumerate(returns)]
    return types.SimpleNamespace(metrics=Metrics(rows), description={}, params=None)


def test_labels_are_moved_apart_as_little_as_need_be():
    """Three at 5, one apart, are at 4, 5 and 6; 0, 0.2 and 0.9 lie around their mean of 0.3667."""
    assert spread([0.0, 10.0], 1.0) == [0.0, 10.0]
    assert spread([5.0, 5.0, 5.0], 1.0) == [4.0, 5.0, 6.0]
    assert spread([0.0, 0.2, 0.9], 1.0) == pytest.approx([-0.6333, 0.3667, 1.3667], abs=1e-3)


def test_labels_stay_beside_the_axes_and_not_above_them():
    """Three at 9 of 10 end at 10; two at 0 begin there; of four there is room for three above 0."""
    assert spread([9.0, 9.0, 9.0], 2.0, 0.0, 10.0) == [6.0, 8.0, 10.0]
    assert spread([0.0, 0.0, 9.0], 2.0, 0.0, 10.0) == [0.0, 2.0, 9.0]
    assert spread([3.0, 3.0, 3.0, 3.0], 2.0, 0.0, 4.0) == [-2.0, 0.0, 2.0, 4.0]


def test_a_name_has_the_same_colour_beside_other_names():
    three, two = dict(zip("abc", colours_of("abc"), strict=True)), colours_of("ac")
    assert two == [three["a"], three["c"]]
    assert colours_of(["ppo"]) == [COLOURS[0]]


def test_text_is_dark_enough_to_read_on_white():
    assert readable("#000000") == "#000000"
    assert readable("#ffffff") != "#ffffff" and readable(shade(0)) != shade(0)


def test_a_name_has_the_same_colour_in_any_order_and_ten_names_have_ten():
    assert colours_of(["sac", "ppo"]) == colours_of(["ppo", "sac"])[::-1]
    assert len(set(colours_of(list("abcdefghij")))) == len(COLOURS) == 10


def test_names_that_differ_by_a_number_are_from_light_to_dark():
    names = [f"learning_rate {x}" for x in ("0.01", "1e-4", "0.001")]
    assert numbers_in(names) == [0.01, 0.0001, 0.001]
    assert colours_of(names) == [shade(1), shade(0), shade(0.5)]
    assert numbers_in(["ppo 1", "sac 2", "ppo 3"]) is None
    assert numbers_in(["8 envs", "16 envs"]) == [8.0, 16.0]
    assert numbers_in(["3cs", "3ds"]) is None and numbers_in(["td3 1", "td3 1"]) is None


def test_a_curve_that_would_hide_another_is_dashed():
    def through(*y):
        return [0.0, 1.0], y

    assert style_of(through(1.0, 2.0), [through(0.0, 0.0)]) == "-"
    once = style_of(through(1.0, 2.0), [through(0.0, 0.0), through(1.0, 2.0)])
    twice = style_of(through(1.0, 2.0), [through(1.0, 2.0), through(1.0, 2.001)])
    assert (once, twice) == ((0, (4.0, 4.0)), (0, (2.0, 6.0)))


def test_curves_coincide_where_they_are_the_same_line():
    """Through however many points; the same returns after other seconds are another line."""
    line, nan = ([0.0, 2.0], [1.0, 3.0]), float("nan")
    assert same_curves(line, [([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])]) == [0]
    assert same_curves(line, [([0.0, 4.0], [1.0, 3.0]), ([0.0, 2.0], [1.0, 3.1])]) == []
    bent = [0.0, 1.0, 2.0], [1.0, 9.0, 3.0]
    assert same_curves(line, [bent]) == same_curves(bent, [line]) == []
    gap = [0.0, 1.0, 2.0], [1.0, nan, 3.0]
    assert same_curves(gap, [gap]) == [0] and same_curves(gap, [line]) == []


def test_nothing_of_a_curve_is_beyond_the_axes():
    """Over another column a curve may end before its largest x, and returns may be negative."""
    axes = new_figure((3, 3)).add_subplot()
    axes.plot([-200.0, -100.0, -120.0], [3.0, 2.0, 1.0])
    label_ends(axes, [End("a", -120.0, 1.0, "#000000")])
    assert axes.get_xlim()[0] <= -200.0 and axes.get_xlim()[1] >= -100.0


def test_a_dot_is_where_a_curve_ends():
    """So that the dots to its name are no part of it; a curve without a last number has none."""
    axes = new_figure((3, 3)).add_subplot()
    axes.plot([0, 2], [0.0, 4.0])
    before = axes.axis()
    label_ends(axes, [End("a", 1.0, 3.0, "#000000"), End("b", 2.0, float("nan"), "#000000")])
    _, dot, no_dot = (list(zip(*line.get_data(), strict=True)) for line in axes.lines)
    assert dot == [(1.0, 3.0)] and no_dot[0][1] != no_dot[0][1] and axes.axis() == before


def test_long_names_are_written_in_lines():
    """Those of 90 characters left no room for curves, or were cut in front, where they differ."""
    names = [f"{i} {'settings of a group ' * 5}" for i in "ab"]
    figure = new_figure((7, 4))
    axes = figure.add_subplot()
    axes.plot([0, 1], [2.0, 3.0])
    label_ends(axes, [End(name, 1.0, 3.0, "#000000") for name in names])
    figure.canvas.draw()
    boxes = sorted((Text.get_window_extent(x) for x in axes.texts), key=lambda box: box.y0)
    assert axes.get_position().width > 0.5 and boxes[0].y1 <= boxes[1].y0
    with warnings.catch_warnings(action="error"):
        assert compare({name: [run(1.0, 2.0)] for name in names}).picture().png


def test_of_one_run_there_is_no_interval():
    found = compare({"a": [run(1.0, 2.0)], "b": [run(1.0, 1.0), run(1.0, 1.0)]})
    assert repr(found).splitlines()[1:] == ["a: 2.00 (one run)", "b: 1.00 (1.00 to 1.00; 2 runs)"]
    assert [row[2] for row in found.rows()] == ["one run has none", "1.00 to 1.00"]


def test_a_curve_that_coincides_with_another_says_with_which():
    axes = new_figure((3, 2)).add_subplot()
    plot({"serial": [run(1.0, 2.0)], "ray": [run(1.0, 2.0)], "old": [run(1.0, 1.0)]}, axes=axes)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["serial", "ray = serial", "old"]


def test_curves_of_several_groups_have_their_names_at_their_ends(monkeypatch):
    """And ``compare`` gives each group the colour that ``plot`` gives it."""
    from nappo2.show import comparison, plots

    labelled, bars = [], []
    monkeypatch.setattr(plots, "label_ends", lambda axes, ends: labelled.extend(ends))
    runs = {"b": [run(1.0, 2.0)], "a": [run(1.0, 3.0)]}
    plot(runs)
    assert [(end.name, end.y) for end in labelled] == [("b", 2.0), ("a", 3.0)]
    monkeypatch.setattr(
        comparison, "colours_of", lambda names: bars.extend(names) or colours_of(names)
    )
    compare(runs).picture()
    assert dict(zip(bars, colours_of(bars), strict=True)) == {e.name: e.colour for e in labelled}


def test_a_curve_that_ends_at_no_number_has_its_name_at_the_bottom_and_comes_last():
    """matplotlib failed at a line to NaN; and NaN, which is larger than nothing, was the best mean."""
    nan, axes = float("nan"), new_figure((3, 3)).add_subplot()
    axes.plot([0, 1], [2.0, 3.0])
    label_ends(axes, [End("a", 1.0, nan, "#000000"), End("c", 1.0, 3.0, "#000000")])
    ends = {text.get_text(): text.xy[1] for text in axes.texts}
    assert ends == {"a": axes.get_ylim()[0], "c": 3.0}
    runs = {"a": [run(1.0, nan)], "b": [run(nan, nan)], "c": [run(2.0, 3.0)]}
    assert plot(runs).png and compare(runs).names == ["c", "a", "b"]


def test_where_no_lag_varies_one_sees_what_a_recipe_is_watched_by():
    """KL and entropy, each over its own range, with their last values above; no lag that is constant."""
    rows = [{"env_steps": i, "approx_kl": 0.01 * i, "entropy": 2.0 - i} for i in range(3)]
    assert watched([row | {"collection_lag": 1.0} for row in rows]) == ["KL 0.02", "entropy 0"]
    assert within_range([1.0, 3.0, 2.0]) == [0.0, 1.0, 0.5]
    assert within_range([4.0, 4.0]) == [0.5, 0.5]


def test_values_and_their_targets_share_a_strip():
    rows = [{"env_steps": i, "value": float(i), "value_target": 2.0 * i} for i in range(3)]
    assert watched(rows) == ["value 2", "target 4"]
    axes = new_figure((3, 2)).add_subplot()
    draw_watched(axes, rows)
    value, target = (line.get_ydata() for line in axes.lines)
    assert value[-1] == target[1] and value[0] == target[0]


def watched(rows):
    axes = new_figure((3, 2)).add_subplot()
    draw_watched(axes, rows)
    return [text.get_text() for text in axes.texts]

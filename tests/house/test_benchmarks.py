"""Figures of one run beside those of another."""

import torch

from benchmarks import history, lines
from benchmarks.__main__ import slower
from nappo2.recipes import RECIPES


def figure(value, low, high, unit="us"):
    return {"figure": "a step", "value": value, "spread": [low, high], "unit": unit}


def test_what_got_slower_by_more_than_the_noise_is_told():
    """10 (9 to 11) us; 12 (10.9 to 13) may be noise, 13 (12 to 14) is not, and 5 is faster."""
    before = {"a step": figure(10, 9, 11)}
    assert slower(before, [figure(12, 10.9, 13)]) == slower(before, [figure(5, 4, 6)]) == []
    (line,) = slower(before, [figure(13, 12, 14)])
    assert line == "slower: a step: 13 [12, 14] us, after 10 [9, 11]"


def test_a_figure_without_a_spread_is_no_measure_of_others():
    before = {"a step": figure(10, 9, 11) | {"spread": None}}
    assert slower(before, [figure(99, 98, 100)]) == []


def test_of_rates_less_is_slower():
    before = {"a step": figure(10, 9, 11, "1/s")}
    assert slower(before, [figure(13, 12, 14, "1/s")]) == []
    assert len(slower(before, [figure(5, 4, 6, "1/s")])) == 1
    assert slower({}, [figure(5, 4, 6, "1/s")]) == []


def test_the_history_has_a_line_per_run_and_shows_ratios(tmp_path):
    """Two runs of a ratio with a bound and of a rate: the page has the first and the last ratio."""
    path = tmp_path / "history.jsonl"
    ratio = {
        "figure": "ours / theirs",
        "value": 1.5,
        "spread": [1.4, 1.7],
        "unit": "",
        "at_least": 1,
    }
    broken = ratio | {"value": 0.5, "spread": [0.4, 0.6]}
    history.add("race", [ratio, figure(10, 9, 11)], path)
    history.add("race", [broken, figure(8, 7, 9)], path)
    history.add("race", [], path)
    assert len(path.read_text().splitlines()) == 2
    (name, points), *others = history.ratios(path).items()
    assert name == "ours / theirs" and not others
    assert [point.value for point in points] == [1.5, 0.5]
    (row,) = history.page(path).splitlines()[-1:]
    assert row.startswith("| ours / theirs | ≥ 1 | 1.5 (1.4 to 1.7), ") and row.endswith(" | 2 |")
    assert "| 0.5 † (0.4 to 0.6), " in row and torch.backends.cpu.get_cpu_capability() in row


def test_a_commit_with_changes_beside_it_is_marked():
    assert history.short("0123456789abcdef-dirty") == "0123456789+"
    assert history.short("0123456789abcdef") == "0123456789" and history.short(None) == "none"


def test_lines_of_every_algorithm_are_counted_and_half_of_them_have_at_most_60():
    *counted, (_, *_, total, _) = lines.rows()
    names = " ".join(row[0] for row in counted)
    assert all(f"``{name}``" in names for name in RECIPES) and float(total) <= 60

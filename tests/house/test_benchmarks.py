"""Figures of one run beside those of another."""

from benchmarks.__main__ import slower


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

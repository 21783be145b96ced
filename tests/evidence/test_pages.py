"""Pages and pictures are what the kept files say, and every figure stands in one place."""

import json
import re

import pytest

from benchmarks import comparison, history
from evidence.entries import ENTRIES
from evidence.entry import Published, definition_of
from evidence.figures import figures, filled, pages, without_figures
from evidence.keeping import RESULTS, kept
from evidence.page import (
    PAGE,
    PICTURES,
    PRESET_EVIDENCE,
    groups_of,
    is_current,
    page,
    picture_of,
    preset_evidence,
)
from evidence.summary import greedy, number
from nappo2.recipes import PRESETS
from nappo2.recipes.presets import evidence_of
from tests.evidence.tiny import TINY

AGAIN = "nox -s zoo -- --draw writes it again"


def test_the_page_is_what_the_files_say():
    assert PAGE.read_text() == page(kept()), AGAIN


def test_the_pictures_are_of_these_files():
    files = kept()
    groups = groups_of(files)
    assert all(is_current(picture_of(group[0]), group, files) for group in groups), AGAIN
    assert {picture_of(group[0]) for group in groups} == set(PICTURES.glob("*.png"))


def test_the_evidence_of_presets_is_what_the_files_say():
    assert PRESET_EVIDENCE.read_text() == preset_evidence(kept()), AGAIN


def test_an_entry_with_other_pieces_is_no_evidence_of_a_preset():
    """``double-dqn-with-dueling`` has the config of the preset of double DQN, and another network."""
    measured = json.loads(preset_evidence(kept()))
    names = [
        name for presets in measured.values() for entries in presets.values() for name in entries
    ]
    assert "double-dqn-torch-cartpole" in names
    assert not [name for name in names if ENTRIES[name].make is not None]


def test_every_file_is_of_an_entry_of_the_table_and_small():
    for name, data in kept().items():
        assert data["entry"] == json.loads(json.dumps(definition_of(ENTRIES[name]))), name
        assert (RESULTS / f"{name}.json").stat().st_size < 100_000


def test_no_preset_says_whether_it_was_measured_but_all_say_it_where_they_are_listed():
    for recipe, presets in PRESETS.items():
        for name, preset in presets.items():
            assert "measured" not in preset.source
            assert evidence_of(recipe, name)
    assert evidence_of("ppo", "nappo") == "unmeasured"


def test_the_page_of_the_comparison_is_what_its_file_says():
    assert (comparison.DOCS / "comparison.md").read_text() == comparison.page(comparison.kept())


def test_the_page_of_benchmarks_over_time_is_what_its_file_says():
    assert history.PAGE.read_text() == history.page(), AGAIN
    assert history.digest().encode() in history.PICTURE.read_bytes(), AGAIN


def test_figures_on_pages_are_those_of_their_files():
    found = figures()
    for path in pages():
        text = path.read_text()
        assert filled(text, found) == text, f"{path.name}: {AGAIN}"


def test_rates_and_times_stand_on_the_pages_of_benchmarks_or_between_marks():
    """So that the same figure is not in two places with two values."""
    unit = r"\d ?(µs|us|ms|env steps/s|steps/s|steps per second)\b|\d x SB3"
    for path in pages():
        if path.name not in ("benchmarks.md", "bench_history.md", "comparison.md"):
            assert not re.search(unit, without_figures(path.read_text())), path.name


def test_no_line_of_text_begins_with_a_mark():
    """Markdown takes a line that begins with a comment for HTML, and what follows on it for no text."""
    for path in pages():
        lines = path.read_text().splitlines()
        assert not [line for line in lines if re.match(r"\s*<!--.*-->\s*\S", line)], path.name


def test_a_figure_is_written_between_its_marks_and_an_unknown_one_is_refused():
    text = "It takes <!-- figure a step -->9<!-- end --> us."
    assert filled(text, {"a step": "13"}) == "It takes <!-- figure a step -->13<!-- end --> us."
    assert without_figures(text) == "It takes  us."
    with pytest.raises(ValueError, match="no file has a figure 'a step'"):
        filled(text, {})


def test_a_mean_is_that_of_seeds_with_its_interval():
    """Of one seed the mean of its episodes; of five the middle three count: (2 + 3 + 4) / 3."""
    runs = [{"last": {"return": [x - 1, x + 1]}} for x in (1, 2, 3, 4, 50)]
    assert str(greedy({"runs": runs[:1]}, "last")) == "1.00"
    found = greedy({"runs": runs}, "last")
    assert found.mean == 3 and found.low >= 1 and found.high <= 50


def test_an_interval_of_few_seeds_stays_within_what_episodes_returned():
    """Of 480, 500 and 500 Student's interval goes from 465 to 522; no episode had more than 500."""
    runs = [{"last": {"return": [x, x]}, "best": {"return": [0, 500]}} for x in (480, 500, 500)]
    found = greedy({"runs": runs}, "last")
    assert found.high == 500 and 464 < found.low < 466


def test_numbers_have_about_four_digits():
    assert [number(x) for x in (2286.4, 475.25, 0.946, -0.001)] == [
        "2,286",
        "475.2",
        "0.95",
        "0.00",
    ]


def test_what_others_published_has_a_source():
    for entry in ENTRIES.values():
        for each in entry.published:
            assert isinstance(each, Published) and re.match("https://", each.source)
    assert TINY.published == ()

"""A report on runs as one file: HTML that opens alone, or Markdown."""

from html.parser import HTMLParser

import pytest

from nappo2 import PPO, Learner, envs, ppo, report, scheme
from nappo2.runs.metrics import Metrics
from nappo2.show.runs import SavedRun


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three runs that differ in their seed, and one with another discount."""
    made = []
    for i, (seed, gamma) in enumerate([(0, 0.9), (1, 0.9), (2, 0.9), (0, 0.5)]):
        folder = tmp_path_factory.mktemp("runs") / f"pole-{i}"
        config = PPO(num_steps=32, num_minibatches=2, num_epochs=1, hidden=(8,), gamma=gamma)
        recipe = ppo(envs.make("torch/CartPole-v1", 4), config)
        run = Learner(scheme("3cs", recipe), recipe.init(seed), seed, 512, folder, progress=False)
        run.run().close()
        made.append(folder)
    (made[0] / "play.mp4").write_bytes(b"0000ftyp")
    return made


class Tags(HTMLParser):
    """Counts the tags, and collects what they load."""

    def __init__(self):
        super().__init__()
        self.tags, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]


def test_a_page_opens_alone_and_says_what_how_and_again(folders, tmp_path):
    path = report(folders).save(tmp_path / "runs.html")
    text, found = path.read_text(), Tags()
    found.feed(text)
    assert found.tags.count("img") == 1 and found.tags.count("video") == 1
    assert all(source.startswith("data:") for source in found.sources)
    for word in ("gamma", "0.9", "0.5", "torch/CartPole-v1", "3cs", "python", "cores", "pytest"):
        assert word in text, word
    assert "interquartile mean over seeds, with its 95 % interval" in text and "0, 1, 2" in text


def test_markdown_has_the_same_tables(folders, tmp_path):
    text = report(folders[:1]).save(tmp_path / "run.md").read_text()
    assert text.startswith("# ppo") and "| gamma | 0.9 |" in text and "one run each" in text
    assert "![Curve](data:image/png;base64," in text and "1 films stand in the folders" in text


def test_names_are_escaped(tmp_path):
    rows = Metrics(
        [{"env_steps": 1.0, "episode_return": 2.0}, {"env_steps": 2.0, "episode_return": 2.0}]
    )
    page = report({"<script>alert(1)</script>": [SavedRun(rows, {"env": "a|b"}, None, tmp_path)]})
    assert "<script>" not in page.html() and "a\\|b" in page.markdown()


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no run"):
        report([tmp_path])


def test_a_report_on_runs_without_a_curve_says_what_is_missing(tmp_path):
    """One whose first episode has not ended, beside which another one has no interval either."""
    rows = Metrics([{"env_steps": 1.0, "loss": 2.0}])
    run = SavedRun(rows, {"env": "Pole", "seed": 3}, None, tmp_path)
    page = report(run)
    assert "no run has 'episode_return' for y, as no episode has ended" in page.markdown()
    assert "Returns" not in [section.title for section in page.sections]
    with pytest.raises(ValueError, match="no run has 'fun' for y"):
        report(run, "fun")
    other = Metrics([{"env_steps": float(i), "episode_return": 7.0} for i in (1, 2)])
    both = report({"a": [run], "b": [SavedRun(other, {"env": "Pole"}, None, tmp_path)]})
    assert both.sections[1].rows[1:] == [("b", "7.00", "one run has none", "1")]


def test_a_report_on_recorded_data_has_the_curve_of_its_evaluations(tmp_path):
    rows = Metrics(
        {"env_steps": 0, "recorded_updates": n, "evaluation_return": 5.0} for n in (1, 2)
    )
    text = report(SavedRun(rows, {"env": "Pole"}, None, tmp_path)).markdown()
    assert "evaluation return by recorded updates: one run each" in text and "| 5.00 |" in text

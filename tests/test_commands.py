"""The commands beside train, on a run that train left."""

import json

import pytest

from nappo2.cli import main
from tests.test_cli import SHORT


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What 256 steps of CartPole leave."""
    folder = tmp_path_factory.mktemp("runs") / "pole"
    with pytest.raises(SystemExit) as stopped:
        main(["train", "ppo", *SHORT, "--total-steps", "256", "--log-dir", str(folder)])
    assert stopped.value.code == 0
    return folder


def said(capsys, *args):
    """The JSON that a command prints last."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, args)])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return json.loads(printed.out.splitlines()[-1])


def test_eval_plays_as_many_episodes_as_one_wants(run, capsys):
    result = said(capsys, "eval", run, "--episodes", 6)
    assert result["episodes"] == 6 and result["env"] == "torch/CartPole-v1"
    assert 1 <= result["mean_return"] == result["mean_length"] <= 500
    assert said(capsys, "eval", run, "--episodes", 6) == result


def test_plot_draws_runs(run, tmp_path, capsys):
    result = said(capsys, "plot", run, run, "--output", tmp_path / "both.png")
    assert result["runs"] == [str(run)] * 2
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")


def test_play_films_an_episode(run, capsys):
    pytest.importorskip("imageio_ffmpeg")
    result = said(capsys, "play", run, "--steps", 20)
    assert (run / "play.mp4").stat().st_size > 1000 and result["output"] == str(run / "play.mp4")
    assert result["frames"] == 1 + result["episode_return"] or result["frames"] <= 21


def test_presets_are_listed(capsys):
    with pytest.raises(SystemExit):
        main(["presets", "ppo"])
    printed = capsys.readouterr().out
    assert "*CartPole-v1" in printed and "100,000" in printed and "impala" not in printed


WRONG = {
    "eval nowhere": "there is no run in nowhere: it has no metrics.csv",
    "play nowhere": "there is no run in nowhere",
    "plot nowhere": "there is no run in nowhere",
    "plot": "name at least one directory",
    "presets ppoo": "no recipe is called 'ppoo'; there is ppo",
    "eval RUN --episodes 0": "num_episodes is an integer of at least 1, not 0",
    "play RUN --window": "torch/CartPole-v1 has no window",
    "plot RUN --y fun": "no run has 'env_steps' and 'fun'",
}


@pytest.mark.parametrize("line", WRONG)
def test_bad_input_is_a_sentence_and_exit_code_2(line, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(line.replace("RUN", str(run)).split())
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and "Traceback" not in printed.err
    assert WRONG[line] in printed.err

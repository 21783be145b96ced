"""The commands beside train, on a run that train left."""

import json
import shutil
import sys
from itertools import product

import gymnasium
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from nappo2 import PPO, Learner, envs, ppo, scheme
from nappo2.cli import main
from nappo2.show.markup import aligned
from nappo2.show.runs import group_runs
from tests.makers.commands import SHORT, said

POLE = "CartPole-v1"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What 256 steps of CartPole leave."""
    folder = tmp_path_factory.mktemp("runs") / "pole"
    with pytest.raises(SystemExit) as stopped:
        main(["train", "ppo", *SHORT, "--total-steps", "256", "--log-dir", str(folder)])
    assert stopped.value.code == 0
    return folder


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


def test_a_table_is_as_wide_as_it_may_be():
    """Two spaces between 6 + 9 + 9 letters: 28; words stay whole, with hyphens too."""
    rows = [("recipe", "env", "source"), ("ppo", "a-b-c d-e-f", "one two three"), ("", "", "")]
    assert aligned(rows, 28) == [
        "recipe  env        source",
        "ppo     a-b-c      one two",
        "        d-e-f      three",
        "",
    ]
    assert aligned(rows, 80) == aligned(rows) and len(aligned(rows)) == 3
    assert aligned([("a-very-long-name", "b")], 12) == ["a-very-long-name", "    b"]


class Blind(CartPoleEnv):
    """Takes no render_mode."""

    def __init__(self):
        super().__init__()


gymnasium.register("Blind-v0", Blind)

WRONG = {
    "eval nowhere": "there is no run in nowhere: it has no metrics.csv",
    "play nowhere": "there is no run in nowhere",
    "plot nowhere": "there is no run in nowhere",
    "plot": "name at least one directory",
    "presets ppoo": "no recipe is called 'ppoo'; there is ppo",
    "eval RUN --episodes 0": "num_episodes is an integer of at least 1, not 0",
    "play RUN --window": "torch/CartPole-v1 has no window",
    "play RUN --env ALE/Pong-v5": "ALE/Pong-v5 cannot be shown: ALE/Pong-v5 takes no argument 'ren",
    "play RUN --env Blind-v0": "Blind-v0 cannot be shown: Blind-v0 takes no argument 'render_mode'",
    "play RUN --env Blind-v0 --window": "Blind-v0 cannot be shown: Blind-v0 takes no argument 'r",
    "eval RUN --threads 0": "threads is an integer of at least 1, not 0",
    "eval RUN --threads 1e6": "threads is at most 1,024, not 1,000,000",
    "train ppo --threads 1e6 --env torch/CartPole-v1": "threads is at most 1,024, not 1,000,000",
    "plot RUN --y fun": "no run has 'fun' for y; give y as one of their columns: all_mini",
    "train ppo --lr 0.001": "no option is called --lr; did you mean --learning-rate?",
    "train ppo --total-step=9": "no option is called --total-step; did you mean --total-steps?",
    "resume": "nappo2 resume takes the folder of a run, as in nappo2 resume runs/pole",
    "resume --total-steps 9": "nappo2 resume takes the folder of a run",
    "resume RUN --seeds 3": "a resumed run has as many seeds as it began with, 1, not 3",
}


@pytest.mark.parametrize("line", WRONG)
def test_bad_input_is_a_sentence_and_exit_code_2(line, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(line.replace("RUN", str(run)).split())
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and "Traceback" not in printed.err
    assert WRONG[line] in printed.err


def test_resume_explains_itself_without_a_run(capsys):
    """It took --help for the folder of a run."""
    main(["resume", "--help"])
    assert "usage: nappo2 resume RUN" in capsys.readouterr().out


def test_a_run_of_python_is_in_the_group_of_the_same_run_of_the_command_line(tmp_path):
    """With workers as well; what differs in the environment or in the number of workers is told apart."""

    def python(name, scheme_name, frame_skip=1, **cuts):
        skip = {} if frame_skip == 1 else {"frame_skip": frame_skip}
        recipe = ppo(envs.make(POLE, 2, **skip), PPO(num_steps=8, num_minibatches=1))
        pipe = scheme(scheme_name, recipe, **cuts)
        folder = tmp_path / name
        Learner(pipe, recipe.init(0), target_steps=32, log_dir=folder, progress=False).run()
        return folder

    def line(name, *words):
        options = ("--num-envs", "2", "--num-steps", "8", "--num-minibatches", "1", *words)
        options += ("--preset", "default", "--total-steps", "32", "--checkpoint-every", "0")
        with pytest.raises(SystemExit):
            main(["train", "ppo", "--env", POLE, *options, "--log-dir", str(tmp_path / name)])
        return tmp_path / name

    assert len(group_runs([python("a", "3cs"), line("b")])) == 1
    both = python("c", "da2cs", collectors=2), line("d", "--scheme", "da2cs", "--collectors", "2")
    assert len(group_runs(both)) == 1
    assert len(group_runs([*both, python("e", "da2cs", collectors=4)])) == 2
    skipping = python("f", "3cs", frame_skip=2), line("g", "--frame-skip", "2")
    assert len(group_runs(skipping)) == 1 and len(group_runs([tmp_path / "a", *skipping])) == 2


def test_a_run_without_checkpoints_says_how_to_have_some(tmp_path, capsys):
    recipe = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=1))
    Learner(scheme("3cs", recipe), recipe.init(0), target_steps=16, log_dir=tmp_path / "run").run()
    with pytest.raises(SystemExit) as stopped:
        main(["resume", str(tmp_path / "run")])
    assert stopped.value.code == 2
    assert "a Learner writes them with checkpoint_every=50_000" in capsys.readouterr().err


def ended(capsys, *args):
    """The exit code of a command, and what it said on the standard error."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, args)])
    return stopped.value.code, capsys.readouterr().err


def copied(run, folder, **changed):
    """A copy of a run, whose run.json says something else."""
    shutil.copytree(run, folder, symlinks=True)
    description = json.loads((folder / "run.json").read_text()) | changed
    (folder / "run.json").write_text(json.dumps(description))
    return folder


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """The name of a module that tells when it is imported, and registers an environment."""
    (tmp_path / "strange.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "gymnasium.register('Strange-v0', CartPoleEnv, max_episode_steps=20)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield "strange"
    sys.modules.pop("strange", None)


ACTING = ("eval RUN --episodes 1", "play RUN --steps 2", "train --resume RUN --total-steps 320")
MODULES = ("strange:CartPole-v1", "strange:Strange-v0", "x:strange:CartPole-v1", "strange:", ":")


@pytest.mark.parametrize(("line", "env"), product(ACTING, MODULES))
def test_no_file_makes_a_command_import_a_module(line, env, run, strange, tmp_path, capsys):
    folder = copied(run, tmp_path / "copy", env=env)
    code, said = ended(capsys, *line.replace("RUN", str(folder)).split())
    assert code == 2 and "no file makes nappo2 import a module" in said and repr(env) in said
    assert f"--env {env}" in said and strange not in sys.modules


@pytest.mark.parametrize("line", ACTING)
def test_whoever_names_a_module_on_the_command_line_has_it_imported(
    line, run, strange, tmp_path, capsys
):
    pytest.importorskip("imageio_ffmpeg")
    folder = copied(run, tmp_path / "copy", env="strange:Strange-v0")
    words = [*line.replace("RUN", str(folder)).split(), "--env", "strange:Strange-v0"]
    code, said = ended(capsys, *words)
    assert code == 0 and strange in sys.modules, said


def test_a_run_that_names_a_module_is_plotted_and_loaded_without_it(run, strange, tmp_path, capsys):
    from nappo2 import load_run

    folder = copied(run, tmp_path / "copy", env="strange:Strange-v0")
    assert ended(capsys, "plot", folder, "--output", tmp_path / "x.png")[0] == 0
    description = load_run(folder).description
    assert (description["env"], description["env_module"]) == ("Strange-v0", strange)
    assert strange not in sys.modules


UNFIT = (
    {"env": ["CartPole-v1"]}, {"env": None}, {"algorithm": "os"}, {"algorithm": ["ppo"]},
    {"config": None}, {"config": {"hidden": "8"}}, {"config": {"num_steps": "many"}},
    {"config": {"system": 1}}, {"scheme": 3}, {"scheme": "os"}, {"backend": "os"},
    {"total_steps": "many"}, {"seed": 1.5}, {"num_envs": True}, {"threads": None},
    {"population": {"hyper": {}}},
    {"device": "abacus"}, {"evaluate_every": [1]}, {"log_dir": 3} | {"preset": 3},
)  # fmt: skip


@pytest.mark.parametrize("changed", UNFIT, ids=str)
def test_what_a_file_says_is_data_of_the_right_type_or_refused(changed, run, tmp_path, capsys):
    folder = copied(run, tmp_path / "copy", **changed)
    code, said = ended(capsys, "train", "--resume", folder, "--total-steps", 320)
    assert code == 2 and said.startswith("nappo2: ") and len(said.splitlines()) == 1, said
    code, said = ended(capsys, "eval", folder, "--episodes", 1)
    named = {"env", "algorithm", "config"} & set(changed)
    assert code == (2 if named else 0) and "Traceback" not in said


OF_OTHER_KINDS = (
    {"environment": ["CartPole-v1"]}, {"environment": {"call": "x", "arguments": [3]}},
    {"recipe": "ppo"}, {"recipe": {"arguments": 3}}, {"recipe": {"replaced": 4}},
    {"population": [3]}, {"population": {"num_members": "3"}}, {"versions": "1.0"}, {"machine": 2},
)  # fmt: skip


@pytest.mark.parametrize("changed", OF_OTHER_KINDS, ids=str)
def test_an_entry_of_another_kind_is_named_by_all_that_read_it(changed, run, tmp_path, capsys):
    folder = copied(run, tmp_path / "copy", **changed)
    for words in (["eval"], ["plot"], ["compare"], ["report"], ["train", "--resume"]):
        code, said = ended(capsys, *words, folder)
        assert code == 2 and len(said.splitlines()) == 1, said
        assert said.startswith(f"nappo2: {next(iter(changed))}") and f" in {folder}" in said


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "null", "\x00"])
def test_a_description_that_is_none_is_a_sentence(text, run, tmp_path, capsys):
    folder = copied(run, tmp_path / "copy")
    (folder / "run.json").write_text(text)
    for words in (["eval", folder], ["plot", folder], ["train", "--resume", folder]):
        code, said = ended(capsys, *words)
        assert code == 2 and str(folder / "run.json") in said


def test_a_copy_of_a_run_goes_on_in_the_copy(run, tmp_path, capsys):
    """Wherever run.json says that the run was begun, and whatever it links to."""
    folder = copied(run, tmp_path / "copy")
    (folder / "run.json").rename(tmp_path / "moved")
    (folder / "run.json").symlink_to(tmp_path / "moved")
    before = {path: path.stat().st_mtime_ns for path in [run, *run.rglob("*")]}
    result = said(capsys, "train", "--resume", folder, "--total-steps", 320)
    assert result["log_dir"] == str(folder) and result["env_steps"] == 320
    assert {path: path.stat().st_mtime_ns for path in [run, *run.rglob("*")]} == before
    assert not (folder / "run.json").is_symlink()


def test_a_run_without_a_card_is_told_how_it_is_loaded(run, tmp_path, capsys):
    folder = copied(run, tmp_path / "copy")
    (folder / "run.json").unlink()
    for command in ("eval", "play"):
        code, said = ended(capsys, command, folder)
        assert code == 2 and "has no run.json, so that its recipe is not known here" in said
        assert "recipe=...) takes it" in said

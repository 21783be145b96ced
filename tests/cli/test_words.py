"""Names of options, and integers, as people write them."""

from importlib import import_module

import pytest

from nappo2.cli.train_options import parse
from nappo2.cli.words import check_names, integer, print_result


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--lr", "--learning-rate"),
        ("--gae-lambda=0.9", "--lambda_"),
        ("--lambda", "--lambda_"),
        ("--n-steps", "--num-steps"),
        ("--totalsteps", "--total-steps"),
        ("--no-normalise", "--no-normalize"),
    ],
)
def test_an_option_of_another_library_is_answered_with_the_own_one(given, meant):
    with pytest.raises(ValueError, match=rf"no option is called --[a-z-]+; did you mean {meant}\?"):
        parse("ppo", [given, "1"])


def test_options_that_there_are_pass_and_so_do_those_that_resemble_none():
    known = ["lambda_", "num_steps", "normalize"]
    check_names(
        ["--lambda_", "1", "--num-steps=3", "--no-normalize", "--help", "-h", "text"], known
    )
    check_names(["--verbose", "--xyz"], known)


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("1e6", 10**6), ("2.5E3", 2500)])
def test_an_integer_may_be_written_as_a_power_of_ten(text, number):
    assert integer(text) == number
    assert parse("ppo", [f"--total-steps={text}"]).total_steps == number
    assert parse("ppo", ["--total-steps", text, "--gamma", "9.5e-1"]).config.gamma == 0.95


@pytest.mark.parametrize("text", ["1.5", "1e400", "many", "1e-1"])
def test_what_is_no_integer_is_refused(text, capsys):
    with pytest.raises(ValueError):
        integer(text)
    with pytest.raises(SystemExit):
        parse("ppo", ["--total-steps", text])
    assert "total-steps" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["eval", "play", "search"])
def test_other_commands_read_integers_in_the_same_way(name, capsys):
    command = import_module(f"nappo2.cli.{name}")
    count, words = {"eval": ("--episodes", ["x"]), "play": ("--steps", ["x"])}.get(
        name, ("--trials", ["ppo"])
    )
    with pytest.raises(SystemExit):
        command.run([*words, count, "1.5"])
    assert "1.5 is no integer" in capsys.readouterr().err


def test_a_result_is_json_whatever_its_numbers_are(capsys):
    """NaN and Infinity are Python's: other programs do not read them."""
    print_result({"iqm": float("nan"), "runs": {"0": [1.5, -float("inf")], "1": (2, "nan", None)}})
    assert (
        capsys.readouterr().out
        == '{"iqm": null, "runs": {"0": [1.5, null], "1": [2, "nan", null]}}\n'
    )
